"""The relay, the worker of segments, the collector and the broker, each broken while changes flow."""

from __future__ import annotations

import asyncio
import json
import signal
import urllib.error
import urllib.request
from base64 import b64encode
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from onefold.access.keys import create_key
from onefold.local.ports import pick
from onefold.local.servers import LocalServers
from onefold.messages.topics import CONTACTS_CHANGED, INTERACTIONS
from onefold.topics.tail import follow_topic
from onefold.workspace import segments
from tests.integration.relay.outboxes import assert_repeats_but_no_gap, versions
from tests.integration.topics.reading import read_topic
from tests.support.freezing import stopped
from tests.support.healing import assert_clean, assert_healed, emptied, under_load
from tests.support.installations import Installation, installation
from tests.support.servers import Services

if TYPE_CHECKING:
    from pathlib import Path

    from onefold.identity.interaction import Interaction
    from tests.support.servers import Database

PRO = {"field": "attributes.unbound.plan", "operator": "equals", "value": "pro"}


@pytest.mark.asyncio
@pytest.mark.timeout(240)
async def test_a_relay_killed_between_acknowledgement_and_delete_repeats_and_leaves_no_gap(
    mine: Installation, log: list[Interaction]
) -> None:
    """F4, I7, I8."""
    await mine.produce(log)
    async with mine.running("resolver"):
        for reached in (1, 4):
            async with mine.running("relay", f"relay.acknowledged=kill@{reached}", ONEFOLD_RELAY__BATCH_SIZE="20") as victim:
                assert await asyncio.wait_for(victim.wait(), 60) == -signal.SIGKILL
        await assert_healed(mine, log)


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.timeout(240)
async def test_a_relay_stopped_past_its_silence_is_succeeded_and_what_it_had_in_flight_is_told_once(
    mine: Installation, log: list[Interaction]
) -> None:
    """F7, I7, I16: it owns every shard, and stops itself with rows in an open Kafka transaction, which it tries to commit later."""
    async with mine.running("resolver"), mine.running("relay", "relay.sent=stop@3", ONEFOLD_RELAY__BATCH_SIZE="20") as zombie:
        async with under_load(mine, log, seconds=24):
            await stopped(zombie.pid)
            async with mine.running("relay"):
                await emptied(mine.store)  # so the rows of every shard were taken over
                zombie.send_signal(signal.SIGCONT)
                await asyncio.sleep(2)
        await assert_healed(mine, log)
    told = await read_topic(mine.role.kafka, CONTACTS_CHANGED, timeout_seconds=60)
    for seen in versions(told).values():
        assert_repeats_but_no_gap(seen, last=max(version or 0 for version in seen))
    written = await read_topic(mine.role.kafka, CONTACTS_CHANGED, committed=False, timeout_seconds=60)
    places = {(each.partition, each.offset) for each in told}
    in_flight = [each for each in written if (each.partition, each.offset) not in places]
    assert in_flight, "the zombie's transaction went through"
    values = Counter(each.value for each in told)
    assert {values[each.value] for each in in_flight} == {1}


@pytest.mark.faults
@pytest.mark.asyncio
@pytest.mark.timeout(240)
async def test_a_worker_of_segments_killed_before_it_acknowledges_counts_nothing_twice(mine: Installation, log: list[Interaction]) -> None:
    """I9: memberships are committed, and the same changes come again."""
    async with mine.store.transaction(["acme"]) as connection:
        segment = await segments.create(connection, "acme", "pro", "Pro", PRO)
    await segments.fill(mine.store, segment)
    async with mine.running("resolver"), mine.running("relay"):
        await mine.produce(log)
        async with mine.running("segments-worker", "segments.committed=kill@1") as victim:
            assert await asyncio.wait_for(victim.wait(), 60) == -signal.SIGKILL
        async with mine.running("segments-worker"):
            await mine.settled()
            await emptied(mine.store)
            await assert_healed(mine, log)


@pytest.mark.asyncio
@pytest.mark.timeout(240)
async def test_a_collector_killed_before_the_acknowledgement_has_answered_nobody(mine: Installation) -> None:
    """F11, I1, I2: the caller sends it again, as SDKs do, and every event arrives."""
    async with mine.store.transaction(["acme"]) as connection:
        key = (await create_key(connection, "acme", "secret", "server")).text
    port = pick(set())
    place = {"ONEFOLD_COLLECTOR__PORT": str(port)}
    async with mine.running("collector", "collector.translated=kill@4", **place) as victim:
        answers = [await _sent(port, key, number) for number in range(4)]
        assert await asyncio.wait_for(victim.wait(), 30) == -signal.SIGKILL
    assert answers == [200, 200, 200, None]
    async with mine.running("collector", **place):
        assert await _sent(port, key, 3) == 200
    found = follow_topic(mine.role.kafka, INTERACTIONS, from_start=True, to_end=True)
    assert sorted([json.loads(record.value or b"")["event_id"] async for record in found]) == ["m0", "m1", "m2", "m3"]
    async with mine.running("resolver"):
        await assert_clean(mine)


async def _sent(port: int, key: str, number: int) -> int | None:
    """The answer's status; None where the connection broke. Waits until somebody listens."""
    body = json.dumps({"type": "track", "event": "x", "anonymousId": "a", "messageId": f"m{number}"}).encode()
    headers = {"authorization": f"Basic {b64encode(f'{key}:'.encode()).decode()}", "content-type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/track", body, headers)

    def send() -> int:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - our own
            return int(answer.status)

    async with asyncio.timeout(60):
        while True:
            try:
                return await asyncio.to_thread(send)
            except urllib.error.URLError as error:
                if not isinstance(error.reason, ConnectionRefusedError):
                    return None
            except OSError:
                return None
            await asyncio.sleep(0.1)


@pytest.mark.faults
@pytest.mark.asyncio
@pytest.mark.timeout(300)
async def test_a_broker_that_is_gone_for_twenty_seconds_costs_time_only(
    services: Services, database: Database, topic_prefix: str, redis_url: str, tmp_path: Path, log: list[Interaction]
) -> None:
    """F34, I1, I7, I12: resolver, relay and whoever produces wait for it."""
    async with LocalServers(tmp_path, postgres=False, redis=False) as broker:
        elsewhere = Services(services.postgres_url, services.postgres_admin_url, services.redis_url, broker.kafka_servers)
        async with (
            installation(elsewhere, database, topic_prefix, redis_url, partitions=4, recency_seconds=3_600, policy="eager") as mine,
            mine.running("resolver"),
            mine.running("relay"),
        ):
            async with under_load(mine, log[:240], seconds=5):
                await asyncio.sleep(3)
            await asyncio.to_thread(broker.stop, "kafka", signal.SIGKILL)
            await asyncio.sleep(20)
            await asyncio.to_thread(broker.start, "kafka")
            async with under_load(mine, log[240:], seconds=5):
                await asyncio.sleep(1)
            await assert_healed(mine, log)
