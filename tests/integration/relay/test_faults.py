"""The relay while servers go away, and when its own process is stopped and goes on as a zombie."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from onefold.local.servers import LocalServers
from onefold.messages.topics import CONTACTS_CHANGED
from onefold.records.outbox import presence
from onefold.topics.admin import ensure_topics
from onefold.topics.client import KafkaConnection
from tests.integration.relay.outboxes import assert_repeats_but_no_gap, contact, insert, relaying, versions
from tests.integration.topics.reading import read_topic
from tests.support.healing import emptied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from onefold.records.store import Store
    from tests.support.servers import Database, Services

PEOPLE = [contact(number) for number in range(12)]


@asynccontextmanager
async def changing(store: Store) -> AsyncIterator[list[int]]:
    """Everybody changes, over and over, while the block runs; the last entry of the list is the last version."""
    last = [0]

    async def change() -> None:
        while True:
            async with store.connection() as connection, connection.transaction():
                await insert(connection, [(who, last[-1] + 1) for who in PEOPLE])
            last.append(last[-1] + 1)
            await asyncio.sleep(0.005)

    task = asyncio.create_task(change())
    try:
        yield last
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def assert_all_told(topics: KafkaConnection) -> None:
    """Every version of everybody reached the log, the last one last."""
    seen = versions(await read_topic(topics, CONTACTS_CHANGED, timeout_seconds=60))
    assert set(seen) == {str(who) for who in PEOPLE}
    highest = {max(version or 0 for version in each) for each in seen.values()}
    assert len(highest) == 1
    for each in seen.values():
        assert_repeats_but_no_gap(each, last=max(highest))


@pytest.mark.asyncio
async def test_a_broker_that_goes_away_and_comes_back_costs_time_and_no_change(store: Store, tmp_path: Path) -> None:
    """F34: killed in the middle of transactions."""
    with LocalServers(tmp_path / "broker", postgres=False, redis=False) as broker:
        topics = KafkaConnection(broker.kafka_servers)
        await ensure_topics(topics, partitions=2)
        async with relaying(store, topics) as running:
            async with changing(store) as last:
                while last[-1] < 100:
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(broker.stop, "kafka", signal.SIGKILL)
                async with asyncio.timeout(40):
                    while "log" not in running.health.reasons:
                        await asyncio.sleep(0.05)
                await asyncio.to_thread(broker.start, "kafka")
                began = last[-1]
                while last[-1] < began + 50:
                    await asyncio.sleep(0.01)
            await emptied(store)
            assert not running.health.reasons
        await assert_all_told(topics)


@asynccontextmanager
async def process(database: Database, services: Services, topics: KafkaConnection) -> AsyncIterator[asyncio.subprocess.Process]:
    """A relay as operators start it."""
    environment = {
        **os.environ,
        "ONEFOLD_POSTGRES__URL": database.app_url,
        "ONEFOLD_REDIS__URL": services.redis_url,
        "ONEFOLD_KAFKA__SERVERS": topics.servers,
        "ONEFOLD_KAFKA__TOPIC_PREFIX": topics.topic_prefix,
        "ONEFOLD_INDEX__SECRET": secrets.token_hex(32),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    running = await asyncio.create_subprocess_exec(sys.executable, "-m", "onefold", "relay", env=environment)
    try:
        yield running
    finally:
        running.send_signal(signal.SIGCONT)
        running.terminate()
        assert await asyncio.wait_for(running.wait(), 20) == 0


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_stopped_relay_is_succeeded_and_changes_nothing_when_it_goes_on(
    store: Store, database: Database, services: Services, topics: KafkaConnection
) -> None:
    """F7, I16: it owns every shard, and is stopped in the middle of transactions, for longer than its sessions live."""
    async with AsyncExitStack() as processes:
        zombie = await processes.enter_async_context(process(database, services, topics))
        async with changing(store) as last:
            while last[-1] < 200 or not await read_topic(topics, CONTACTS_CHANGED):
                await asyncio.sleep(0.1)
            await processes.enter_async_context(process(database, services, topics))
            async with presence(store, silence_seconds=60) as here, asyncio.timeout(30):
                while await here.relays() < 3:
                    await asyncio.sleep(0.01)
            zombie.send_signal(signal.SIGSTOP)
            stopped = last[-1]
            async with asyncio.timeout(60):
                while not await _caught_up(store, beyond=stopped):
                    await asyncio.sleep(0.2)
            zombie.send_signal(signal.SIGCONT)
            await asyncio.sleep(2)
        await emptied(store)
    await assert_all_told(topics)


async def _caught_up(store: Store, beyond: int) -> bool:
    """Whether no row waits in any shard that is older than that version: somebody took over what had stopped."""
    async with store.connection() as connection:
        oldest = await connection.fetchval("select min((convert_from(payload, 'UTF8')::jsonb ->> 'version')::int) from outbox")
    return oldest is None or oldest > beyond
