"""Read a topic from its beginning, as any consumer would: what tests compare with what they wrote."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

if TYPE_CHECKING:
    from onefold.topics.client import KafkaConnection


class Read(NamedTuple):
    """One record."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


async def read_topic(connection: KafkaConnection, topic: str, *, committed: bool = True, timeout_seconds: float = 15.0) -> list[Read]:
    """Every record up to the present end, by partition and offset."""
    consumer = AIOKafkaConsumer(
        **connection.options(), isolation_level="read_committed" if committed else "read_uncommitted", enable_auto_commit=False
    )
    await consumer.start()
    try:
        async with asyncio.timeout(timeout_seconds):
            name = connection.topic(topic)
            targets = [TopicPartition(name, number) for number in sorted(await consumer._client._wait_on_metadata(name))]
            consumer.assign(targets)
            await consumer.seek_to_beginning(*targets)
            ends = await consumer.end_offsets(targets)
            found: list[Read] = []
            while any([await consumer.position(target) < ends[target] for target in targets]):
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    found += [Read(each.partition, each.offset, each.timestamp, each.key, each.value, each.headers) for each in records]
            return sorted(found, key=lambda each: (each.partition, each.offset))
    finally:
        await consumer.stop()
