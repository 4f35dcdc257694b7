"""The sweep of a million ghosts beside the resolver, while a tenth of them come back; and who is there afterwards.

Interactions a second through the resolver while a worker of its own destroys ghosts, against as many before it began: known visitors, and
ghosts who come back among them. An argument names another number of ghosts.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from itertools import count, islice
from typing import TYPE_CHECKING

import uvloop

from onefold.bootstrap import calm_garbage_collector
from onefold.contacts import ghosts
from onefold.errors import LogUnavailable
from onefold.ops.horizon import decided_until
from onefold.records import workspace_jobs
from tests.benchmarks.rig.measuring import bench_installation, figure, report
from tests.benchmarks.rig.resolving import produce, resolving
from tests.support.ghosts import insert_ghosts
from tests.support.worlds import event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from onefold.identity.interaction import Interaction
    from onefold.records.workspace_jobs import WorkspaceJob
    from tests.support.installations import Installation

GHOSTS, CHUNK, VISITORS, EVENTS = 1_000_000, 20_000, 3_000, 20_000
DAYS = 90
RATE = "2000"
"""Ghosts a second: four times the default, so that a million take minutes."""
RETURNING = 250
"""Of the events of a measurement: at about the rate at which ghosts go, a tenth of them come back until all are gone."""
BASELINES = 9
EACH = 20
"""Measurements of which one line is said."""
_marks = count()


async def main() -> int:
    """Measure before the sweep, then during it until it is over; then look who is left."""
    calm_garbage_collector()
    number = next((int(each) for each in sys.argv[1:] if each.isdecimal()), GHOSTS)
    # Without a relay the outbox grows to millions of rows, through which each batch of the sweep would look for what is said of its ghosts.
    # And one resolver throughout: whoever begins learns of all separations first, of which each ghost that goes makes one.
    async with bench_installation(partitions=3) as mine, mine.running("relay"), resolving(mine) as rate:
        await _furnish(mine, number)
        resolver = _Resolver(mine, rate, number)
        await resolver.measured()  # warms up
        before = sorted([await resolver.measured() for _ in range(BASELINES)])[BASELINES // 2]
        horizon = await decided_until(mine.role.kafka, mine.store)
        began = time.perf_counter()
        async with mine.running("jobs-worker", ONEFOLD_JOBS__GHOSTS_PER_SECOND=RATE):
            async with mine.store.transaction(["acme"]) as connection:
                job = await ghosts.begin(connection, "acme", DAYS, horizon, ghosts.SWEEPER)
            pairs = []
            while not (job := await _now(mine, job)).finished_at:
                pairs.append((await resolver.measured(), before))
                if len(pairs) % EACH == 0:
                    ratio = statistics.median(ours for ours, _ in pairs[-EACH:]) / before
                    said = f"{job.progress['destroyed']:,} destroyed, resolver at {ratio:.2f}"
                    print(f"{time.perf_counter() - began:,.0f} s: {said}", file=sys.stderr)
        seconds = time.perf_counter() - began
        await _judge(mine, number, resolver.back, job)
    print(f"{job.progress['destroyed']:,} ghosts destroyed in {seconds:,.0f} s, {len(resolver.back):,} came back", file=sys.stderr)
    return report([figure("sweep: the resolver beside it", "interactions/s", pairs, at_least=0.67)])


async def _furnish(mine: Installation, number: int) -> None:
    async with mine.resolvers(1):
        await produce(mine, [event(f"anonymous_token:t{each}", minutes=0) for each in range(VISITORS)])
        await mine.settled()
    for first in range(0, number, CHUNK):
        async with mine.store.transaction(["acme"]) as connection:
            await insert_ghosts(connection, first, [_token(each) for each in range(first, min(first + CHUNK, number))])


class _Resolver:
    """The resolver, and who came back so far."""

    def __init__(self, mine: Installation, rate: Callable[[int], Awaitable[float]], number: int) -> None:
        self._mine, self._rate = mine, rate
        # Some before it is their turn to go, some after it.
        self._returning = iter(random.Random(7).sample(range(0, number, 10), number // 10))
        self.back: list[int] = []

    async def measured(self) -> float:
        """Interactions a second, with some more who come back."""
        some = list(islice(self._returning, RETURNING))
        self.back += some
        story = _story(some)
        while True:
            try:
                await produce(self._mine, story)
            except LogUnavailable as error:  # a run is long; what is told twice is measured all the same
                print(f"measures once more: {error}", file=sys.stderr)
            else:
                return await self._rate(len(story))


def _story(some: Sequence[int]) -> list[Interaction]:
    mark = next(_marks)
    known = [event(f"anonymous_token:t{each % VISITORS}", minutes=1, event_id=f"{mark}-{each}") for each in range(EVENTS - len(some))]
    returned = [event(f"anonymous_token:{_token(each)}", minutes=1, event_id=f"{mark}-g{each}") for each in some]
    return [each for pair in zip(known, returned, strict=False) for each in pair] + known[len(returned) :]


def _token(number: int) -> str:
    return f"ghost-{number}"


async def _now(mine: Installation, job: WorkspaceJob) -> WorkspaceJob:
    async with mine.store.transaction(["acme"]) as connection:
        return await workspace_jobs.find(connection, "acme", job.job_id)


async def _judge(mine: Installation, number: int, back: Sequence[int], job: WorkspaceJob) -> None:
    """Every visitor who came back holds their token; every other ghost is gone."""
    async with mine.store.transaction(["acme"]) as connection:
        held = {row[0] for row in await connection.fetch("select normalised from identifiers where normalised like 'ghost-%'")}
    wanted = {_token(each) for each in back}
    if job.state != "done" or held != wanted:
        raise SystemExit(
            f"{job.state}: {len(wanted - held)} of {len(wanted)} who came back are lost, {len(held - wanted)} left behind, of {number}"
        )


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
