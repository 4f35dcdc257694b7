"""Read ranges of a topic's partitions, without a group and without leaving a trace: what operators list, redrive, replay and check.

Offsets need not be dense (aborted transactions, control records), so a range is over when the position has passed it, whatever came.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from contextlib import aclosing, asynccontextmanager
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from onefold.errors import LogUnavailable
from onefold.topics.client import let_go, translated
from onefold.topics.consumer import Record

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
    from datetime import datetime

    from onefold.topics.client import KafkaConnection

POLL_MS = 500
ANSWER_SECONDS = 30.0
"""More than a request may take, so that what aiokafka says of one that failed is told."""
NEAR = 1_000
"""Ranges that lie closer than this are read on through; others are sought."""


class Span(NamedTuple):
    """Offsets from `first` up to, and without, `end`."""

    first: int
    end: int


class TopicReader:
    """One topic, for reading ranges. One range at a time."""

    def __init__(self, consumer: Any, topic: str, name: str) -> None:
        self._consumer = consumer
        self._topic = topic
        self._name = name

    async def held(self) -> dict[int, Span]:
        """What the log holds now, by partition. Raises LogUnavailable."""
        async with translated(f"looking at the bounds of {self._topic}", ANSWER_SECONDS):
            targets = [TopicPartition(self._name, number) for number in self._consumer.partitions_for_topic(self._name) or ()]
            first, end = await self._consumer.beginning_offsets(targets), await self._consumer.end_offsets(targets)
        return {target.partition: Span(first[target], end[target]) for target in sorted(targets)}

    async def offsets_at(self, at: datetime, partitions: Iterable[int]) -> dict[int, int | None]:
        """The first offset of each partition whose record is as young as `at`; None where there is none. Raises LogUnavailable."""
        stamp = max(0, round(at.timestamp() * 1000))
        targets = {TopicPartition(self._name, number): stamp for number in partitions}
        async with translated(f"looking for {at:%Y-%m-%d %H:%M:%SZ} in {self._topic}", ANSWER_SECONDS):
            found = await self._consumer.offsets_for_times(targets) if targets else {}
        return {target.partition: each.offset if each is not None else None for target, each in found.items()}

    async def records_in(self, ranges: Mapping[int, Sequence[tuple[int, int]]]) -> AsyncGenerator[Record, None]:
        """The records of many ranges, as far as the log holds them now: by partition, sorted (first, end). Raises LogUnavailable."""
        for partition, held in (await self.held()).items():
            inside = [Span(max(first, held.first), min(end, held.end)) for first, end in ranges.get(partition, ())]
            for spans in _near([span for span in inside if span.first < span.end]):
                async with aclosing(self.read(partition, Span(spans[0].first, spans[-1].end), NEAR)) as chunks:
                    async for record in (each async for chunk in chunks for each in chunk):
                        if record.offset < spans[bisect_right(spans, record.offset, key=attrgetter("first")) - 1].end:
                            yield record

    async def read(self, partition: int, span: Span, most: int) -> AsyncGenerator[list[Record], None]:
        """The records of a range in their order, up to `most` at once; what retention took meanwhile is passed over.

        Raises LogUnavailable, also when nothing comes for long, and where the log ends before the range.
        """
        target = TopicPartition(self._name, partition)
        position = span.first
        self._consumer.assign([target])
        self._consumer.seek(target, position)
        while position < span.end:
            async with translated(f"reading {self._topic}/{partition} at {position}", ANSWER_SECONDS):
                before = position
                while position == before:
                    found = (await self._consumer.getmany(target, timeout_ms=POLL_MS, max_records=most)).get(target, ())
                    position = await self._consumer.position(target)
            if position < before:
                raise LogUnavailable(f"{self._topic}/{partition} ends before offset {before}: the topic was made anew, or lost records")
            records = [
                Record(self._topic, partition, each.offset, each.timestamp, each.key, each.value, each.headers)
                for each in found
                if span.first <= each.offset < span.end
            ]
            if records:
                yield records


def _near(spans: Sequence[Span]) -> list[list[Span]]:
    """Spans, grouped by what is read on through."""
    groups: list[list[Span]] = []
    for span in spans:
        if groups and span.first < groups[-1][-1].end + NEAR:
            groups[-1].append(span)
        else:
            groups.append([span])
    return groups


@asynccontextmanager
async def reading(connection: KafkaConnection, topic: str) -> AsyncIterator[TopicReader]:
    """A reader of the topic. Raises LogUnavailable, also where there is none of that name."""
    name = connection.topic(topic)
    consumer = AIOKafkaConsumer(
        **connection.options(), auto_offset_reset="earliest", isolation_level="read_committed", enable_auto_commit=False
    )
    consumer.assign([TopicPartition(name, 0)])  # so that it asks for the topic's partitions
    try:
        async with translated(f"connecting to read {topic}", ANSWER_SECONDS):
            await consumer.start()
        await asyncio.sleep(0)  # aiokafka cannot stop before the tasks that it has begun have run once
        yield TopicReader(consumer, topic, name)
    finally:
        await let_go(consumer)
