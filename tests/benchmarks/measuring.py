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
    goal: float | None
    met: bool | None


def figure(measure: str, unit: str, pairs: Sequence[tuple[float, float]], *, goal: float | None = None) -> Figure:
    """The figure of some repetitions, each (ours, baseline); more is better."""
    ratios = [ours / baseline for ours, baseline in pairs]
    ratio = statistics.median(ratios)
    return Figure(
        measure,
        unit,
        round(statistics.median(ours for ours, _ in pairs), 1),
        round(statistics.median(baseline for _, baseline in pairs), 1),
        round(ratio, 3),
        (round(min(ratios), 3), round(max(ratios), 3)),
        goal,
        ratio >= goal if goal is not None else None,
    )


def report(figures: Sequence[Figure], *, as_json: bool) -> int:
    """Print the figures; gives the exit code: 3 where a goal was missed."""
    for each in figures:
        if as_json:
            print(json.dumps(asdict(each)))
        else:
            goal = f", goal {each.goal} {'met' if each.met else 'MISSED'}" if each.goal is not None else ""
            print(
                f"{each.measure}: {each.ours:,.0f} {each.unit}, substrate {each.baseline:,.0f}, ratio {each.ratio}"
                f" ({each.spread[0]} to {each.spread[1]}){goal}"
            )
    return 3 if any(each.met is False for each in figures) else 0


def wants_json() -> bool:
    """Whether the command line says --json."""
    return "--json" in sys.argv[1:]


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
