"""Every event a new person, with a token and an email: people a second, against raw insertion of the same rows in the same batches."""

from __future__ import annotations

import sys

import uvloop

from onefold.bootstrap import calm_garbage_collector
from tests.benchmarks.rig.inserting import IN_FLIGHT, insert_people, new_people
from tests.benchmarks.rig.measuring import bench_installation, figure, report
from tests.benchmarks.rig.resolving import produce, resolve

PEOPLE, REPETITIONS = 15_000, 3


async def main() -> int:
    """Measure in pairs; a first pair of a few people warms both up."""
    calm_garbage_collector()
    async with bench_installation(partitions=IN_FLIGHT) as mine:
        pairs = []
        for people in (1_500, *[PEOPLE] * REPETITIONS):
            await produce(mine, new_people(people))
            baseline = await insert_people(mine, people)
            pairs.append((await resolve(mine, people), baseline))
    return report([figure("ghosts: every event a new person", "people/s", pairs[1:], at_least=0.5)])


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
