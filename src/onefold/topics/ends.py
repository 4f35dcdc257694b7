"""Where the partitions of a topic end. For operators' tools and the demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.topics.ranges import reading

if TYPE_CHECKING:
    from onefold.topics.client import KafkaConnection


async def end_offsets(connection: KafkaConnection, topic: str) -> dict[int, int]:
    """The next offset of each partition. Raises LogUnavailable, also where there is no topic of that name."""
    async with reading(connection, topic) as reader:
        return {partition: span.end for partition, span in (await reader.held()).items()}
