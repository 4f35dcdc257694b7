"""A large contact is no burden: attaching to one of 10,000 identifiers, and merging into it, against the same among fresh contacts.

A transaction of the resolver's each time: read, decide, lock, read again, decide, write; with as many events as there are large contacts,
each of which concerns another one. The limits of the workspace are raised, so that nothing is parked.
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

import asyncpg
import uvloop

from onefold.bootstrap import calm_garbage_collector
from onefold.identity.plan import OutcomeKind
from onefold.identity.rules import Limits, Rules
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from tests.benchmarks.rig.measuring import bench_installation, cost, report
from tests.support.worlds import event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.identity.interaction import Interaction
    from tests.support.installations import Installation

IDENTIFIERS, CONTACTS, AN_EVENT = 10_000, 10, 100
REPETITIONS, WARM_UP = 60, 5
MANY = 1_000_000
LIMITS = Limits(values_per_type=MANY, identifiers_per_contact=MANY, merges_per_identifier_hour=MANY, contacts_per_value_day=MANY)
RULES = {"acme": Rules(recency=timedelta(hours=1), limits=LIMITS)}
_numbers = count()


class Bench:
    """Resolves interactions in transactions of their own."""

    def __init__(self, mine: Installation) -> None:
        self._store = mine.store
        self._resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=MANY)

    async def resolve(self, interactions: Sequence[Interaction], expected: OutcomeKind) -> float:
        """Milliseconds an interaction, each of which ends as expected."""
        began = time.perf_counter()
        async with self._store.transaction(["acme"]) as connection:
            plan = await self._resolution.resolve(connection, interactions, RULES, "bench")
        took = time.perf_counter() - began
        assert [each.kind for each in plan.outcomes] == [expected] * len(interactions)
        return took * 1000 / len(interactions)

    async def pair(self, large: Sequence[str]) -> tuple[tuple[float, float], tuple[float, float]]:
        """What attaching costs, and what merging costs: for large contacts and for fresh ones."""
        fresh = await self._fresh(len(large))
        attaching = [[event(each, _new("email"), minutes=1) for each in contacts] for contacts in (large, fresh)]
        attached = [await self.resolve(each, OutcomeKind.ATTACHED) for each in attaching]
        merging = [
            [event(each, other, minutes=2) for each, other in zip(contacts, await self._fresh(len(large)), strict=True)]
            for contacts in (large, fresh)
        ]
        merged = [await self.resolve(each, OutcomeKind.MERGED) for each in merging]
        return (attached[0], attached[1]), (merged[0], merged[1])

    async def _fresh(self, number: int) -> list[str]:
        """Contacts of one token and one email each; gives their tokens."""
        tokens = [_new("anonymous_token") for _ in range(number)]
        await self.resolve([event(token, _new("email"), minutes=0.5) for token in tokens], OutcomeKind.CREATED)
        return tokens

    async def make_large(self) -> str:
        """A contact of so many identifiers; gives the token that leads to it."""
        token = _new("anonymous_token")
        await self.resolve([event(token)], OutcomeKind.CREATED)
        for _ in range(IDENTIFIERS // AN_EVENT):
            await self.resolve([event(token, *(_new("email") for _ in range(AN_EVENT)))], OutcomeKind.ATTACHED)
        return token


async def _analyse(url: str) -> None:
    """Do at once what autovacuum does within a minute: until then the planner knows of no contact that is large."""
    connection = await asyncpg.connect(url)
    await connection.execute("vacuum analyze identifiers, contacts")
    await connection.close()


def _new(kind: str) -> str:
    number = next(_numbers)
    return f"{kind}:v{number}@example.com" if kind == "email" else f"{kind}:v{number}"


async def main() -> int:
    """Make the large contacts, then measure in pairs; the first few warm both up."""
    calm_garbage_collector()
    async with bench_installation(partitions=1) as mine:
        bench = Bench(mine)
        large = [await bench.make_large() for _ in range(CONTACTS)]
        await _analyse(mine.environment["ONEFOLD_POSTGRES__ADMIN_URL"])
        pairs = [await bench.pair(large) for _ in range(WARM_UP + REPETITIONS)][WARM_UP:]
    return report(
        [
            cost(f"cluster: attach to a contact of {IDENTIFIERS:,} identifiers", "ms", [each for each, _ in pairs], times_at_most=2.0),
            cost(f"cluster: merge into a contact of {IDENTIFIERS:,} identifiers", "ms", [each for _, each in pairs], times_at_most=2.0),
        ]
    )


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
