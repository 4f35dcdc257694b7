"""What each role may do at a broker that asks for names and gives no right by itself, and whom our clients refuse to speak to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from onefold.bootstrap import kafka_connection
from onefold.errors import ConfigurationError, LogUnavailable
from onefold.messages.topics import INTERACTIONS, SPECS
from onefold.topics.admin import ensure_topics, grant
from onefold.topics.ends import end_offsets
from onefold.topics.producer import IdempotentProducer
from onefold.topics.rights import ROLES, principal, rights
from onefold.topics.tail import follow_topic
from tests.support.guarded_kafka import ADMIN, GuardedKafka, guarded_kafka

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from onefold.topics.client import KafkaConnection

TOPICS = {spec.name for spec in SPECS}
READS = {
    "resolver": {"interactions"},
    "segments-worker": {"contacts.changed"},
    "timeline": {"interactions.resolved"},
    "jobs-worker": {"interactions"},
    "webhooks-worker": {"contacts.changed", "segments.membership"},
    "outreach-worker": {"outreach.requested"},
    "operator": TOPICS,
}
WRITES = {
    "collector": {"interactions"},
    "resolver": {"interactions.resolved", "interactions.dead-letter"},
    "relay": TOPICS - {"interactions.resolved"},
    "operator": TOPICS,
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedKafka]:
    """One broker for all tests here; each has a prefix of its own."""
    with guarded_kafka(tmp_path_factory.mktemp("guarded")) as broker:
        yield broker


async def may_write(connection: KafkaConnection, topic: str) -> bool:
    """Whether the broker takes a record."""
    try:
        async with IdempotentProducer(connection, timeout_seconds=5.0) as producer:
            await producer.send(topic, b"k", b"v")
    except ConfigurationError:
        return False
    return True


async def may_read(connection: KafkaConnection, topic: str) -> bool:
    """Whether the broker gives records."""
    try:
        return [each async for each in follow_topic(connection, topic, from_start=True, to_end=True)] != []
    except ConfigurationError:
        return False


async def allowed(may: Callable[[KafkaConnection, str], Awaitable[bool]], who: Mapping[str, KafkaConnection]) -> dict[str, set[str]]:
    """By role, the topics where it may."""
    pairs = [(role, topic) for role in who for topic in TOPICS]
    answers = await asyncio.gather(*(may(who[role], topic) for role, topic in pairs))
    return {role: {topic for (one, topic), can in zip(pairs, answers, strict=True) if can and one == role} for role in who}


@pytest.mark.asyncio
async def test_a_role_reads_and_writes_its_own_topics_and_no_other(guarded: GuardedKafka, topic_prefix: str) -> None:
    """S64, at a real broker: the collector writes `interactions` and reads nothing, not even that."""
    admin, prefix = guarded.connection(ADMIN, topic_prefix), topic_prefix
    await ensure_topics(admin, partitions=1)
    async with IdempotentProducer(admin) as producer:
        for topic in TOPICS:
            await producer.send(topic, b"k", b"v")
    strangers = {role: guarded.connection(f"onefold-{role}", prefix) for role in ROLES}
    assert not await may_write(strangers["collector"], INTERACTIONS), "no right is given by itself"
    await grant(admin, [(principal(role), right) for role in ROLES for right in rights(role, prefix=prefix, resolvers="onefold-resolver")])
    assert await allowed(may_write, strangers) == {role: WRITES.get(role, set()) for role in ROLES}
    assert await allowed(may_read, strangers) == {role: READS.get(role, set()) for role in ROLES}


@pytest.mark.asyncio
async def test_nobody_gives_rights_but_who_may(guarded: GuardedKafka, topic_prefix: str) -> None:
    """S64: a role cannot widen its own."""
    collector = guarded.connection("onefold-collector", topic_prefix)
    with pytest.raises(ConfigurationError, match="ClusterAuthorizationFailed"):
        await grant(collector, [(principal("collector"), right) for right in rights("operator", prefix=topic_prefix, resolvers="r")])


@pytest.mark.asyncio
async def test_a_broker_that_nobody_vouches_for_is_not_spoken_to(guarded: GuardedKafka, topic_prefix: str) -> None:
    """S115: without the authority's file, or under another name than the certificate's, no password is sent to anybody."""
    await ensure_topics(guarded.connection(ADMIN, topic_prefix), partitions=1)
    assert await end_offsets(guarded.connection(ADMIN, topic_prefix), INTERACTIONS) == {0: 0}
    good = guarded.settings(ADMIN, topic_prefix)
    for changed in ({"ca_file": None}, {"servers": good.servers.replace("localhost", "127.0.0.1")}):
        unverified = kafka_connection(good.model_copy(update=changed), "test")
        with pytest.raises(LogUnavailable):
            await end_offsets(unverified, INTERACTIONS)


@pytest.mark.asyncio
async def test_a_wrong_password_opens_nothing(guarded: GuardedKafka, topic_prefix: str) -> None:
    wrong = {**guarded.passwords, ADMIN: guarded.passwords["onefold-relay"]}
    intruder = GuardedKafka(guarded.open_servers, guarded.servers, guarded.ca_file, wrong).connection(ADMIN, topic_prefix)
    with pytest.raises((ConfigurationError, LogUnavailable)):
        await end_offsets(intruder, INTERACTIONS)
    assert wrong[ADMIN] not in repr(intruder), "S97"
