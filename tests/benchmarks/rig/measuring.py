"""What benchmarks share: servers, repetitions in pairs, and one line of figures for each measure.

Figures of one run are compared with the substrate measured in the same run, since machines differ and drift: quote ratios.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.installations import installation
from tests.support.servers import cloned_database, make_template, own_redis, own_topics, running_services

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.support.installations import Installation


@dataclass(frozen=True)
class Figure:
    """One measure: medians of ours and of the baseline, the median of the ratios pair by pair, and their spread."""

    measure: str
    unit: str
    ours: float
    baseline: float
    ratio: float
    spread: tuple[float, float]
    """Smallest and greatest ratio."""
    goal: str | None
    """For the ratio, or for our own figure, in words of one comparison."""
    met: bool | None


def figure(measure: str, unit: str, pairs: Sequence[tuple[float, float]], *, at_least: float | None = None) -> Figure:
    """The figure of some repetitions, each (ours, baseline), where more is better. The goal is for the ratio."""
    ours, baseline, ratio, spread = _medians(pairs)
    goal = f"ratio >= {at_least}" if at_least is not None else None
    return Figure(measure, unit, ours, baseline, ratio, spread, goal, ratio >= at_least if at_least is not None else None)


def cost(
    measure: str, unit: str, pairs: Sequence[tuple[float, float]], *, times_at_most: float | None = None, or_at_most: float | None = None
) -> Figure:
    """The figure of something that should be small: at most so many times the baseline, or at most so much, whichever allows more."""
    ours, baseline, ratio, spread = _medians(pairs)
    goals = [f"ratio <= {times_at_most}"] if times_at_most is not None else []
    goals += [f"ours <= {or_at_most}"] if or_at_most is not None else []
    met = (times_at_most is not None and ratio <= times_at_most) or (or_at_most is not None and ours <= or_at_most)
    return Figure(measure, unit, ours, baseline, ratio, spread, " or ".join(goals) or None, met if goals else None)


def _medians(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float, tuple[float, float]]:
    ratios = [ours / baseline for ours, baseline in pairs]
    return (
        round(statistics.median(ours for ours, _ in pairs), 1),
        round(statistics.median(baseline for _, baseline in pairs), 1),
        round(statistics.median(ratios), 3),
        (round(min(ratios), 3), round(max(ratios), 3)),
    )


def report(figures: Sequence[Figure]) -> int:
    """Print the figures, as JSON lines with --json; gives the exit code: 3 where a goal was missed."""
    for each in figures:
        if "--json" in sys.argv[1:]:
            print(json.dumps(asdict(each)))
        else:
            goal = f"; goal {each.goal}: {'met' if each.met else 'MISSED'}" if each.goal is not None else ""
            print(
                f"{each.measure}: {each.ours:,.1f} {each.unit}, substrate {each.baseline:,.1f}, ratio {each.ratio}"
                f" ({each.spread[0]} to {each.spread[1]}){goal}"
            )
    return 3 if any(each.met is False for each in figures) else 0


@asynccontextmanager
async def bench_installation(*, partitions: int, recency_seconds: int = 3_600) -> AsyncIterator[Installation]:
    """Servers, database, topics and a workspace for one run."""
    with (
        tempfile.TemporaryDirectory(prefix="onefold-bench-") as folder,
        running_services(Path(folder)) as services,
        cloned_database(services, make_template(services)) as database,
        own_topics(services) as prefix,
        own_redis(services, 1) as redis_url,
    ):
        async with installation(services, database, prefix, redis_url, partitions=partitions, recency_seconds=recency_seconds) as mine:
            yield mine
