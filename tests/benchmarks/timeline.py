"""The timeline: lines of known visitors stored a second, against the resolver's hot rate on the same interactions, in the same run.

The resolver emits the lines that the timeline then takes; three partitions are in flight in both. Both run in this process, in turn.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import uvloop

from onefold import bootstrap
from onefold.bootstrap import calm_garbage_collector
from onefold.messages.topics import INTERACTIONS_RESOLVED
from onefold.observe import TimelineMetrics
from onefold.topics.consumer import PartitionedConsumer
from streams.timeline import Timeline
from tests.benchmarks.hot import EVENTS, PARTITIONS, REPETITIONS, VISITORS
from tests.benchmarks.rig.measuring import bench_installation, figure, report
from tests.benchmarks.rig.resolving import produce, resolve
from tests.support.worlds import event

if TYPE_CHECKING:
    from onefold.identity.interaction import Interaction
    from onefold.observe import Metrics
    from tests.support.installations import Installation

MINUTES_OF_A_ROUND = 2


async def main() -> int:
    """Make the visitors known, then measure in pairs; each round brings events that were not there before."""
    calm_garbage_collector()
    async with bench_installation(partitions=PARTITIONS) as mine:
        async with mine.resolvers(1):
            for number in (0, 1):
                await produce(mine, visits(VISITORS, number))
                await mine.settled()
        await _store(mine, 2 * VISITORS)
        pairs = []
        for number in range(REPETITIONS):
            await produce(mine, visits(EVENTS, number + 2))
            resolved = await resolve(mine, EVENTS)
            pairs.append((await _store(mine, EVENTS), resolved))
    return report([figure("timeline: lines of known visitors, against resolving them", "lines/s", pairs, at_least=0.6)])


def visits(count: int, number: int) -> list[Interaction]:
    """Events of visitors who are told by a token and an email."""
    return [
        event(
            f"anonymous_token:t{n % VISITORS}",
            f"email:p{n % VISITORS}@example.com",
            minutes=number * MINUTES_OF_A_ROUND,
            event_id=f"{number}-{n}",
        )
        for n in range(count)
    ]


class _Counting(TimelineMetrics):
    """Tells when so many lines are stored."""

    def __init__(self, metrics: Metrics, wanted: int) -> None:
        super().__init__(metrics)
        self.moments: list[tuple[float, int]] = []
        self.finished = asyncio.Event()
        self._missing = wanted

    def settled(self, stored: tuple[int, int, int], *, expired: int, dead: int) -> None:
        super().settled(stored, expired=expired, dead=dead)
        self.moments.append((time.perf_counter(), stored[0]))
        self._missing -= stored[0]
        if self._missing <= 0:
            self.finished.set()


async def _store(mine: Installation, count: int) -> float:
    """Lines a second from the first batch that was stored to the last of `count` lines."""
    role = bootstrap.begin("timeline", mine.role.settings)
    metrics = _Counting(role.metrics, count)
    async with bootstrap.store(role) as store:
        consumer = PartitionedConsumer(
            connection=role.kafka,
            topic=role.kafka.topic(INTERACTIONS_RESOLVED),
            group=f"{role.settings.kafka.topic_prefix}timeline",
            work=Timeline(role, store, metrics).follow,
            log=role.log,
        )
        await consumer.start()
        try:
            await asyncio.wait_for(metrics.finished.wait(), 300)
        finally:
            await consumer.stop()
    first, *_, last = metrics.moments
    return (count - first[1]) / (last[0] - first[0])


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
