"""Topics are made once and mended, and what an operator changed is left alone."""

from __future__ import annotations

import time

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from onefold.errors import ConfigurationError, LogUnavailable
from onefold.messages.topics import (
    CONTACTS_CHANGED,
    DEAD_LETTER,
    INTERACTIONS,
    INTERACTIONS_RESOLVED,
    OUTREACH_REQUESTED,
    SEGMENTS_MEMBERSHIP,
    SPECS,
    kept_ms,
)
from onefold.topics.admin import ensure_topics, list_topics
from onefold.topics.client import KafkaConnection
from onefold.topics.producer import IdempotentProducer
from tests.integration.topics.reading import read_topic

DAY_MS = 86_400_000


@pytest.mark.asyncio
async def test_topics_are_created_once_with_what_correctness_rests_on(connection: KafkaConnection) -> None:
    assert {report.state for report in await list_topics(connection)} == {"missing"}
    first = {report.topic: report for report in await ensure_topics(connection)}
    second = {report.topic: report for report in await ensure_topics(connection)}
    assert set(first) == {spec.name for spec in SPECS}
    assert {report.state for report in first.values()} == {"created"}
    assert {report.state for report in second.values()} == {"unchanged"}
    assert {report.partitions for report in second.values()} == {12}
    assert second[INTERACTIONS].config["message.timestamp.type"] == "LogAppendTime"
    assert {name: kept_ms(each.config) for name, each in second.items()} == {
        INTERACTIONS: 30 * DAY_MS, INTERACTIONS_RESOLVED: 30 * DAY_MS, SEGMENTS_MEMBERSHIP: 30 * DAY_MS, CONTACTS_CHANGED: 14 * DAY_MS,
        DEAD_LETTER: 90 * DAY_MS, OUTREACH_REQUESTED: 70 * 60_000,
    }, "S106: nothing lies there for longer, whole segments considered"  # fmt: skip
    assert second[CONTACTS_CHANGED].config["cleanup.policy"] == "compact"
    assert second[CONTACTS_CHANGED].config["min.compaction.lag.ms"] == str(7 * 86_400_000)
    assert second[CONTACTS_CHANGED].config["max.compaction.lag.ms"] == str(14 * 86_400_000), "S105: gone within the promised time"
    assert second[CONTACTS_CHANGED].config["delete.retention.ms"] == str(30 * 86_400_000), "S105: tombstones outlast who was away"
    assert int(second[DEAD_LETTER].config["max.message.bytes"]) > int(second[INTERACTIONS].config["max.message.bytes"])
    assert first[INTERACTIONS].name == connection.topic_prefix + "interactions"


@pytest.mark.asyncio
async def test_partitions_are_raised_and_never_lowered(connection: KafkaConnection) -> None:
    await ensure_topics(connection, partitions=2)
    raised = await ensure_topics(connection, partitions=3)
    assert {report.state for report in raised} == {"changed"}
    assert {report.changes["partitions"] for report in raised} == {("2", "3")}
    assert {report.partitions for report in await ensure_topics(connection, partitions=1)} == {3}


@pytest.mark.asyncio
async def test_what_is_wrong_is_mended_and_what_an_operator_chose_is_kept(connection: KafkaConnection) -> None:
    """A producer that could set append times would decide event time (architecture, section 2)."""
    name = connection.topic(INTERACTIONS)
    admin = AIOKafkaAdminClient(bootstrap_servers=connection.servers)
    await admin.start()
    try:
        wrong = {
            "message.timestamp.type": "CreateTime",
            "retention.ms": "123456789",
            "max.message.bytes": "5000000",
            "segment.ms": "3600000",
        }
        await admin.create_topics([NewTopic(name, 1, 1, topic_configs=wrong)])
    finally:
        await admin.close()
    (report,) = [each for each in await ensure_topics(connection, partitions=1) if each.topic == INTERACTIONS]
    assert report.state == "changed"
    assert report.changes == {"message.timestamp.type": ("CreateTime", "LogAppendTime"), "cleanup.policy": (None, "delete")}
    assert report.config == {**wrong, "message.timestamp.type": "LogAppendTime", "cleanup.policy": "delete"}


@pytest.mark.asyncio
async def test_the_broker_stamps_interactions_whatever_the_producer_says(connection: KafkaConnection) -> None:
    await ensure_topics(connection, partitions=1)
    async with IdempotentProducer(connection) as producer:
        _, writer = await producer._ready()
        batch = producer._current[0].create_batch() if producer._current else None
        assert batch is not None
        batch.append(timestamp=1_000, key=b"k", value=b"v")
        await (await writer._producer.send_batch(batch, connection.topic(INTERACTIONS), partition=0))
    (record,) = await read_topic(connection, INTERACTIONS)
    assert record.timestamp > (time.time() - 60) * 1000


@pytest.mark.asyncio
async def test_more_copies_than_brokers_are_refused_with_a_reason(connection: KafkaConnection) -> None:
    with pytest.raises(ConfigurationError, match=r"[Rr]eplication"):
        await ensure_topics(connection, replication=3)


@pytest.mark.asyncio
async def test_an_absent_broker_is_a_reason_to_try_again() -> None:
    with pytest.raises(LogUnavailable):
        await ensure_topics(KafkaConnection("127.0.0.1:1", request_timeout_seconds=1), timeout_seconds=5)
