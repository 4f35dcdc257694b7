"""Every change reaches the log, in the order of each contact's versions; repeats are allowed, gaps are not (I7, I8)."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING

import asyncpg
import pytest

from onefold.errors import Fenced, StoreUnavailable
from onefold.messages.topics import CONTACTS_CHANGED, SEGMENTS_MEMBERSHIP, partition_of
from onefold.records.outbox import _SHARD_LOCKS, BACKLOG, READ, OwnedShard, own, presence
from onefold.topics.transactions import TransactionalProducer
from tests.integration.relay.outboxes import INSERT, assert_repeats_but_no_gap, contact, insert, relaying, versions
from tests.integration.topics.reading import read_topic
from tests.support.gates import failing
from tests.support.healing import emptied

if TYPE_CHECKING:
    from onefold.records.store import Store
    from onefold.topics.client import KafkaConnection
    from tests.support.servers import Database

SILENCE = 15.0


@pytest.mark.asyncio
async def test_rows_come_out_once_in_order_with_key_headers_and_topic(store: Store, topics: KafkaConnection) -> None:
    people = [contact(number) for number in range(40)]
    async with store.connection() as connection:
        await insert(connection, [(who, version) for version in range(1, 6) for who in people])
        await insert(connection, [(people[0], None)])
        await connection.execute(INSERT, 0, SEGMENTS_MEMBERSHIP, b"k", b"{}", "{}")
    async with relaying(store, topics) as running:
        await running.owns(4)
        await emptied(store)
    records = await read_topic(topics, CONTACTS_CHANGED)
    assert versions(records) == {str(who): [1, 2, 3, 4, 5] + ([None] if who is people[0] else []) for who in people}
    for record in records:
        assert record.key is not None
        assert record.partition == partition_of(record.key, 3)
        version = "None" if record.value is None else record.value.decode().split(":")[1].strip(" }")
        assert record.headers == (("ce_id", f"{record.key.decode()}/{version}".encode()),)
    (membership,) = await read_topic(topics, SEGMENTS_MEMBERSHIP)
    assert (membership.key, membership.value, membership.headers) == (b"k", b"{}", ())


@pytest.mark.asyncio
async def test_a_row_that_commits_late_is_not_skipped(store: Store, topics: KafkaConnection) -> None:
    """F32: sequence order is not commit order. A relay that pages by id loses the row for ever."""
    early, late = contact(1), contact(2)
    async with relaying(store, topics) as running:
        await running.owns(4)
        async with store.begin() as slow:
            await slow.execute(INSERT, 1, CONTACTS_CHANGED, str(early).encode(), b'{"version": 1}', "{}")
            async with store.connection() as connection:
                await connection.execute(INSERT, 1, CONTACTS_CHANGED, str(late).encode(), b'{"version": 1}', "{}")
            async with asyncio.timeout(20):
                while not await read_topic(topics, CONTACTS_CHANGED):
                    await asyncio.sleep(0.05)
        await emptied(store, within_seconds=30)
    assert set(versions(await read_topic(topics, CONTACTS_CHANGED))) == {str(early), str(late)}


@pytest.mark.asyncio
async def test_a_death_between_commit_and_delete_repeats_and_leaves_no_gap(store: Store, topics: KafkaConnection) -> None:
    """F4."""
    who = contact(1)
    with failing("relay.acknowledged", 1, 2, 3):
        async with relaying(store, topics, batch_size=10) as running:
            async with store.connection() as connection:
                for begin in range(1, 100, 5):
                    await insert(connection, [(who, version) for version in range(begin, begin + 5)])
                    await asyncio.sleep(0.01)
            await emptied(store)
            assert running.metrics.failures.labels("store_unavailable")._value.get() == 3
    seen = versions(await read_topic(topics, CONTACTS_CHANGED))[str(who)]
    assert len(seen) > 100, "nothing was told twice"
    assert_repeats_but_no_gap(seen, last=99 + 1)


@pytest.mark.asyncio
async def test_a_relay_whose_id_was_taken_deletes_nothing_and_lets_the_shard_go(store: Store, topics: KafkaConnection) -> None:
    """F7; mutants relay-without-a-fence, rows-deleted-before-they-are-told: what a zombie has in flight is fenced at its commit, and its rows stay for the new owner."""
    who = contact(1)
    async with relaying(store, topics) as running:
        async with store.connection() as connection:
            await insert(connection, [(who, 1)])
        await emptied(store)  # so the relay has taken the id, which comes after owning the shard
        shard = who.int % 4
        newer = TransactionalProducer(topics, topics.topic(f"onefold-relay-{shard}"))
        await newer.open()
        async with store.connection() as connection:
            await insert(connection, [(who, 2)])
        async with asyncio.timeout(30):
            while not running.metrics.fenced._value.get():
                await asyncio.sleep(0.01)
        assert shard not in running.relay.owned
        async with store.connection() as connection:
            assert await connection.fetchval("select count(*) from outbox") == 1
        assert versions(await read_topic(topics, CONTACTS_CHANGED)) == {str(who): [1]}
        # The other one never owned the shard in Postgres; in the end whoever does wins.
        await emptied(store)
        with pytest.raises(Fenced):
            async with newer.transaction() as transaction:
                await transaction.send_batches(CONTACTS_CHANGED, {0: [(b"x", b"zombie")]})
    assert versions(await read_topic(topics, CONTACTS_CHANGED)) == {str(who): [1, 2]}


@pytest.mark.asyncio
async def test_two_relays_share_the_shards_and_the_survivor_takes_all(store: Store, database: Database, topics: KafkaConnection) -> None:
    people = [contact(number) for number in range(50)]
    async with relaying(store, topics) as staying:
        await staying.owns(4)
        async with relaying(store, topics) as leaving:
            await staying.owns(2)
            await leaving.owns(2)
            assert staying.relay.owned | leaving.relay.owned == {0, 1, 2, 3}
            async with store.connection() as connection:
                await insert(connection, [(who, 1) for who in people])
            await emptied(store)
        await staying.owns(4)
        # As a failover does it: every session ends at once.
        killer = await asyncpg.connect(database.app_url)
        await killer.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
        await killer.close()
        async with asyncio.timeout(20):
            while True:
                try:
                    async with store.connection() as connection:
                        await insert(connection, [(who, 2) for who in people])
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.05)
        await emptied(store)
    assert versions(await read_topic(topics, CONTACTS_CHANGED)) == {str(who): [1, 2] for who in people}


@pytest.mark.asyncio
async def test_a_relay_collapses_separations_by_the_way(store: Store, topics: KafkaConnection) -> None:
    async with store.connection() as connection:
        for _ in range(3):
            await connection.execute("insert into separations (xid, bucket) values (pg_current_xact_id(), 1)")
    async with relaying(store, topics), store.connection() as connection, asyncio.timeout(60):
        while await connection.fetchval("select count(*) from separations") != 1:
            await asyncio.sleep(0.05)


@pytest.mark.asyncio
async def test_a_shard_has_one_owner_until_it_falls_silent(store: Store) -> None:
    """A stopped process keeps its connection: the server must end it, or nobody could take over."""
    async with own(store, 0, silence_seconds=0.5) as mine:
        assert mine is not None
        async with own(store, 0, silence_seconds=SILENCE) as other:
            assert other is None
        async with own(store, 1, silence_seconds=SILENCE) as other:
            assert other is not None
        await asyncio.sleep(1.0)
        async with own(store, 0, silence_seconds=SILENCE) as successor:
            assert successor is not None
            with pytest.raises(StoreUnavailable):
                await _read_as_zombie(store, mine)


@pytest.mark.asyncio
async def test_a_stop_in_the_middle_of_a_statement_gives_the_shard_up_too(store: Store) -> None:
    """F7: between preparing a statement and running it a session counts as busy, not as idle, for as long as the process is stopped."""
    async with store.connection() as connection, own(store, 0, silence_seconds=0.5) as mine:
        assert mine is not None
        await mine._connection.prepare(READ)  # what a relay is stopped after
        await asyncio.sleep(1.0)
        assert await connection.fetchval("select pg_try_advisory_lock($1, 0)", _SHARD_LOCKS)


READS_MUCH_AND_STOPS = """
import asyncio, os, signal, sys
from onefold.records.outbox import own
from onefold.records.store import Store

async def main():
    store = await Store.connect(sys.argv[1], idle_in_transaction_ms=600_000)
    async with own(store, 0, silence_seconds=1) as mine:
        reading = asyncio.ensure_future(mine._connection.fetch("select repeat('x', 1000000) from generate_series(1, 100)"))
        asyncio.get_running_loop().call_later(0.02, os.kill, os.getpid(), signal.SIGSTOP)
        await reading

asyncio.run(main())
"""


@pytest.mark.asyncio
async def test_a_stop_in_the_middle_of_an_answer_gives_the_shard_up_too(store: Store, database: Database) -> None:
    """F7: the server waits to send more to a process that takes nothing, and no time-out of a statement ends that."""
    stopped = await asyncio.create_subprocess_exec(sys.executable, "-c", READS_MUCH_AND_STOPS, database.app_url)
    try:
        await asyncio.to_thread(os.waitid, os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)
        async with store.connection() as connection, asyncio.timeout(20):
            while not await connection.fetchval("select pg_try_advisory_lock($1, 0)", _SHARD_LOCKS):
                await asyncio.sleep(0.1)
    finally:
        stopped.kill()
        await stopped.wait()


async def _read_as_zombie(store: Store, zombie: OwnedShard) -> None:
    async with store.connection():
        try:
            await zombie.read(1)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StoreUnavailable(str(error)) from error


@pytest.mark.asyncio
async def test_the_backlog_is_told(store: Store) -> None:
    async with store.connection() as connection:
        await insert(connection, [(contact(number), 1) for number in range(30)])
    await asyncio.sleep(0.2)
    async with presence(store, silence_seconds=SILENCE) as here:
        assert await here.relays() == 1
        async with presence(store, silence_seconds=SILENCE):
            assert await here.relays() == 2
        backlog = await here.backlog()
    assert backlog.rows == 30
    assert 0.2 <= backlog.age_seconds < 30


@pytest.mark.asyncio
async def test_the_statements_of_the_relay_go_by_index_at_size(store: Store, database: Database) -> None:
    """Prepared on an empty table, run on a full one (architecture, section 4)."""
    admin = await asyncpg.connect(database.admin_url)
    async with store.connection() as connection:
        await connection.fetch(READ, 1, 1_000)
        await admin.execute(
            "insert into outbox (shard, topic, key, payload) select i % 4, 't', 'k', repeat('x', 500)::bytea from generate_series(1, 20000) i"
        )
        await admin.close()
        for statement, arguments in ((READ, (1, 1_000)), (BACKLOG, ())):
            plan = "\n".join(row[0] for row in await connection.fetch(f"explain {statement}", *arguments))
            assert "outbox_shard" in plan
        plan = "\n".join(row[0] for row in await connection.fetch(f"explain {READ}", 1, 1_000))
        assert "Seq Scan" not in plan


@pytest.mark.asyncio
async def test_a_change_is_on_the_topic_soon(store: Store, topics: KafkaConnection) -> None:
    """An idle shard is looked into forty times a second."""
    async with relaying(store, topics) as running:
        await running.owns(4)
        async with store.connection() as connection:
            await insert(connection, [(contact(1), 1)])
            await emptied(store)
            began = time.monotonic()
            await insert(connection, [(contact(1), 2)])
            await emptied(store)
            assert time.monotonic() - began < 2.0
        assert "start" not in running.health.reasons
