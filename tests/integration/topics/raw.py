"""Produce what no client of ours would: a batch built by hand, as a foreign client could send it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

if TYPE_CHECKING:
    from onefold.topics.client import KafkaConnection


class HeaderName(str):
    """A name that is these bytes on the wire."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        """Latin-1, which every text of bytes has."""
        return super().encode("latin-1")


async def produce_with_header(connection: KafkaConnection, topic: str, name: bytes, value: bytes) -> None:
    """Append one record to partition 0, with a header of that name."""
    builder = _DefaultRecordBatchBuilderPy(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1, batch_size=10_000
    )
    builder.append(0, timestamp=0, key=b"k", value=value, headers=[(HeaderName(name.decode("latin-1")), b"")])
    name_of_topic = connection.topic(topic)
    request = ProduceRequest(
        transactional_id=None, required_acks=-1, timeout=10_000, topics=[(name_of_topic, [(0, bytes(builder.build()))])]
    )
    client = AIOKafkaClient(bootstrap_servers=connection.servers)
    await client.bootstrap()
    try:
        await client.set_topics([name_of_topic])
        answer = await client.send(client.cluster.leader_for_partition(TopicPartition(name_of_topic, 0)), request)
        assert answer.topics[0][1][0][1] == 0, answer
    finally:
        await client.close()
