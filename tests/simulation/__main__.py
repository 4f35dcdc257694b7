"""`./dev run python -m tests.simulation [--events N] [--seed N]`: hold `decide` against the reference model on random worlds.

Prints the seed and the shortest story of the first disagreement, and ends with 1 then.
"""

from __future__ import annotations

import argparse
import random
import sys

from tests.simulation.compare import difference, shortest
from tests.simulation.worlds import random_story


def main() -> int:
    """Worlds from a seed on, until so many events were compared."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="Hold decide against the reference model.")
    parser.add_argument("--events", type=int, default=1_000_000, help="how many events to compare at least (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the first world's seed; the next worlds count on from it")
    wanted = parser.parse_args()
    compared, seed = 0, wanted.seed
    while compared < wanted.events:
        story = random_story(seed)
        found = difference(story, batch=random.Random(seed).choice([1, 3, 100]))
        if found is not None:
            _report(seed, found)
            return 1
        compared, seed = compared + len(story.events), seed + 1
    sys.stdout.write(f"{compared} events in {seed - wanted.seed} worlds, seeds {wanted.seed} to {seed - 1}: decide and the model agree.\n")
    return 0


def _report(seed: int, found: str) -> None:
    sys.stdout.write(f"seed {seed}: {found}\n\nThe shortest story:\n")
    short = shortest(random_story(seed))
    for event in short.events:
        sys.stdout.write(f"  {event}\n")
    sys.stdout.write(f"under {short.order}: {difference(short)}\n")


if __name__ == "__main__":
    sys.exit(main())
