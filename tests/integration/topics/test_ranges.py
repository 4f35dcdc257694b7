"""Ranges of a topic, as operators read them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from onefold.errors import LogUnavailable
from onefold.messages.topics import INTERACTIONS
from onefold.topics.producer import IdempotentProducer, Placed
from onefold.topics.ranges import NEAR, Span, reading
from onefold.topics.transactions import TransactionalProducer
from tests.support.retention import delete_before

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from onefold.topics.client import KafkaConnection
    from onefold.topics.consumer import Record


async def values(connection: KafkaConnection, partition: int, span: Span, most: int = 2) -> list[bytes | None]:
    async with reading(connection, INTERACTIONS) as reader:
        return [record.value async for records in reader.read(partition, span, most) for record in records]


async def found(connection: KafkaConnection, ranges: Mapping[int, Sequence[tuple[int, int]]]) -> AsyncIterator[Record]:
    async with asyncio.timeout(60), reading(connection, INTERACTIONS) as reader:
        async for record in reader.records_in(ranges):
            yield record


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
    assert [record.value async for record in found(topics, {0: [(0, 1), (1, 4)]})] == [b"seen"]
    assert [record async for record in found(topics, {0: [(1, 4)]})] == []


@pytest.mark.asyncio
async def test_of_many_ranges_come_their_records_and_none_between(topics: KafkaConnection) -> None:
    """Ranges that touch, lie near or lie far, on several partitions, one of them without records."""
    many = NEAR * 2 + 10
    async with IdempotentProducer(topics) as producer:
        for partition in (0, 2):
            await producer.send_placed(INTERACTIONS, [Placed(partition, b"k", b"%d" % n) for n in range(many)])
    ranges = {0: [(1, 3), (3, 4), (6, 7), (NEAR + 100, NEAR + 102), (many - 1, many)], 1: [(0, 5)], 2: [(many - 3, many - 1)]}
    wanted = [(partition, offset) for partition in (0, 2) for first, end in ranges[partition] for offset in range(first, end)]
    assert [(record.partition, record.offset) async for record in found(topics, ranges)] == wanted
    assert [record async for record in found(topics, {})] == []


@pytest.mark.asyncio
async def test_what_the_log_does_not_hold_is_neither_waited_for_nor_missed(topics: KafkaConnection) -> None:
    """Retention took the beginning of a range, or all of it; others end beyond the log, or lie there."""
    async with IdempotentProducer(topics) as producer:
        await producer.send_placed(INTERACTIONS, [Placed(0, b"k", b"%d" % n) for n in range(9)])
    await delete_before(topics, INTERACTIONS, {0: 5})
    assert [record.offset async for record in found(topics, {0: [(0, 2), (3, 6), (7, 700), (900, 901)]})] == [5, 7, 8]


@pytest.mark.asyncio
async def test_what_retention_takes_before_it_is_read_is_passed_over_and_a_log_that_ends_before_is_an_error(
    topics: KafkaConnection,
) -> None:
    """A redrive that goes on after a week must end, and one on a topic that was made anew must not begin at its start."""
    async with IdempotentProducer(topics) as producer:
        await producer.send_placed(INTERACTIONS, [Placed(0, b"k", b"%d" % n) for n in range(9)])
    await delete_before(topics, INTERACTIONS, {0: 5})
    assert await values(topics, 0, Span(1, 7)) == [b"5", b"6"]
    assert await values(topics, 0, Span(1, 4)) == []
    with pytest.raises(LogUnavailable, match="made anew"):
        await values(topics, 0, Span(20, 30))


@pytest.mark.asyncio
async def test_a_topic_that_is_not_there_is_an_error_that_says_so(topics: KafkaConnection) -> None:
    with pytest.raises(LogUnavailable, match="onefold topics create"):
        async with reading(replace(topics, request_timeout_seconds=3.0), "nothing"):
            pass


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
