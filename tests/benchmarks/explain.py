"""What a contact did costs nobody who asks about it: explain and unmerge of 1,000 identifiers, a million interactions behind them or none.

Both contacts were made by the resolver, out of two of 500 identifiers each. The interactions lie on the timeline of the one, over a year, as the
timeline writes them. An unmerge is carried out and rolled back, so that it can be repeated.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

import asyncpg
import uvloop

from onefold.bootstrap import calm_garbage_collector
from onefold.contacts.acting import User
from onefold.contacts.unmerge import unmerge
from onefold.identity.assurance import Assurance
from onefold.ops.explain.explain import Question, explain
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.records.store import name_workspaces
from tests.benchmarks.cluster import RULES
from tests.benchmarks.rig.measuring import bench_installation, cost, report
from tests.support.worlds import event

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.identity.interaction import Interaction
    from tests.support.installations import Installation

IDENTIFIERS, AN_EVENT = 1_000, 50
INTERACTIONS, DAYS = 1_000_000, 364
REPETITIONS, WARM_UP = 40, 5
SHARDS = 4
USER = User("bench", "a benchmark")
_numbers = count()

WEEKS = "select make_timeline_weeks(array(select (date '2025-11-03' + 7 * n)::date from generate_series(0, 53) n))"
HELD = "select array_agg(tenure_id order by tenure_id) from identifiers where contact_id = $1 and held_until is null"
SEED = f"""
with seeded as (
  select decode(md5(n::text), 'hex') as event_key, ($1::bigint[])[1 + n % cardinality($1::bigint[])] as tenure_id,
    timestamptz '2025-11-04' + n * interval '1 day' * {DAYS} / {INTERACTIONS} as at, n
  from generate_series(1, {INTERACTIONS}) n
), events as (
  insert into timeline_events (workspace, event_key, generation, partition, "offset", epoch, at, tenure_id)
  select 'acme', event_key, 1, 0, 1000000 + n, 1, at, tenure_id from seeded
), days as (
  insert into timeline_days (workspace, tenure_id, day, type, name, events)
  select 'acme', tenure_id, (at at time zone 'UTC')::date, 'page', '', count(*) from seeded group by 2, 3
)
insert into timeline (workspace, tenure_id, at, event_key, event_id, type, channel, outcome, contact_id, generation, partition, "offset", epoch,
  properties)
select 'acme', tenure_id, at, event_key, 's' || n, 'page', 'web', 'seen', $2::uuid, 1, 0, 1000000 + n, 1, '{{"path": "/pricing"}}' from seeded
"""  # noqa: S608 -- numbers of our own


class Undone(Exception):
    """Takes a transaction back."""


class Bench:
    """Makes contacts, explains them, takes them apart."""

    def __init__(self, mine: Installation) -> None:
        self._store = mine.store
        self._resolution = Resolution(shards=SHARDS, numbers=TenureNumbers(), budget=IDENTIFIERS)

    async def make(self) -> tuple[UUID, UUID]:
        """A contact that absorbed another one, with so many identifiers in all: its id, and that of whom it absorbed."""
        halves = [f"anonymous_token:v{next(_numbers)}" for _ in range(2)]
        for token in halves:
            for _ in range(IDENTIFIERS // 2 // AN_EVENT):
                named = [f"email:v{next(_numbers)}@example.com" for _ in range(AN_EVENT)]
                await self._resolve(event(token, *named, assurance=Assurance.ASSERTED))
        merged = await self._resolve(event(*halves, assurance=Assurance.ASSERTED, minutes=5))
        async with self._store.transaction(["acme"]) as connection:
            absorbed = await connection.fetchval("select absorbed from merges where survivor = $1", merged)
        return merged, absorbed

    async def _resolve(self, interaction: Interaction) -> UUID:
        async with self._store.transaction(["acme"]) as connection:
            plan = await self._resolution.resolve(connection, [interaction], RULES, "bench")
        contact_id = plan.outcomes[0].contact_id
        assert contact_id is not None
        return contact_id

    async def explain(self, contact_id: UUID) -> float:
        """Milliseconds."""
        began = time.perf_counter()
        async with self._store.moment(seconds=60) as connection:
            await name_workspaces(connection, ["acme"])
            said = await explain(connection, "acme", Question(contact_id))
        took = time.perf_counter() - began
        assert len(said.identifiers) > IDENTIFIERS
        return took * 1_000

    async def unmerge(self, absorbed: UUID) -> float:
        """Milliseconds until everything is written."""
        took = 0.0
        with suppress(Undone):
            async with self._store.transaction(["acme"]) as connection:
                began = time.perf_counter()
                undoing = await unmerge(connection, "acme", absorbed, USER, shards=SHARDS)
                took = time.perf_counter() - began
                assert len(undoing.plan.separated) > IDENTIFIERS // 2
                raise Undone
        return took * 1_000


async def _seed(url: str, contact_id: UUID) -> None:
    """A year of interactions, through all of its identifiers; then what autovacuum would do within minutes."""
    connection = await asyncpg.connect(url)
    await connection.execute("select set_config('onefold.workspaces', 'acme', false)")
    await connection.execute(WEEKS)
    await connection.execute(SEED, await connection.fetchval(HELD, contact_id), contact_id, timeout=600)
    await connection.execute("vacuum analyze")
    await connection.close()


async def main() -> int:
    """Make both contacts, then measure in pairs; the first few warm both up."""
    calm_garbage_collector()
    async with bench_installation(partitions=1) as mine:
        bench = Bench(mine)
        busy, quiet = await bench.make(), await bench.make()
        await _seed(mine.environment["ONEFOLD_POSTGRES__ADMIN_URL"], busy[0])
        rounds = range(WARM_UP + REPETITIONS)
        explained = [(await bench.explain(busy[0]), await bench.explain(quiet[0])) for _ in rounds][WARM_UP:]
        unmerged = [(await bench.unmerge(busy[1]), await bench.unmerge(quiet[1])) for _ in rounds][WARM_UP:]
    return report(
        [
            cost("explain: a contact of 1,000 identifiers, with a million interactions behind it", "ms", explained, times_at_most=2.0),
            cost("explain: unmerge of such a contact", "ms", unmerged, times_at_most=2.0),
        ]
    )


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
