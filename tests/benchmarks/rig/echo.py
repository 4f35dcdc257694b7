"""The substrate of `latency`: `python -m tests.benchmarks.rig.echo SERVERS FROM TO` copies each record of one topic to another."""

from __future__ import annotations

import asyncio
import signal
import sys

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition


async def main() -> None:
    """Copy until SIGTERM."""
    servers, source, target = sys.argv[1:]
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True) as producer, consumer:
        targets = [TopicPartition(source, number) for number in sorted(await consumer._client._wait_on_metadata(source))]
        consumer.assign(targets)
        await consumer.seek_to_end(*targets)
        while not stopping.is_set():
            futures = [
                await producer.send(target, value=record.value, key=record.key)
                for records in (await consumer.getmany(timeout_ms=100, max_records=500)).values()
                for record in records
            ]
            await asyncio.gather(*futures)


if __name__ == "__main__":
    uvloop.run(main())
