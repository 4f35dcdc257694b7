"""Collapsing separations loses nothing, for whoever looks, whenever they looked before (architecture, section 3)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from onefold.index.life import Life
from onefold.records.progress import PartitionKey, claim, fence, separations_since
from onefold.records.separations import ALONE, COLLAPSE, LOCK, collapse
from onefold.records.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from onefold.records.store import Connection
    from tests.support.servers import Database

INSERT = "insert into separations (xid, bucket) select pg_current_xact_id(), unnest($1::integer[]) returning xid::text::bigint"
ROWS = "select xid::text::bigint, bucket from separations order by bucket, xid"
SECRET = bytes(range(32))


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    store = await Store.connect(database.app_url, idle_in_transaction_ms=120_000)
    yield store
    await store.close()


async def separate(store: Store, *buckets: int) -> int:
    """A transaction that separates; gives its id."""
    async with store.begin() as connection:
        return await _insert(connection, *buckets)


async def _insert(connection: Connection, *buckets: int) -> int:
    xid: int = await connection.fetchval(INSERT, list(buckets))
    return xid


async def rows(store: Store) -> list[tuple[int, int]]:
    async with store.connection() as connection:
        return [(xid, bucket) for xid, bucket in await connection.fetch(ROWS)]


async def learn(life: Life, store: Store) -> None:
    async with store.connection() as connection:
        since = life.since_xmin
        xmin, found = await separations_since(connection, since)
    life.learn(found, since, xmin)


@pytest.mark.asyncio
async def test_at_rest_each_bucket_keeps_its_greatest_row_and_no_other(store: Store) -> None:
    """Also where one transaction separated a bucket twice, and in chunks."""
    alone = await separate(store, 9)
    for _ in range(5):
        await separate(store, 1, 2, 3)
    last = await separate(store, 1, 1, 2, 2, 3)
    assert [await collapse(store, 10), await collapse(store, 10), await collapse(store, 10)] == [10, 7, 0]
    assert await rows(store) == [(last, 1), (last, 2), (last, 3), (alone, 9)]


@pytest.mark.asyncio
async def test_a_fresh_life_doubts_an_old_entry_after_a_collapse_and_trusts_a_new_one(store: Store) -> None:
    """F17: an entry of any age, held against what is left."""
    xids = [await separate(store, 1) for _ in range(4)]
    async with store.connection() as connection:
        since, _ = await separations_since(connection, 0)
    assert await collapse(store) == 3
    life = Life(SECRET, "one")
    await learn(life, store)
    assert not any(life.allows(1, xmin) for xmin in (1, *xids))
    assert life.allows(1, xids[-1] + 1)
    assert life.since_xmin >= since


@pytest.mark.asyncio
async def test_a_fence_on_an_older_snapshot_reads_what_is_collapsed_meanwhile(store: Store) -> None:
    """It does not see the greater row, so it must see the lower one."""
    owned = await claim(store, PartitionKey("resolver", "interactions", 0), "worker")
    lower = await separate(store, 1)
    async with store.connection() as connection, connection.transaction(isolation="repeatable_read"):
        await connection.fetchval("select count(*) from progress")  # takes the snapshot
        await separate(store, 1)
        assert await collapse(store) == 1
        present = await fence(connection, owned, 1, 0)
    assert list(present.separations) == [(lower, 1)]


@pytest.mark.asyncio
@pytest.mark.parametrize("is_lower", [True, False])
async def test_a_separation_that_is_open_during_a_collapse_is_doubted_by(store: Store, *, is_lower: bool) -> None:
    """It is no reason to delete and is not deleted; once it has committed, whoever looked in between doubts what it speaks against."""
    life = Life(SECRET, "one")
    async with store.begin() as slow:
        xids = [await slow.fetchval("select pg_current_xact_id()::text::bigint")] if is_lower else []
        xids += [await separate(store, 1), await separate(store, 1)]
        await _insert(slow, 1, 2)
        if not is_lower:
            xids.append(await slow.fetchval("select pg_current_xact_id()::text::bigint"))
        open_xid = xids[0] if is_lower else xids[-1]
        seen = max(xid for xid in xids if xid != open_xid)
        assert await collapse(store) == 1
        assert await rows(store) == [(seen, 1)]
        await learn(life, store)
        assert not life.allows(1, seen)
    assert await collapse(store) == 1
    await learn(life, store)
    fresh = Life(SECRET, "one")
    await learn(fresh, store)
    for each in (life, fresh):
        assert not each.allows(1, max(xids))
        assert not each.allows(2, open_xid)
        assert each.allows(1, max(xids) + 1)
    assert await rows(store) == [(max(xids), 1), (open_xid, 2)]


@pytest.mark.asyncio
async def test_of_two_collapses_at_once_one_does_nothing_and_waits_for_nothing(store: Store) -> None:
    for _ in range(3):
        await separate(store, 1, 2)
    async with store.begin() as connection:
        assert await connection.fetchval(ALONE, LOCK, "5000")
        assert await connection.execute(COLLAPSE, 1) == "DELETE 1"
        async with asyncio.timeout(30):
            assert await collapse(store) == 0
    assert await collapse(store) == 3
    assert len(await rows(store)) == 2


@pytest.mark.asyncio
async def test_whoever_looks_at_any_moment_of_collapses_and_separations_knows_the_greatest(store: Store) -> None:
    """Writers, collapses and a worker's looks, all at once: after each look everything that had committed before it is doubted."""
    committed: dict[int, int] = {}
    life, is_over = Life(SECRET, "one"), asyncio.Event()

    async def write(offset: int) -> None:
        for number in range(150):
            bucket = (number + offset) % 4
            xid = await separate(store, bucket)
            committed[bucket] = max(committed.get(bucket, 0), xid)

    async def collapses() -> int:
        total = 0
        while not is_over.is_set():
            total += await collapse(store, 3)
        return total

    async def looks() -> None:
        while not is_over.is_set():
            before = dict(committed)
            await learn(life, store)
            fresh = Life(SECRET, "one")
            await learn(fresh, store)
            assert not [bucket for bucket, xid in before.items() if life.allows(bucket, xid) or fresh.allows(bucket, xid)]

    collapsing = [asyncio.create_task(collapses()) for _ in range(2)]
    looking = asyncio.create_task(looks())
    await asyncio.gather(*(write(offset) for offset in range(3)))
    is_over.set()
    await looking
    assert sum(await asyncio.gather(*collapsing)) > 100
    while await collapse(store):
        pass
    assert sorted((bucket, xid) for xid, bucket in await rows(store)) == sorted(committed.items())
