"""Known visitors, emission included: interactions a second through the resolver, against a pass-through of the same records.

The pass-through consumes, decodes, encodes and produces the same records in the same batches, and does nothing else; three partitions are
in flight in both. Both run in this process, in turn, three times.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import uvloop

from onefold import bootstrap
from onefold.messages.codec import decode_interaction
from onefold.messages.resolved import encode_resolved
from onefold.messages.topics import INTERACTIONS, INTERACTIONS_RESOLVED, partition_of
from onefold.observe import Metrics, ResolverMetrics
from onefold.topics.consumer import PartitionedConsumer, PartitionFeed
from onefold.topics.producer import IdempotentProducer
from streams.resolver import Resolver
from tests.benchmarks.measuring import bench_installation, figure, report, wants_json
from tests.support.worlds import event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.installations import Installation

PARTITIONS, VISITORS, EVENTS, BATCH, REPETITIONS = 3, 3_000, 60_000, 500, 3
CONTACT = "00000000-0000-5000-8000-000000000000"


async def main() -> int:
    """Warm up, then measure in pairs."""
    bootstrap.calm_garbage_collector()
    async with bench_installation(partitions=PARTITIONS) as mine:
        async with mine.resolvers(1):
            await _produce(mine, VISITORS, minutes=0)
            await mine.settled()
            await _produce(mine, VISITORS, minutes=1)
            await mine.settled()
        pairs = []
        for _ in range(REPETITIONS):
            await _produce(mine, EVENTS, minutes=2)
            baseline = await _pass_through(mine)
            ours = await _resolve(mine)
            pairs.append((ours, baseline))
    return report([figure("hot: known visitors, emission included", "interactions/s", pairs)], as_json=wants_json())


async def _produce(mine: Installation, count: int, *, minutes: int) -> None:
    events = [
        event(f"anonymous_token:t{n % VISITORS}", f"email:p{n % VISITORS}@example.com", minutes=minutes, event_id=f"{minutes}-{n}")
        for n in range(count)
    ]
    for start in range(0, count, 10_000):
        await mine.produce(events[start : start + 10_000])


async def _pass_through(mine: Installation) -> float:
    """Records a second, without resolving."""
    async with IdempotentProducer(mine.role.kafka) as producer:
        partitions = await producer.partitions(INTERACTIONS_RESOLVED)
        progress = await _progress(mine)

        async def work(feed: PartitionFeed, done: Callable[[int], None]) -> None:
            offset = await feed.start_at(progress.get(feed.partition, 0), fresh=False)
            while not feed.stopping.is_set():
                records = await feed.take(BATCH)
                lines: dict[int, list[tuple[bytes | None, bytes | None]]] = {}
                for record in records:
                    value = record.value or b""
                    message = decode_interaction(value)
                    line = encode_resolved(1, record.partition, record.offset, 1, CONTACT, 1, "seen", None, value)
                    lines.setdefault(partition_of(message.event_id.encode(), partitions), []).append((CONTACT.encode(), line))
                if lines:
                    await producer.send_batches(INTERACTIONS_RESOLVED, lines)
                    offset = records[-1].offset + 1
                    feed.done(offset, records[-1].timestamp_ms)
                    done(len(records))

        return await _timed(mine, "pass-through", work)


async def _resolve(mine: Installation) -> float:
    """Interactions a second through the resolver."""
    role = bootstrap.begin("resolver", mine.role.settings)
    async with bootstrap.resolving(role) as parts:
        resolver = Resolver(role, parts, _Counting(role.metrics))

        async def work(feed: PartitionFeed, done: Callable[[int], None]) -> None:
            resolver._metrics.done = done  # type: ignore[attr-defined]
            await resolver.follow(feed)

        return await _timed(mine, "ours", work)


class _Counting(ResolverMetrics):
    """Tells how many interactions each transaction settled."""

    done: Callable[[int], None] = staticmethod(lambda _: None)

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(metrics)
        self.hot = 0

    def settled(self, interactions: int, hot: int, dead: list[str], plan: object) -> None:
        super().settled(interactions, hot, dead, plan)  # type: ignore[arg-type]
        self.hot += hot
        self.done(interactions)


async def _timed(mine: Installation, group: str, work: Callable[[PartitionFeed, Callable[[int], None]], Awaitable[None]]) -> float:
    """Records a second from the first batch that was settled to the last."""
    moments: list[tuple[float, int]] = []
    finished = asyncio.Event()

    def done(count: int) -> None:
        moments.append((time.perf_counter(), count))
        if sum(number for _, number in moments) >= EVENTS:
            finished.set()

    consumer = PartitionedConsumer(
        servers=mine.role.settings.kafka.servers,
        topic=mine.role.kafka.topic(INTERACTIONS),
        group=f"{mine.role.settings.kafka.topic_prefix}{group}",
        work=lambda feed: work(feed, done),
        log=mine.role.log,
    )
    await consumer.start()
    try:
        await asyncio.wait_for(finished.wait(), 120)
    finally:
        await consumer.stop()
    seconds = moments[-1][0] - moments[0][0]
    return (EVENTS - moments[0][1]) / seconds


async def _progress(mine: Installation) -> dict[int, int]:
    async with mine.store.connection() as connection:
        return {row["partition"]: row["next_offset"] for row in await connection.fetch("select partition, next_offset from progress")}


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
