"""The relay while its broker goes away."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from onefold.local.servers import LocalServers
from onefold.messages.topics import CONTACTS_CHANGED
from onefold.topics.admin import ensure_topics
from onefold.topics.client import KafkaConnection
from tests.integration.relay.outboxes import assert_repeats_but_no_gap, contact, insert, relaying, versions
from tests.integration.topics.reading import read_topic
from tests.support.healing import emptied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from onefold.records.store import Store

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
