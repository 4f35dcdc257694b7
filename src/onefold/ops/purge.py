"""Purge what came through the identifiers of erased people, in chunks: a million rows, maybe, so not in the transaction that erases them.

Until it is done nobody can see them: their tenures are gone. Begun anew it goes on where it was. Whoever was storing lines while the person
was erased may add some more: they have ended, and all is looked through again, before an erasure counts as done. Called by the command
that erases, and by the timeline's upkeep, which finishes what a killed command left.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from onefold.errors import StoreUnavailable
from onefold.records import erased
from onefold.records.store import RACES
from onefold.records.timeline import forget_tenures
from onefold.records.workspaces import list_workspaces

if TYPE_CHECKING:
    from onefold.records.erased import Unfinished
    from onefold.records.store import Store

CHUNK: Final = 5_000
"""Interactions that are deleted in one transaction."""
TENURES: Final = 500
"""Tenures that are looked for at once."""
PAUSE_SECONDS: Final = 0.05
PATIENCE_SECONDS: Final = 180.0
"""Longer than any transaction may take."""
ATTEMPTS: Final = 9


async def purge(store: Store, workspace: str, each: Unfinished, *, patience_seconds: float = PATIENCE_SECONDS) -> int:
    """Purge what is left of one erasure; gives how many interactions. Raises StoreUnavailable where others stay at work for too long."""
    async with store.transaction([workspace]) as connection:
        tenures = await erased.tenures_of(connection, workspace, each.erasure_id)
        mark = await erased.now_at_work(connection)
    purged = await _forget(store, workspace, tenures)
    await _wait_for_others(store, mark, patience_seconds)
    purged += await _forget(store, workspace, tenures)
    async with store.transaction([workspace]) as connection:
        await erased.sweep(connection, workspace, each.contacts)
        await erased.finish(connection, workspace, each.erasure_id)
    return purged


async def purge_all(store: Store) -> int:
    """Purge what is left of every erasure; gives how many there were."""
    async with store.connection() as connection:
        slugs = await list_workspaces(connection)
    done = 0
    for workspace in slugs:
        async with store.transaction([workspace]) as connection:
            waiting = await erased.unfinished(connection, workspace)
        for each in waiting:
            await purge(store, workspace, each)
            done += 1
    return done


async def _forget(store: Store, workspace: str, tenures: list[int]) -> int:
    forgotten = 0
    for start in range(0, len(tenures), TENURES):
        some = tenures[start : start + TENURES]
        while (chunk := await _chunk(store, workspace, some)) > 0:
            forgotten += chunk
    return forgotten


async def _chunk(store: Store, workspace: str, tenures: list[int]) -> int:
    for _ in range(ATTEMPTS):
        with suppress(*RACES):
            async with store.transaction([workspace]) as connection:
                return await forget_tenures(connection, workspace, tenures, CHUNK)
    raise StoreUnavailable("purging an erased person keeps losing races against the timeline")


async def _wait_for_others(store: Store, mark: int, patience_seconds: float) -> None:
    """Until nobody is at work who may have looked before the person was erased."""
    try:
        async with asyncio.timeout(patience_seconds):
            while True:
                async with store.connection() as connection:
                    if await erased.oldest_at_work(connection) >= mark:
                        return
                await asyncio.sleep(PAUSE_SECONDS)
    except TimeoutError:
        raise StoreUnavailable(f"a transaction is at work for {patience_seconds:g} s already; purging goes on when it has ended") from None
