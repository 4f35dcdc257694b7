"""Read a topic from its start or its end, without a group and without leaving a trace. For operators, subscribers' tests and the demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer

from onefold.errors import LogUnavailable
from onefold.topics.client import FAILURES, let_go, translate
from onefold.topics.consumer import Record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiokafka import TopicPartition

    from onefold.topics.client import KafkaConnection

POLL_MS = 500


async def follow_topic(connection: KafkaConnection, topic: str, *, from_start: bool, to_end: bool) -> AsyncIterator[Record]:
    """Committed records of every partition, in order within each. With `to_end` it stops at what is the end now.

    Raises LogUnavailable, also where the topic does not exist.
    """
    reset = "earliest" if from_start else "latest"
    consumer = AIOKafkaConsumer(
        connection.topic(topic), **connection.options(), auto_offset_reset=reset, isolation_level="read_committed", enable_auto_commit=False
    )
    try:
        await consumer.start()
        targets = sorted(consumer.assignment())  # without a group, all partitions are ours at once
        if not targets:
            raise LogUnavailable(f"there is no topic {connection.topic(topic)}; `onefold topics create` makes ours")
        ends = await consumer.end_offsets(targets)
        while not to_end or await _short_of(consumer, ends):
            for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                for each in records:
                    yield Record(topic, each.partition, each.offset, each.timestamp, each.key, each.value, each.headers)
    except FAILURES as error:
        raise translate(error, f"reading {topic}") from error
    finally:
        await let_go(consumer)


async def _short_of(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    return any([await consumer.position(target) < end for target, end in ends.items()])
