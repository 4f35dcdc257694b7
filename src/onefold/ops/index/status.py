"""How the index is, at a glance: cheap questions to both sides, and a sample of identifiers."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onefold.index.life import Life
from onefold.ops.index.walk import WORKSPACES_AT_ONCE
from onefold.records import jobs
from onefold.records.incarnations import present
from onefold.records.open_tenures import count_open, estimate_open, greatest_id, open_after
from onefold.records.workspaces import list_workspaces

if TYPE_CHECKING:
    from datetime import datetime

    from onefold.index.upkeep import IndexUpkeep, ServerState
    from onefold.records.jobs import Job
    from onefold.records.store import Store

PROBES, PROBED_AT_ONCE = 20, 50


@dataclass(frozen=True, slots=True)
class Status:
    """How the index is."""

    incarnation: str
    began_at: datetime
    redis: ServerState
    """`keys` counts those of earlier incarnations too."""
    identifiers: int | None
    """Open tenures: counted, or as Postgres estimates; None where it has no estimate yet."""
    is_counted: bool
    coverage: float | None
    """Share of a sample of identifiers that has a readable entry of this incarnation; None where there is no identifier."""
    last_rebuild: Job | None


async def status(store: Store, index: IndexUpkeep, secret: bytes, *, exact: bool = False) -> Status:
    """Look. `exact` counts the identifiers one by one. Raises IndexUnavailable, StoreUnavailable."""
    async with store.connection() as connection:
        incarnation = await present(connection)
        slugs = await list_workspaces(connection)
        estimate = await estimate_open(connection)
        rebuilds = await jobs.of_kind(connection, "index-rebuild")
    return Status(
        incarnation=incarnation.name,
        began_at=incarnation.began_at,
        redis=await index.state(),
        identifiers=await _count(store, slugs) if exact else estimate,
        is_counted=exact,
        coverage=await _coverage(store, index, Life(secret, incarnation.name), slugs),
        last_rebuild=rebuilds[0] if rebuilds else None,
    )


async def _count(store: Store, slugs: list[str]) -> int:
    found = 0
    for start in range(0, len(slugs), WORKSPACES_AT_ONCE):
        async with store.transaction(slugs[start : start + WORKSPACES_AT_ONCE]) as connection:
            found += await count_open(connection)
    return found


async def _coverage(store: Store, index: IndexUpkeep, life: Life, slugs: list[str]) -> float | None:
    """Of some identifiers at random places of the table, in some workspaces."""
    some = random.sample(slugs, min(len(slugs), WORKSPACES_AT_ONCE))
    seen = covered = 0
    async with store.transaction(some) as connection:
        greatest = await greatest_id(connection)
        chunks = [await open_after(connection, random.randint(-1, greatest), PROBED_AT_ONCE) for _ in range(PROBES)]  # noqa: S311 -- a sample
    for chunk in chunks:
        keys = [life.key(tenure.workspace, tenure.key) for tenure in chunk.tenures]
        values = await index.read(keys)
        seen += len(keys)
        covered += sum(life.decode(key, value) is not None for key, value in zip(keys, values, strict=True))
    return covered / seen if seen else None
