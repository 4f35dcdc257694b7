"""Ranges of a topic, as operators read them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from onefold.messages.topics import INTERACTIONS
from onefold.topics.producer import IdempotentProducer, Placed
from onefold.topics.ranges import Span, reading
from onefold.topics.transactions import TransactionalProducer

if TYPE_CHECKING:
    from onefold.topics.client import KafkaConnection


async def values(connection: KafkaConnection, partition: int, span: Span, most: int = 2) -> list[bytes | None]:
    async with reading(connection, INTERACTIONS) as reader:
        return [record.value async for records in reader.read(partition, span, most) for record in records]


@pytest.mark.asyncio
async def test_a_range_gives_its_records_in_order_and_no_other(topics: KafkaConnection) -> None:
    async with IdempotentProducer(topics) as producer:
        written = await producer.send_placed(INTERACTIONS, [Placed(1, b"k", b"%d" % n) for n in range(9)])
        await producer.send_placed(INTERACTIONS, [Placed(2, b"k", b"other", (("a", b"1"),))])
    assert [(each.partition, each.offset) for each in written] == [(1, n) for n in range(9)]
    assert await values(topics, 1, Span(3, 8)) == [b"3", b"4", b"5", b"6", b"7"]
    assert await values(topics, 1, Span(4, 4)) == []
    async with reading(topics, INTERACTIONS) as reader:
        assert await reader.held() == {0: Span(0, 0), 1: Span(0, 9), 2: Span(0, 1)}


@pytest.mark.asyncio
async def test_a_range_that_ends_in_what_nobody_may_see_ends_all_the_same(topics: KafkaConnection) -> None:
    """F44: aborted transactions and control records leave gaps, at the end of a range too."""
    async with TransactionalProducer(topics, "ranges") as producer:
        async with producer.transaction() as transaction:
            await transaction.send_batches(INTERACTIONS, {0: [(b"k", b"seen")]})
        with pytest.raises(KeyboardInterrupt):
            async with producer.transaction() as transaction:
                await transaction.send_batches(INTERACTIONS, {0: [(b"k", b"aborted")]})
                raise KeyboardInterrupt
        await producer.open()
    async with reading(topics, INTERACTIONS) as reader, asyncio.timeout(20):
        while (span := (await reader.held())[0]).end < 4:
            await asyncio.sleep(0.1)
    assert await values(topics, 0, span) == [b"seen"]


@pytest.mark.asyncio
async def test_offsets_are_found_by_append_time(topics: KafkaConnection) -> None:
    async with IdempotentProducer(topics) as producer:
        await producer.send_placed(INTERACTIONS, [Placed(0, b"k", b"early")])
        await asyncio.sleep(0.05)
        between = datetime.now(UTC)
        await asyncio.sleep(0.05)
        await producer.send_placed(INTERACTIONS, [Placed(0, b"k", b"late")])
    async with reading(topics, INTERACTIONS) as reader:
        assert await reader.offsets_at(between, [0, 1]) == {0: 1, 1: None}
        assert await reader.offsets_at(between - timedelta(hours=1), [0]) == {0: 0}
