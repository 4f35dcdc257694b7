"""Walking every open tenure: all of them, once, from any place, by index at size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio

from onefold.ops.index.walk import CHUNK, WORKSPACES_AT_ONCE, Pace, walk
from onefold.records.numbers import TenureNumbers
from onefold.records.open_tenures import AFTER, BY_ID, by_id, estimate_open
from onefold.records.resolution import Resolution
from onefold.records.store import Store
from tests.support.workspaces import add_workspace
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.servers import Database

WORKSPACES = ("a", "b", "c", "d", "e")


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    opened = await Store.connect(database.app_url)
    await add_workspace(opened, *WORKSPACES)
    yield opened
    await opened.close()


async def resolve(store: Store, resolution: Resolution, workspace: str, count: int) -> None:
    interactions = [event(f"anonymous_token:{workspace}{n}", workspace=workspace) for n in range(count)]
    async with store.transaction([workspace]) as connection:
        await resolution.resolve(connection, interactions, {workspace: EXACT}, "test")


@pytest.mark.asyncio
async def test_a_walk_sees_every_tenure_once_and_goes_on_from_any_place(store: Store) -> None:
    """F51: in groups of workspaces and in chunks; a workspace made between two walks shifts nothing."""
    many = [f"w{number:03}" for number in range(WORKSPACES_AT_ONCE + 10)]
    held = {many[-2]: 2 * CHUNK + 4, many[-5]: 5, many[3]: 6, many[1]: 2 * CHUNK + 7}
    await add_workspace(store, *many)
    resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=10_000)
    for workspace, count in held.items():
        await resolve(store, resolution, workspace, count)
    seen = [(place, [tenure.normalised for tenure in chunk.tenures]) async for place, chunk in walk(store, Pace())]
    everything = [value for _, values in seen for value in values]
    assert sorted(everything) == sorted(f"{workspace}{n}" for workspace, count in held.items() for n in range(count))
    assert all(len(values) <= CHUNK for _, values in seen)
    assert len({place.through_workspace for place, _ in seen}) == 2
    await add_workspace(store, "aa", "bb")
    for number, (place, _) in enumerate(seen):
        rest = [tenure.normalised async for _, chunk in walk(store, Pace(), place) for tenure in chunk.tenures]
        assert rest == [value for _, values in seen[number + 1 :] for value in values]


@pytest.mark.asyncio
async def test_tenures_are_found_by_id_in_the_named_workspaces_with_the_xmin_of_their_snapshot(store: Store) -> None:
    """Architecture, section 3: what is running counts as later. Ids of other workspaces find nothing."""
    resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=10_000)
    await resolve(store, resolution, "a", 2)
    async with store.transaction(["a"]) as connection:
        ids = [row["tenure_id"] for row in await connection.fetch("select tenure_id from identifiers")]
        running = await connection.fetchval("select pg_current_xact_id()::text::bigint")
        async with store.transaction(["a", "b"]) as other:
            found = await by_id(other, ids)
            assert {tenure.tenure_id for tenure in found.tenures} == set(ids)
            assert found.xmin <= running
        async with store.transaction(["b"]) as other:
            assert (await by_id(other, ids)).tenures == []


@pytest.mark.asyncio
async def test_the_statements_of_upkeep_go_by_index_at_size(store: Store, database: Database) -> None:
    """Prepared on empty tables, run on full ones (architecture, section 4); and the estimate is that of the open tenures."""
    async with store.transaction(WORKSPACES) as connection:
        await connection.fetch(AFTER, 1, 100)
        await connection.fetch(BY_ID, [1])
    admin = await asyncpg.connect(database.admin_url)
    await admin.execute("select set_config('onefold.workspaces', 'a', false)")
    await admin.execute(
        "insert into identifiers (tenure_id, workspace, identifier_key, contact_id, semantic_type, identifier, normalised, assurance, source,"
        " first_seen_at, last_seen_at, held_until) select i, 'a', decode(lpad(to_hex(i), 32, '0'), 'hex'), gen_random_uuid(), 't', 'x', 'x',"
        " 1, 's', now(), now(), case when i % 4 = 0 then now() end from generate_series(1, 20000) i"
    )
    await admin.execute("analyze identifiers")
    await admin.close()
    async with store.transaction(WORKSPACES) as connection:
        for statement, argument in ((AFTER, 9_000), (BY_ID, list(range(500)))):
            more = [100] if statement is AFTER else []
            plan = "\n".join(row[0] for row in await connection.fetch(f"explain {statement}", argument, *more))
            assert "identifiers_pkey" in plan
            assert "Seq Scan on identifiers" not in plan
        assert await estimate_open(connection) == pytest.approx(15_000, rel=0.05)
