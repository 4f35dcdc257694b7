"""Every event joins two people: merges a second, against raw insertion of people in the same batches."""

from __future__ import annotations

import sys
from itertools import count
from typing import TYPE_CHECKING

import uvloop

from onefold.bootstrap import calm_garbage_collector
from tests.benchmarks.rig.inserting import IN_FLIGHT, insert_people
from tests.benchmarks.rig.measuring import bench_installation, figure, report
from tests.benchmarks.rig.resolving import produce, resolve
from tests.support.worlds import event

if TYPE_CHECKING:
    from onefold.identity.interaction import Interaction

MERGES, REPETITIONS = 9_000, 3
_pairs = count()


async def main() -> int:
    """Make two people for each merge, then measure in pairs; a first pair of a few warms both up."""
    calm_garbage_collector()
    async with bench_installation(partitions=IN_FLIGHT) as mine:
        pairs = []
        for merges in (1_500, *[MERGES] * REPETITIONS):
            apart, joining = _people(merges)
            await produce(mine, apart)
            await resolve(mine, len(apart))
            await produce(mine, joining)
            baseline = await insert_people(mine, merges)
            pairs.append((await resolve(mine, merges), baseline))
    return report([figure("merges: every event joins two people", "merges/s", pairs[1:], at_least=0.25)])


def _people(merges: int) -> tuple[list[Interaction], list[Interaction]]:
    """Events that make the people, a token and an email each, and events that join them two by two."""
    numbers = [next(_pairs) for _ in range(merges)]
    apart = [event(f"anonymous_token:{side}{n}", f"email:{side}{n}@example.com", event_id=f"{side}{n}") for n in numbers for side in "ab"]
    joining = [event(f"anonymous_token:a{n}", f"email:b{n}@example.com", minutes=1, event_id=f"j{n}") for n in numbers]
    return apart, joining


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
