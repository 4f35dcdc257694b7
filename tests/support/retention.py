"""What retention does when its time has come: the beginning of a log goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onefold.topics.client import KafkaConnection


async def delete_before(connection: KafkaConnection, topic: str, offsets: Mapping[int, int]) -> None:
    """Delete what lies before an offset, by partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=connection.servers)
    await admin.start()
    try:
        name = connection.topic(topic)
        await admin.delete_records({TopicPartition(name, partition): RecordsToDelete(offset) for partition, offset in offsets.items()})
    finally:
        await admin.close()
