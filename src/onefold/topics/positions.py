"""Where partitions begin and end, how far groups are, and records at positions that are asked for. Without a group, leaving no trace."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from onefold.topics.client import FAILURES, let_go, translate, translated
from onefold.topics.consumer import Record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from onefold.topics.client import KafkaConnection

SECONDS = 30.0
POLL_MS = 200
NEAR = 1_000
"""Ranges that lie closer than this are read on through; others are sought."""


class Bounds(NamedTuple):
    """Where a partition begins, and where its next record will lie."""

    first: int
    end: int


async def bounds(connection: KafkaConnection, topic: str) -> dict[int, Bounds]:
    """The bounds of each partition; none for a topic that does not exist. Raises LogUnavailable."""
    async with translated(f"looking at the bounds of {topic}", SECONDS), _reader(connection, topic) as (consumer, targets):
        if not targets:
            return {}
        begins, ends = await consumer.beginning_offsets(targets), await consumer.end_offsets(targets)
    return {target.partition: Bounds(begins[target], ends[target]) for target in targets}


async def offsets_since(connection: KafkaConnection, topic: str, timestamp_ms: int) -> dict[int, int]:
    """By partition, the offset of the first record of this time or later; left out where there is none. Raises LogUnavailable."""
    async with translated(f"looking for a time in {topic}", SECONDS), _reader(connection, topic) as (consumer, targets):
        found = await consumer.offsets_for_times(dict.fromkeys(targets, timestamp_ms))
    return {target.partition: each.offset for target, each in found.items() if each is not None}


async def committed(connection: KafkaConnection, group: str, topic: str) -> dict[int, int]:
    """By partition, the offset that a group has committed; left out where it has none. Raises LogUnavailable."""
    client = AIOKafkaAdminClient(**connection.options())
    async with translated(f"looking at the offsets of {group}", SECONDS):
        try:
            await client.start()
            found = await client.list_consumer_group_offsets(group)
        finally:
            await client.close()
    name = connection.topic(topic)
    return {target.partition: each.offset for target, each in found.items() if target.topic == name and each.offset >= 0}


async def records_in(connection: KafkaConnection, topic: str, ranges: Mapping[int, Sequence[tuple[int, int]]]) -> AsyncIterator[Record]:
    """Committed records whose offsets lie in these ranges, by partition: sorted pairs of first and end. Raises LogUnavailable.

    What lies beyond the present end of a partition is not waited for.
    """
    try:
        async with _reader(connection, topic) as (consumer, targets):
            edges = await consumer.beginning_offsets(targets), await consumer.end_offsets(targets)
            for target in targets:
                inside = [(max(first, edges[0][target]), min(end, edges[1][target])) for first, end in ranges.get(target.partition, ())]
                async for each in _read(consumer, target, [pair for pair in inside if pair[0] < pair[1]]):
                    yield Record(topic, each.partition, each.offset, each.timestamp, each.key, each.value, each.headers)
    except FAILURES as error:
        raise translate(error, f"reading {topic}") from error


async def has_records(connection: KafkaConnection, topic: str, partition: int, first: int, end: int) -> bool:
    """Whether a record lies there: offsets may be taken by marks of transactions alone (F44). Raises LogUnavailable."""
    found = records_in(connection, topic, {partition: [(first, end)]})
    try:
        async for _ in found:
            return True
    finally:
        await found.aclose()  # type: ignore[attr-defined]  # an async generator
    return False


async def _read(consumer: Any, target: TopicPartition, ranges: Sequence[tuple[int, int]]) -> AsyncIterator[Any]:
    if not ranges:
        return
    consumer.assign([target])
    position: int | None = None
    for first, end in ranges:
        if position is None or not position <= first < position + NEAR:
            consumer.seek(target, first)
        while True:
            found = (await consumer.getmany(target, timeout_ms=POLL_MS, max_records=NEAR)).get(target, ())
            for each in found:
                if first <= each.offset < end:
                    yield each
            position = await consumer.position(target)
            if position >= end:
                break


@asynccontextmanager
async def _reader(connection: KafkaConnection, topic: str) -> AsyncIterator[tuple[Any, list[TopicPartition]]]:
    """A consumer that belongs to no group, and the topic's partitions."""
    name = connection.topic(topic)
    consumer = AIOKafkaConsumer(
        name, **connection.options(), auto_offset_reset="earliest", isolation_level="read_committed", enable_auto_commit=False
    )
    try:
        await consumer.start()
        targets = [TopicPartition(name, number) for number in sorted(consumer.partitions_for_topic(name) or ())]
        consumer.unsubscribe()
        yield consumer, targets
    finally:
        await let_go(consumer)
