"""From the append of an interaction to its contact's change in a consumer's hands, at a quarter of the rate that ghosts reach.

Resolver and relay run as processes of their own commands. The substrate is an echo by the same client library, at the same rate: a process
of its own takes each record from one topic and puts it on another. Both are measured from before the send to the moment of arrival.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from typing import TYPE_CHECKING

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from onefold.bootstrap import calm_garbage_collector
from onefold.messages.topics import CONTACTS_CHANGED, INTERACTIONS, SEGMENTS_MEMBERSHIP
from onefold.topics.producer import IdempotentProducer
from tests.benchmarks.rig.inserting import IN_FLIGHT, new_people
from tests.benchmarks.rig.measuring import bench_installation, cost, report
from tests.benchmarks.rig.resolving import produce, resolve
from tests.support.installations import record_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.installations import Installation

SECONDS, WARM_UP_SECONDS, TICK_SECONDS, REPETITIONS, GHOSTS = 10, 3, 0.01, 3, 6_000


async def main() -> int:
    """Find the rate, then measure in pairs. A long pause of this process would count as latency."""
    calm_garbage_collector()
    async with bench_installation(partitions=IN_FLIGHT) as mine:
        await produce(mine, new_people(GHOSTS))
        rate = await resolve(mine, GHOSTS) / 4
        await mine.settled()
        pairs = []
        for _ in range(REPETITIONS):
            echo = await _through(mine, ["-m", "tests.benchmarks.rig.echo"], SEGMENTS_MEMBERSHIP, rate)
            ours = await _ours(mine, rate)
            pairs.append((_percentile(ours, 99) * 1000, _percentile(echo, 99) * 1000))
    name = f"latency: append to contacts.changed, p99, {rate:.0f} people/s"
    return report([cost(name, "ms", pairs, times_at_most=5, or_at_most=150)])


async def _ours(mine: Installation, rate: float) -> list[float]:
    """Seconds of each person, through resolver and relay."""
    processes = [await mine.start_process(role) for role in ("resolver", "relay")]
    try:
        return await _measure(mine, rate, CONTACTS_CHANGED, lambda value: str(msgspec.json.decode(value)["cause"]["event_id"]))
    finally:
        for process in processes:
            process.terminate()
            await process.wait()


async def _through(mine: Installation, command: list[str], topic: str, rate: float) -> list[float]:
    """Seconds of each record, through a process that copies it to `topic`."""
    arguments = [mine.role.kafka.servers, mine.role.kafka.topic(INTERACTIONS), mine.role.kafka.topic(topic)]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, *arguments)
    try:
        return await _measure(mine, rate, topic, lambda value: str(msgspec.json.decode(value)["event_id"]))
    finally:
        process.terminate()
        await process.wait()


async def _measure(mine: Installation, rate: float, topic: str, event_of: Callable[[bytes], str]) -> list[float]:
    consumer = AIOKafkaConsumer(bootstrap_servers=mine.role.kafka.servers, isolation_level="read_committed", enable_auto_commit=False)
    await consumer.start()
    warm: dict[str, float] = {}
    sent: dict[str, float] = {}
    seen: dict[str, float] = {}
    reading = asyncio.create_task(_read(consumer, mine.role.kafka.topic(topic), seen, event_of))
    try:
        async with IdempotentProducer(mine.role.kafka) as producer:
            # What is measured begins when the processes have started and nothing of the warm-up is left. An echo that starts late
            # misses what was sent before.
            async with asyncio.timeout(60):
                while not seen:
                    await _send(producer, 10, 0.1, {})
                    await asyncio.sleep(0.2)
            for times, seconds in ((warm, WARM_UP_SECONDS), (sent, SECONDS)):
                await _send(producer, rate, seconds, times)
                async with asyncio.timeout(60):
                    while not times.keys() <= seen.keys():
                        await asyncio.sleep(0.05)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await consumer.stop()
    return [seen[event] - at for event, at in sent.items()]


async def _send(producer: IdempotentProducer, rate: float, seconds: float, sent: dict[str, float]) -> None:
    """Append people at a rate, a hundredth of a second's worth at a time; times are taken before each send."""
    began, done = time.perf_counter(), 0
    people = new_people(int(rate * seconds))
    while done < len(people):
        due = min(len(people), int((time.perf_counter() - began) * rate) + 1)
        if due > done:
            now = time.perf_counter()
            sent.update((each.event_id, now) for each in people[done:due])
            await producer.send_many(INTERACTIONS, [record_of(each) for each in people[done:due]])
            done = due
        await asyncio.sleep(TICK_SECONDS)


async def _read(consumer: AIOKafkaConsumer, topic: str, seen: dict[str, float], event_of: Callable[[bytes], str]) -> None:
    targets = [TopicPartition(topic, number) for number in sorted(await consumer._client._wait_on_metadata(topic))]
    consumer.assign(targets)
    await consumer.seek_to_end(*targets)
    while True:
        for records in (await consumer.getmany(timeout_ms=500)).values():
            now = time.perf_counter()
            for record in records:
                seen.setdefault(event_of(record.value), now)


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
