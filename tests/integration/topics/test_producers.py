"""Producers: what is acknowledged is there, once and in order; what is not gets an answer in time; a zombie is fenced."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from onefold.errors import Fenced, InvalidMessage, LogUnavailable
from onefold.messages.topics import CONTACTS_CHANGED, INTERACTIONS, INTERACTIONS_RESOLVED, MAX_MESSAGE_BYTES
from onefold.topics.admin import ensure_topics
from onefold.topics.client import KafkaConnection
from onefold.topics.producer import IdempotentProducer
from onefold.topics.transactions import TransactionalProducer
from tests.integration.topics.reading import read_topic
from tests.support.freezing import freeze

if TYPE_CHECKING:
    from onefold.local.servers import LocalServers


@pytest.mark.asyncio
async def test_a_sent_record_lies_where_the_answer_says(topics: KafkaConnection) -> None:
    async with IdempotentProducer(topics) as producer:
        assert await producer.partitions(INTERACTIONS) == 3
        written = await producer.send(INTERACTIONS, b"acme:t1", b"{}", (("traceparent", b"00"),))
    (record,) = await read_topic(topics, INTERACTIONS)
    assert (record.partition, record.offset) == written
    assert (record.key, record.value, record.headers) == (b"acme:t1", b"{}", (("traceparent", b"00"),))


@pytest.mark.asyncio
async def test_concurrent_batches_keep_order_and_lose_nothing(topics: KafkaConnection) -> None:
    """Several writers to one partition, batches that fill up and are split, records with and without headers and keys."""
    async with IdempotentProducer(topics) as producer:

        async def write(writer: int) -> None:
            for turn in range(5):
                rows = [(b"%d" % writer, b"%d.%d.%d." % (writer, turn, number) + b"x" * 2_000) for number in range(200)]
                tagged = [(None, b"%d.%d.t" % (writer, turn), (("a", b"b"),))]
                await producer.send_batches(INTERACTIONS_RESOLVED, {0: rows, 1: [], 2: tagged})

        await asyncio.gather(*map(write, range(4)))
    records = await read_topic(topics, INTERACTIONS_RESOLVED)
    assert len(records) == 4 * 5 * 201
    for writer in range(4):
        seen = [bytes(each.value or b"").split(b".")[1:3] for each in records if each.key == b"%d" % writer]
        assert seen == [[b"%d" % turn, b"%d" % number] for turn in range(5) for number in range(200)]
    tagged = [each for each in records if each.partition == 2]
    assert {(each.key, each.headers) for each in tagged} == {(None, (("a", b"b"),))}


@pytest.mark.asyncio
async def test_many_writers_to_one_partition_wait_their_turn(topics: KafkaConnection) -> None:
    """The library counts down one time-out over and over while a batch waits for another: unguarded, writers are turned away."""
    impatient = replace(topics, request_timeout_seconds=1.0)
    async with IdempotentProducer(impatient) as producer:

        async def write(writer: int) -> None:
            for turn in range(20):
                await producer.send_batches(INTERACTIONS_RESOLVED, {0: [(b"%d" % writer, b"%d" % turn)]})

        await asyncio.gather(*map(write, range(50)))
    assert len(await read_topic(topics, INTERACTIONS_RESOLVED)) == 1_000


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [MAX_MESSAGE_BYTES, 3 * MAX_MESSAGE_BYTES], ids=["refused-by-broker", "refused-before"])
async def test_a_record_that_no_broker_takes_is_refused_and_harms_no_later_one(topics: KafkaConnection, size: int) -> None:
    """F42: the refused batch leaves a gap in the sequence numbers, after which no send of the same producer would succeed."""
    async with IdempotentProducer(topics) as producer:
        await producer.send(INTERACTIONS, b"k", b"small")
        with pytest.raises(InvalidMessage) as caught:
            await producer.send(INTERACTIONS, b"k", b"x" * size)
        assert caught.value.code == "too_large"
        with pytest.raises(InvalidMessage):
            await producer.send_batches(INTERACTIONS, {0: [(b"k", b"x" * size)]})
        for _ in range(3):
            await producer.send(INTERACTIONS, b"k", b"small")
            await producer.send_batches(INTERACTIONS, {0: [(b"k", b"small")]})
    assert [each.value for each in await read_topic(topics, INTERACTIONS)] == [b"small"] * 7


@pytest.mark.asyncio
async def test_a_topic_that_is_missing_is_named(connection: KafkaConnection) -> None:
    async with IdempotentProducer(connection, timeout_seconds=1.0) as producer:
        with pytest.raises(LogUnavailable):
            await producer.send(INTERACTIONS, b"k", b"v")


@pytest.mark.asyncio
async def test_no_broker_is_an_answer_in_time() -> None:
    producer = IdempotentProducer(KafkaConnection("127.0.0.1:1"), timeout_seconds=1.0)
    began = time.monotonic()
    with pytest.raises(LogUnavailable):
        await producer.send(INTERACTIONS, b"k", b"v")
    assert time.monotonic() - began < 5
    await producer.stop()


@pytest.mark.asyncio
async def test_a_broker_that_hangs_is_an_answer_in_time_and_forgotten_when_it_is_back(own_broker: LocalServers) -> None:
    """F34, F46: an idempotent send waits for ever by itself. What was in doubt may arrive, what was answered has."""
    topics = KafkaConnection(own_broker.kafka_servers, "hang.")
    await ensure_topics(topics, partitions=1)
    async with IdempotentProducer(topics, timeout_seconds=1.0) as producer:
        await producer.send(INTERACTIONS, b"k", b"before")
        process = own_broker.pid("kafka")
        freeze(process)
        try:
            began = time.monotonic()
            with pytest.raises(LogUnavailable):
                await producer.send(INTERACTIONS, b"k", b"during")
            with pytest.raises(LogUnavailable):
                await producer.send_batches(INTERACTIONS, {0: [(b"k", b"during")]})
            assert time.monotonic() - began < 5
        finally:
            os.kill(process, signal.SIGCONT)
        async with asyncio.timeout(30):
            while True:
                try:
                    await producer.send(INTERACTIONS, b"k", b"after")
                    break
                except LogUnavailable:
                    await asyncio.sleep(0.1)
    values = [each.value for each in await read_topic(topics, INTERACTIONS)]
    assert values[0] == b"before"
    assert values[-1] == b"after"
    assert set(values) <= {b"before", b"during", b"after"}


@pytest.mark.asyncio
async def test_closing_does_not_wait_for_a_broker_that_is_gone(own_broker: LocalServers) -> None:
    """F6: a role leaves within its grace period, whatever the broker does."""
    topics = KafkaConnection(own_broker.kafka_servers, "gone.")
    await ensure_topics(topics, partitions=1)
    producer = IdempotentProducer(topics, timeout_seconds=0.5)
    await producer.start()
    process = own_broker.pid("kafka")
    freeze(process)
    try:
        with pytest.raises(LogUnavailable):
            await producer.send(INTERACTIONS, b"k", b"v")
        began = time.monotonic()
        await producer.stop()
        assert time.monotonic() - began < 12
    finally:
        os.kill(process, signal.SIGCONT)


@pytest.mark.asyncio
async def test_a_transaction_is_seen_whole_or_not_at_all(topics: KafkaConnection) -> None:
    async with TransactionalProducer(topics, topics.topic_prefix + "t1") as producer:
        assert await producer.partitions(CONTACTS_CHANGED) == 3
        async with producer.transaction() as transaction:
            await transaction.send_batches(CONTACTS_CHANGED, {0: [(b"a", b"1"), (b"a", b"2")], 1: [(b"b", b"1")]})
        with pytest.raises(KeyError):
            async with producer.transaction() as transaction:
                await transaction.send_batches(CONTACTS_CHANGED, {0: [(b"a", b"lost")]})
                raise KeyError
        assert not producer.is_open
        await producer.open()
        async with producer.transaction() as transaction:
            await transaction.send_batches(CONTACTS_CHANGED, {0: [(b"a", None, (("ce_id", b"3"),))]})
    records = await read_topic(topics, CONTACTS_CHANGED)
    assert [(each.key, each.value) for each in records] == [(b"a", b"1"), (b"a", b"2"), (b"a", None), (b"b", b"1")]
    assert records[2].headers == (("ce_id", b"3"),)
    assert len(await read_topic(topics, CONTACTS_CHANGED, committed=False)) == 5


@pytest.mark.asyncio
async def test_a_zombie_is_fenced_at_its_commit(topics: KafkaConnection) -> None:
    """F7: whoever takes the id later ends what an older holder has open, and the older one learns it."""
    older = TransactionalProducer(topics, topics.topic_prefix + "t2")
    newer = TransactionalProducer(topics, topics.topic_prefix + "t2")
    await older.open()
    with pytest.raises(Fenced):
        async with older.transaction() as transaction:
            await transaction.send_batches(CONTACTS_CHANGED, {0: [(b"a", b"zombie")]})
            await newer.open()
            async with newer.transaction() as other:
                await other.send_batches(CONTACTS_CHANGED, {0: [(b"a", b"owner")]})
    assert not older.is_open
    async with newer.transaction() as other:
        await other.send_batches(CONTACTS_CHANGED, {0: [(b"a", b"owner still")]})
    await newer.close()
    await older.close()
    assert [each.value for each in await read_topic(topics, CONTACTS_CHANGED)] == [b"owner", b"owner still"]


@pytest.mark.asyncio
async def test_a_zombie_is_fenced_before_its_first_record_too(topics: KafkaConnection) -> None:
    older = TransactionalProducer(topics, topics.topic_prefix + "t3")
    newer = TransactionalProducer(topics, topics.topic_prefix + "t3")
    await older.open()
    await newer.open()
    with pytest.raises(Fenced):
        async with older.transaction() as transaction:
            await transaction.send_batches(CONTACTS_CHANGED, {0: [(b"a", b"zombie")]})
    await newer.close()
    await older.close()
    assert await read_topic(topics, CONTACTS_CHANGED) == []


@pytest.mark.asyncio
async def test_a_record_too_large_for_a_transaction_is_refused(topics: KafkaConnection) -> None:
    async with TransactionalProducer(topics, topics.topic_prefix + "t4") as producer:
        with pytest.raises(InvalidMessage):
            async with producer.transaction() as transaction:
                await transaction.send_batches(CONTACTS_CHANGED, {0: [(b"a", b"x" * 3 * MAX_MESSAGE_BYTES)]})
