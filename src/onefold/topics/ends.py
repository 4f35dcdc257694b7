"""Where the partitions of a topic end. For operators' tools and the demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from onefold.topics.client import let_go, translated

if TYPE_CHECKING:
    from onefold.topics.client import KafkaConnection

SECONDS = 15.0


async def end_offsets(connection: KafkaConnection, topic: str) -> dict[int, int]:
    """The next offset of each partition; none for a topic that does not exist. Raises LogUnavailable."""
    name = connection.topic(topic)
    consumer = AIOKafkaConsumer(name, **connection.options(), enable_auto_commit=False)
    async with translated(f"looking at the ends of {topic}", SECONDS):
        try:
            await consumer.start()
            targets = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name) or ()]
            ends = await consumer.end_offsets(targets) if targets else {}
        finally:
            await let_go(consumer)
    return {target.partition: end for target, end in ends.items()}
