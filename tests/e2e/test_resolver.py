"""The resolver on real Kafka, Valkey and Postgres: the main job, bad input, and what a dead worker leaves behind."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import pytest

from onefold.local.servers import LocalServers
from onefold.messages.dead_letters import ERROR_CODE
from onefold.messages.topics import CONTACTS_CHANGED, DEAD_LETTER, INTERACTIONS_RESOLVED
from onefold.records.migrate import upgrade
from onefold.records.progress import PartitionKey, claim
from onefold.topics.tail import follow_topic
from tests.support.installations import Installation, installation, record_of
from tests.support.resolvers import settled_by, written_back
from tests.support.servers import Database
from tests.support.stories import random_story
from tests.support.workspaces import add_workspace
from tests.support.worlds import World, event

if TYPE_CHECKING:
    from pathlib import Path

    from onefold.topics.consumer import Record
    from tests.support.servers import Services


async def read(mine: Installation, topic: str) -> list[Record]:
    return [record async for record in follow_topic(mine.role.kafka, topic, from_start=True, to_end=True)]


@pytest.mark.asyncio
async def test_every_interaction_gets_its_line_and_every_change_its_message(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I1, I2, I7: one partition, so the outcome is that of the log's order."""
    story, world = random_story(7, length=120), World()
    expected = world.play(*story)
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        await mine.produce(story)
        async with mine.resolvers(1, batch_size=17):
            await mine.settled()
        assert await mine.groups() == world.groups()
        lines = [msgspec.json.decode(record.value or b"") for record in await read(mine, INTERACTIONS_RESOLVED)]
        by_offset = {line["offset"]: line for line in lines}
        assert len(lines) == len(by_offset) == len(story)
        assert [by_offset[number]["outcome"] for number in range(len(story))] == [outcome.kind.value for outcome in expected]
        assert [by_offset[number]["contact_id"] for number in range(len(story))] == [str(outcome.contact_id) for outcome in expected]
        async with mine.store.begin() as connection:
            assert await connection.fetchval("select count(*) from outbox where topic = $1", CONTACTS_CHANGED) == sum(
                len(plan.changes) for plan in world.plans
            )


@pytest.mark.asyncio
async def test_known_visitors_are_recognised_without_reading_postgres(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """The hot path: same outcomes, nothing written, nothing read but the fence."""
    async with installation(services, database, topic_prefix, redis_url, partitions=2, recency_seconds=3_600) as mine:
        first = [event(f"anonymous_token:t{n}", f"email:p{n}@example.com", minutes=0) for n in range(50)]
        again = [event(f"anonymous_token:t{n}", f"email:p{n}@example.com", minutes=1) for n in range(50)]
        async with mine.resolvers(1) as (role,):
            await mine.produce(first)
            await written_back([role], 50)
            await mine.produce(again)
            await written_back([role], 100)
            assert settled_by([role], "hot") == len(again)
        outcomes = Counter(msgspec.json.decode(record.value or b"")["outcome"] for record in await read(mine, INTERACTIONS_RESOLVED))
        assert outcomes == {"created": 50, "seen": 50}


@pytest.mark.asyncio
async def test_bad_records_die_alone_with_their_original_bytes(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I12, I13: unparsable, oversized and wrongly typed messages, and a foreign key; neighbours resolve."""
    good = [record_of(event(f"anonymous_token:t{n}", minutes=n)) for n in range(30)]
    huge = b'{"event_id":"x","workspace":"acme","type":"page","identifiers":[],"properties":{"x":"' + b"a" * 1_048_400 + b'"}}'
    bad: list[tuple[bytes | None, bytes | None, str]] = [
        (b"acme:x", b"", "empty_value"),
        (b"acme:x", None, "null_value"),
        (b"acme:x", b'{"event_id":"x","workspace":"acme"', "truncated"),
        (b"acme:x", b"[" * 100_000, "nesting_too_deep"),
        (b"acme:x", b'{"event_id":"x","workspace":"acme","type":"page","identifiers":7}', "wrong_type"),
        (b"acme:x", b'{"event_id":"x","workspace":"acme","type":"page","schema":2,"identifiers":[]}', "unsupported_version"),
        (b"acme:foreign", good[0][1], "key_mismatch"),
        (None, good[0][1], "key_mismatch"),
    ]
    records: list[tuple[bytes | None, bytes | None]] = []
    for number, pair in enumerate(good):
        records.append(pair)
        if number < len(bad):
            records.append((bad[number][0], bad[number][1]))
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        await mine.produce_raw(records)
        async with mine.resolvers(1, batch_size=7):
            await mine.settled()
        assert len(await mine.groups()) == len(good)
        dead = await read(mine, DEAD_LETTER)
        found = {(record.key, record.value): (dict(record.headers)[ERROR_CODE] or b"").decode() for record in dead}
        assert found == {(key, value): code for key, value, code in bad}
        assert len(huge) < 1_048_576


@pytest.mark.asyncio
async def test_an_unknown_workspace_is_told_and_changes_nothing(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """Poison 27: dropped by policy, with a line of its own."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        await mine.produce([event("anonymous_token:t1", workspace="nobody"), event("anonymous_token:t1")])
        async with mine.resolvers(1):
            await mine.settled()
        lines = [msgspec.json.decode(record.value or b"") for record in await read(mine, INTERACTIONS_RESOLVED)]
        assert sorted((line["outcome"], line["reason"]) for line in lines) == [("created", None), ("unresolved", "unknown_workspace")]


@pytest.mark.asyncio
async def test_a_workspace_that_is_made_while_resolvers_run_is_noticed_by_all_of_them(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """Rules carry a version that every fence reads; what was read under an older one is read again."""
    before = [event(f"anonymous_token:t{n}", workspace="beta") for n in range(20)]
    after = [event(f"anonymous_token:u{n}", workspace="beta") for n in range(20)]
    async with installation(services, database, topic_prefix, redis_url, partitions=4) as mine, mine.resolvers(2):
        await mine.produce(before)
        await mine.settled()
        await add_workspace(mine.store, "beta")
        await mine.produce(after)
        await mine.settled()
        async with mine.store.transaction(["beta"]) as connection:
            found = await connection.fetch("select normalised from identifiers order by 1")
        assert [row["normalised"] for row in found] == sorted(f"u{n}" for n in range(20))


@pytest.mark.asyncio
async def test_twenty_bad_records_in_a_row_stop_the_partition(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """A stop calls a person; what lies beyond is not acknowledged."""
    good = record_of(event("anonymous_token:t1"))
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        await mine.produce_raw([(b"acme:x", b"garbage")] * 40 + [good])
        async with mine.resolvers(1):
            with pytest.raises(TimeoutError):
                await mine.settled(within_seconds=5)
        async with mine.store.connection() as connection:
            assert await connection.fetchval("select next_offset from progress") == 19


@pytest.mark.asyncio
async def test_a_worker_with_an_older_epoch_changes_nothing(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I16: while a worker holds a partition, another claims it; the first one's batches roll back until it claims anew."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        async with mine.resolvers(1):
            await mine.produce([event("anonymous_token:t1")])
            await mine.settled()
            stolen = await claim(mine.store, PartitionKey("resolver", "interactions", 0), "thief")
            await mine.produce([event("anonymous_token:t2", minutes=1)])
            await asyncio.sleep(1.5)
            assert await mine.groups() == [["anonymous_token:t1"]]
            await mine.settled()
        async with mine.store.connection() as connection:
            assert await connection.fetchval("select epoch from progress") > stolen.epoch
        assert await mine.groups() == [["anonymous_token:t1"], ["anonymous_token:t2"]]


@pytest.mark.asyncio
async def test_a_resolver_that_is_killed_and_started_again_changes_nothing(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I1, I2, I5: SIGKILL in the middle; what was committed is not decided again, what was not is."""
    story, world = random_story(11, length=400), World()
    world.play(*story)
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        await mine.produce(story)
        for _ in range(2):
            process = await mine.start_process("resolver", ONEFOLD_RESOLVER__BATCH_SIZE="3")
            await _progress_beyond(mine, 20)
            process.send_signal(signal.SIGKILL)
            await process.wait()
        process = await mine.start_process("resolver")
        try:
            await mine.settled()
        finally:
            process.terminate()
        assert await process.wait() == 0
        assert await mine.groups() == world.groups()
        async with mine.store.transaction(["acme"]) as connection:
            versions = await connection.fetchval("select sum(version) from contacts")
            told = await connection.fetchval("select count(*) from outbox")
        assert versions == told == sum(len(plan.changes) for plan in world.plans)


@pytest.mark.asyncio
async def test_a_postgres_that_dies_and_comes_back_costs_time_and_nothing_else(
    services: Services, topic_prefix: str, redis_url: str, tmp_path: Path
) -> None:
    """I1, I2, I5, F23: the batch waits, the member stays in its group, and what was in doubt is settled by a new epoch."""
    story, world = random_story(13, length=300), World()
    world.play(*story)
    async with LocalServers(tmp_path, kafka=False, redis=False) as servers:
        await upgrade(servers.postgres_admin_url)
        database = Database("onefold", servers.postgres_url, servers.postgres_admin_url)
        async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
            await mine.produce(story[:150])
            async with mine.resolvers(1, batch_size=4) as (role,):
                await _progress_beyond(mine, 20)
                await asyncio.to_thread(servers.stop, "postgres", signal.SIGQUIT)
                await mine.produce(story[150:])
                await asyncio.sleep(2)
                await asyncio.to_thread(servers.start, "postgres")
                await mine.settled(within_seconds=60)
            waits = role.metrics.registry.get_sample_value("onefold_resolver_waits_total", {"code": "store_unavailable"})
            assert waits
            assert await mine.groups() == world.groups()
            async with mine.store.transaction(["acme"]) as connection:
                assert await connection.fetchval("select sum(version) from contacts") == sum(len(plan.changes) for plan in world.plans)


async def _progress_beyond(mine: Installation, offset: int) -> None:
    async with mine.store.connection() as connection, asyncio.timeout(30):
        start = await connection.fetchval("select coalesce(max(next_offset), 0) from progress")
        while (await connection.fetchval("select coalesce(max(next_offset), 0) from progress")) < start + offset:
            await asyncio.sleep(0.02)
