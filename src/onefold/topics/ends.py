"""Where the partitions of a topic end. For operators' tools and the demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.topics.positions import bounds

if TYPE_CHECKING:
    from onefold.topics.client import KafkaConnection


async def end_offsets(connection: KafkaConnection, topic: str) -> dict[int, int]:
    """The next offset of each partition; none for a topic that does not exist. Raises LogUnavailable."""
    return {partition: each.end for partition, each in (await bounds(connection, topic)).items()}
