"""The drill: a person is erased; then everything is replayed, the index made anew, dead letters redriven, and a dump restored of before."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
import redis.asyncio as valkey
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from onefold import bootstrap
from onefold.identity.assurance import Assurance
from onefold.messages.topics import CONTACTS_CHANGED, DEAD_LETTER, INTERACTIONS, INTERACTIONS_RESOLVED, SPECS
from onefold.records.store import Store
from onefold.topics.ends import end_offsets
from onefold.topics.producer import IdempotentProducer
from onefold.topics.tail import follow_topic
from onefold.workspace import segments as use_cases
from tests.e2e.check.stories import PRO, quiet
from tests.integration.contacts.canaries import left
from tests.support.commands import onefold
from tests.support.dumps import dump, restored
from tests.support.installations import Installation, installation, settings_of
from tests.support.rejecting import a_store_that_rejects
from tests.support.retention import delete_before
from tests.support.worlds import event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from onefold.identity.interaction import Interaction
    from tests.support.servers import Database, Services

ASSERTED = Assurance.ASSERTED
CANARY = "canary"
ROLES = ("resolver", "relay", "segments-worker", "timeline")
BEN, ZOE = ["anonymous_token:ben", "email:ben@example.com"], ["anonymous_token:zoe"]
BAD = [(b"acme:canary", b'{"event_id": "canary", "workspace": "acme"'), (b"acme:canary", b'{"canary": 1}')]
REFUSED_TO_START = 78


def visit(who: str, event_id: str, minutes: float, *more: str) -> Interaction:
    """Somebody is seen, and says things of themselves."""
    plan = {"plan": "pro", "note": f"{who}-note"}
    return event(
        f"anonymous_token:{who}", *more, assurance=ASSERTED, event_id=event_id, minutes=minutes, attributes=plan, fields={"given_name": who}
    )


BEFORE = [
    visit("canary", "one", 0, "email:canary@example.com"),
    visit("canary-b", "two", 1, "phone:+4915112345678"),
    event("anonymous_token:canary", "anonymous_token:canary-b", assurance=ASSERTED, event_id="both", minutes=2),
    event(*BEN, assurance=ASSERTED, event_id="ben", minutes=3),
]
HELD_UP = [event("anonymous_token:canary", "user_id:stuck-canary", assurance=ASSERTED, event_id="stuck", minutes=4)]
AFTER = [
    visit("canary", "three", 5, "email:canary-second@example.com"),
    visit("canary-late", "four", 6, "email:canary-late@example.com"),
    visit("zoe", "zoe", 7),
]


@pytest.mark.slow  # roles twice, a dump, and a topic that is compacted
@pytest.mark.asyncio
@pytest.mark.timeout(300)
async def test_nothing_brings_an_erased_person_back_into_any_store_topic_log_or_metric(
    services: Services, database: Database, topic_prefix: str, redis_url: str, tmp_path: Path
) -> None:
    """S103, S105, S107, S108, F54, I17: one canary search over all of it, after a replay, a rebuild, a redrive, and after a restore."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        async with mine.store.transaction(["acme"]) as connection:
            segment = await use_cases.create(connection, "acme", "pro", "Pro", PRO)
        await use_cases.fill(mine.store, segment)
        async with working(mine, tmp_path) as ports:
            await mine.produce(BEFORE)
            await mine.produce_raw(BAD)
            async with a_store_that_rejects(database, "stuck"):
                await mine.produce(HELD_UP)
                await mine.settled()
            await quiet(mine)
            dumped = await dump(database, tmp_path / "dump")
            await mine.produce(AFTER)
            await mine.settled()
            for who in ("email:canary@example.com", "email:canary-late@example.com"):
                await onefold(mine, "contacts", "erase", who, "--execute", "--reason", "asked for it")
            await everything_again(mine)
            await nobody_is_left(mine, database, ports, redis_url)
        async with restored(services, dumped) as copy, on(mine, copy) as second:
            assert await left(copy, CANARY) != []
            process = await second.start_process("resolver")
            assert await process.wait() == REFUSED_TO_START
            plan = (await onefold(second, "erasures", "reapply", "--json")).json()
            done = (await onefold(second, "erasures", "reapply", "--execute", "--json")).json()
            assert (plan["tombstones"], len(plan["erased_again"]), plan["beside"]) == (3, 2, [])
            assert done == {**plan, "executed": True}
            assert await left(copy, CANARY) == []
            async with working(second, tmp_path) as ports:
                await everything_again(second)
                await nobody_is_left(second, copy, ports, redis_url)
            await onefold(second, "check")
            await time_passes(second)
            for spec in SPECS:
                assert CANARY not in await told(second, spec.name), spec.name
            no_log_holds_any(tmp_path)


@asynccontextmanager
async def on(mine: Installation, database: Database) -> AsyncIterator[Installation]:
    """The same installation on another store."""
    urls = {"ONEFOLD_POSTGRES__URL": database.app_url, "ONEFOLD_POSTGRES__ADMIN_URL": database.admin_url}
    environment = {**mine.environment, **urls}
    store = await Store.connect(database.app_url)
    try:
        yield replace(mine, environment=environment, role=bootstrap.begin("test", settings_of(environment)), store=store)
    finally:
        await store.close()


@asynccontextmanager
async def working(mine: Installation, folder: Path) -> AsyncIterator[list[int]]:
    """Every role that handles people, each with a log of all that it has to say; gives the ports of their metrics."""
    logs = [folder / f"{role}-{mine.role.settings.postgres.url.get_secret_value()[-6:]}.log" for role in ROLES]
    async with AsyncExitStack() as stack:
        begun = [
            stack.enter_async_context(mine.running(role, log=str(log), ONEFOLD_LOGS__LEVEL="debug"))
            for role, log in zip(ROLES, logs, strict=True)
        ]
        await asyncio.gather(*begun)
        started = [json.loads(line) for log in logs for line in log.read_text().splitlines() if '"role_started"' in line]
        yield [each["health_port"] for each in started]


async def everything_again(mine: Installation) -> None:
    """Replay, redrive, rebuild; and the visitors' own clients send all of it once more."""
    for words in (("replay", "--since", "1h"), ("index", "rebuild"), ("dead-letters", "redrive")):
        await onefold(mine, *words, "--execute", "--reason", "a drill")
    await mine.produce([*BEFORE, *HELD_UP, *AFTER])
    await mine.settled()
    await quiet(mine)


async def nobody_is_left(mine: Installation, database: Database, ports: list[int], redis_url: str) -> None:
    """In no table, key, value, metric; Ben and Zoe are who they were."""
    assert await mine.groups() == [BEN, ZOE]
    assert await left(database, CANARY) == []
    assert await left(database, "15112345678") == []
    async with valkey.Redis.from_url(redis_url) as client:
        keys = [key async for key in client.scan_iter()]
        assert keys
        assert not [key for key in keys if CANARY.encode() in key or CANARY.encode() in (await client.get(key) or b"")]
    async with httpx.AsyncClient() as client:
        for port in ports:
            assert CANARY not in (await client.get(f"http://127.0.0.1:{port}/metrics")).text


async def time_passes(mine: Installation) -> None:
    """Until retention and compaction have done what topics are made for: beginnings of logs go, and of each contact all but the last word."""
    kafka = mine.role.kafka
    for topic in (INTERACTIONS, INTERACTIONS_RESOLVED, DEAD_LETTER):
        assert CANARY in await told(mine, topic), "what is looked for was there"
        await delete_before(kafka, topic, await end_offsets(kafka, topic))
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.servers)
    await admin.start()
    try:
        at_once = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.0", "max.compaction.lag.ms": "1", "segment.ms": "1"}
        name = kafka.topic(CONTACTS_CHANGED)
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {**at_once, "delete.retention.ms": "2592000000"})])
    finally:
        await admin.close()
    async with asyncio.timeout(60), IdempotentProducer(kafka) as producer:
        while CANARY in await told(mine, CONTACTS_CHANGED):
            await producer.send(CONTACTS_CHANGED, b"somebody", b"{}")  # so that what lies before is a segment of its own
            await asyncio.sleep(1)


async def told(mine: Installation, topic: str) -> str:
    """All that lies on a topic."""
    records = [each async for each in follow_topic(mine.role.kafka, topic, from_start=True, to_end=True)]
    return "\n".join(f"{each.key!r} {each.value!r} {each.headers!r}" for each in records)


def no_log_holds_any(folder: Path) -> None:
    logs = [log.read_text() for log in folder.glob("*.log")]
    assert len(logs) == 2 * len(ROLES)
    assert all("role_stopped" in text and CANARY not in text and "15112345678" not in text for text in logs)
