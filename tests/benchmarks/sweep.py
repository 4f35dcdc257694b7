"""The sweep of a million ghosts beside the resolver, while a tenth of them come back; and who is there afterwards.

Interactions a second through the resolver while a worker of its own destroys ghosts, against as many before it began: known visitors, and
ghosts who come back among them. An argument names another number of ghosts.
"""

from __future__ import annotations

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
from tests.benchmarks.rig.resolving import produce, resolve
from tests.support.ghosts import insert_ghosts
from tests.support.worlds import event

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from onefold.identity.interaction import Interaction
    from onefold.records.workspace_jobs import WorkspaceJob
    from tests.support.installations import Installation

GHOSTS, CHUNK, VISITORS, EVENTS = 1_000_000, 20_000, 3_000, 20_000
DAYS = 90
RATE = "2000"
"""Ghosts a second: four times the default, so that a million take minutes."""
BASELINES = 3
MEASURES = 20
"""Over so many measurements those who come back are spread, before the sweep and during it."""
_marks = count()


async def main() -> int:
    """Measure before the sweep, then during it until it is over; then look who is left."""
    calm_garbage_collector()
    number = next((int(each) for each in sys.argv[1:] if each.isdecimal()), GHOSTS)
    # Without a relay the outbox grows to millions of rows, through which each batch of the sweep would look for what is said of its ghosts.
    async with bench_installation(partitions=3) as mine, mine.running("relay"):
        await _furnish(mine, number)
        returning = iter(range(0, number, 10))
        share = min(EVENTS // 2, number // 10 // MEASURES)
        back: list[int] = []
        await _measured(mine, returning, share, back)  # warms up
        before = sorted([await _measured(mine, returning, share, back) for _ in range(BASELINES)])[BASELINES // 2]
        horizon = await decided_until(mine.role.kafka, mine.store)
        began = time.perf_counter()
        async with mine.running("jobs-worker", ONEFOLD_JOBS__GHOSTS_PER_SECOND=RATE):
            async with mine.store.transaction(["acme"]) as connection:
                job = await ghosts.begin(connection, "acme", DAYS, horizon, ghosts.SWEEPER)
            pairs = []
            while not (job := await _now(mine, job)).finished_at:
                pairs.append((await _measured(mine, returning, share, back), before))
                if len(pairs) % MEASURES == 0:
                    print(f"{time.perf_counter() - began:,.0f} s: {job.progress['destroyed']:,} destroyed", file=sys.stderr)
        seconds = time.perf_counter() - began
        await _judge(mine, number, back, job)
    print(f"{job.progress['destroyed']:,} ghosts destroyed in {seconds:,.0f} s, {len(back):,} came back", file=sys.stderr)
    return report([figure("sweep: the resolver beside it", "interactions/s", pairs, at_least=0.67)])


async def _furnish(mine: Installation, number: int) -> None:
    async with mine.resolvers(1):
        await produce(mine, [event(f"anonymous_token:t{each}", minutes=0) for each in range(VISITORS)])
        await mine.settled()
    for first in range(0, number, CHUNK):
        async with mine.store.transaction(["acme"]) as connection:
            await insert_ghosts(connection, first, [_token(each) for each in range(first, min(first + CHUNK, number))])


async def _measured(mine: Installation, returning: Iterator[int], share: int, back: list[int]) -> float:
    some = list(islice(returning, share))
    back += some
    story = _story(some)
    while True:
        try:
            await produce(mine, story)
        except LogUnavailable as error:  # a run is long; what is told twice is measured all the same
            print(f"measures once more: {error}", file=sys.stderr)
        else:
            return await resolve(mine, len(story))


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
