"""Every role at a broker that asks for names: what `onefold topics grant` gives is enough for the work, over TLS and with a password."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from onefold.access.keys import create_key
from onefold.local.ports import pick
from onefold.messages.topics import (
    CONTACTS_CHANGED,
    DEAD_LETTER,
    INTERACTIONS,
    INTERACTIONS_RESOLVED,
    OUTREACH_GROUP,
    OUTREACH_REQUESTED,
    SEGMENTS_GROUP,
    SEGMENTS_MEMBERSHIP,
    TIMELINE_GROUP,
    WEBHOOKS_GROUP,
)
from onefold.ops.horizon import decided_until
from onefold.topics.admin import committed
from onefold.topics.producer import IdempotentProducer
from onefold.topics.tail import follow_topic
from tests.support.collectors import WORKSPACE
from tests.support.guarded_kafka import guarded_kafka
from tests.support.installations import Installation, installation

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.guarded_kafka import GuardedKafka
    from tests.support.servers import Database, Services

FOLLOWED = [
    ("onefold-resolver", INTERACTIONS),
    (TIMELINE_GROUP, INTERACTIONS_RESOLVED),
    (SEGMENTS_GROUP, CONTACTS_CHANGED),
    (WEBHOOKS_GROUP, CONTACTS_CHANGED),
    (WEBHOOKS_GROUP, SEGMENTS_MEMBERSHIP),
    (OUTREACH_GROUP, OUTREACH_REQUESTED),
]
CONSUMERS = ("resolver", "relay", "segments-worker", "timeline", "webhooks-worker", "outreach-worker")


@pytest.mark.slow  # a broker of its own and seven roles
@pytest.mark.asyncio
@pytest.mark.timeout(240)
async def test_roles_do_their_work_with_the_rights_that_the_command_gives(
    services: Services, database: Database, topic_prefix: str, redis_url: str, tmp_path: Path
) -> None:
    """S64, S115: an event comes in by the collector and is followed to its end; no role has a right beyond the printed ones."""
    with guarded_kafka(tmp_path) as broker:
        mine_alone = replace(services, kafka_servers=broker.open_servers)
        async with installation(mine_alone, database, topic_prefix, redis_url, partitions=1) as mine, AsyncExitStack() as stack:
            code, said = await mine.command("topics", "grant")
            assert code == 0, said
            begun = [stack.enter_async_context(mine.running(role, **broker.environment(role))) for role in CONSUMERS]
            await asyncio.gather(*begun)
            await _collect(mine, broker, stack)
            await _garble(mine, [CONTACTS_CHANGED, SEGMENTS_MEMBERSHIP, OUTREACH_REQUESTED])
            async with asyncio.timeout(60):
                await asyncio.gather(*(_reaches_the_end(mine, group, topic) for group, topic in FOLLOWED))
                await _has(mine, DEAD_LETTER, 2)  # buried by the segments' and the webhooks' workers, written by the relay
            assert await mine.groups() == [["anonymous_token:a", "user_id:u"]]
            await decided_until(broker.connection("onefold-jobs-worker", topic_prefix), mine.store)


async def _collect(mine: Installation, broker: GuardedKafka, stack: AsyncExitStack) -> None:
    """One event, through a collector that may write and nothing else."""
    async with mine.store.transaction([WORKSPACE]) as connection:
        key = await create_key(connection, WORKSPACE, "public", "site")
    port = pick(set())
    more = {"ONEFOLD_COLLECTOR__PORT": str(port), **broker.environment("collector")}
    await stack.enter_async_context(mine.running("collector", **more))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        answer = await client.post("/v1/identify", json={"userId": "u", "anonymousId": "a"}, auth=(key.text, ""))
        assert answer.json() == {"success": True}


async def _garble(mine: Installation, topics: list[str]) -> None:
    """Something on each topic, for those who follow it."""
    async with IdempotentProducer(mine.role.kafka) as producer:
        for topic in topics:
            await producer.send(topic, b"k", b"garbage")


async def _reaches_the_end(mine: Installation, group: str, topic: str) -> None:
    while (await committed(mine.role.kafka, mine.role.kafka.topic(group), topic)).get(0, 0) < 1:
        await asyncio.sleep(0.3)


async def _has(mine: Installation, topic: str, count: int) -> None:
    while len([each async for each in follow_topic(mine.role.kafka, topic, from_start=True, to_end=True)]) < count:
        await asyncio.sleep(0.3)
