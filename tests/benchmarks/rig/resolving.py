"""Run consumers of `interactions` in this process and time them: the resolver, and whatever else takes the same records."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from onefold import bootstrap
from onefold.messages.topics import INTERACTIONS
from onefold.observe import Metrics, ResolverMetrics
from onefold.topics.consumer import PartitionedConsumer, PartitionFeed
from streams.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from onefold.identity.interaction import Interaction
    from tests.support.installations import Installation

    Done = Callable[[int], None]

CHUNK = 10_000


async def produce(mine: Installation, events: Sequence[Interaction]) -> None:
    """Append events, ten thousand at a time."""
    for start in range(0, len(events), CHUNK):
        await mine.produce(events[start : start + CHUNK])


async def resolve(mine: Installation, count: int) -> float:
    """Interactions a second through a resolver that has just begun, emission included."""
    async with resolving(mine) as rate:
        return await rate(count)


@asynccontextmanager
async def resolving(mine: Installation) -> AsyncIterator[Callable[[int], Awaitable[float]]]:
    """A resolver that keeps what it has learnt; gives what measures it as `resolve` does, as often as it is called.

    Between two calls it takes nothing from the log, so that the next one finds everything there.
    """
    role = bootstrap.begin("resolver", mine.role.settings)
    async with bootstrap.resolving(role) as parts:
        metrics = _Counting(role.metrics)
        resolver = Resolver(role, parts, metrics)

        async def work(feed: PartitionFeed, done: Done) -> None:
            metrics.done = done
            await resolver.follow(feed)

        yield lambda count: timed(mine, "ours", work, count)


class _Counting(ResolverMetrics):
    """Tells how many interactions each transaction settled."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(metrics)
        self.done: Done = lambda _: None

    def settled(self, interactions: int, hot: int, dead: list[str], plan: object) -> None:
        super().settled(interactions, hot, dead, plan)  # type: ignore[arg-type]  # passed on as it came
        self.done(interactions)


async def timed(mine: Installation, group: str, work: Callable[[PartitionFeed, Done], Awaitable[None]], count: int) -> float:
    """Records a second from the first batch that was settled to the last of `count` records."""
    moments: list[tuple[float, int]] = []
    finished = asyncio.Event()

    def done(settled: int) -> None:
        moments.append((time.perf_counter(), settled))
        if sum(number for _, number in moments) >= count:
            finished.set()

    consumer = PartitionedConsumer(
        connection=mine.role.kafka,
        topic=mine.role.kafka.topic(INTERACTIONS),
        group=f"{mine.role.settings.kafka.topic_prefix}{group}",
        work=lambda feed: work(feed, done),
        log=mine.role.log,
    )
    await consumer.start()
    try:
        await asyncio.wait_for(finished.wait(), 300)
    finally:
        await consumer.stop()
    return (count - moments[0][1]) / (moments[-1][0] - moments[0][0])


async def progress(mine: Installation) -> dict[int, int]:
    """How far each partition is decided."""
    async with mine.store.connection() as connection:
        return {row["partition"]: row["next_offset"] for row in await connection.fetch("select partition, next_offset from progress")}
