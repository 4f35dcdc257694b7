"""Write the timeline: each event once, on the tenure that it resolved through, and counted on its day.

Called by `streams.timeline`, a batch at a time, in the transaction that stores progress. What an event's row says is decided in
`timeline_events` by two maxima (the first of its positions, of that position the greatest epoch), so lines may come in any order and any
number of times, from a zombie too. Pages of it are read in `onefold.records.timeline_pages`.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from onefold.records.erased import erased_among
from onefold.records.store import name_workspaces

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from onefold.records.rows import Row
    from onefold.records.store import Connection

_EPOCH = "timestamptz 'epoch' + n.at_ms * interval '1 millisecond'"

# One row an event. `old` is null for a new one; who loses against what is there is not returned.
DECIDE = f"""
insert into timeline_events as e (event_key, workspace, generation, partition, "offset", epoch, at, tenure_id)
select n.event_key, n.workspace, n.generation, n.partition, n."offset", n.epoch, {_EPOCH}, n.tenure_id
from unnest($1::bytea[], $2::text[], $3::integer[], $4::integer[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
  as n (event_key, workspace, generation, partition, "offset", epoch, at_ms, tenure_id)
on conflict (event_key, workspace) do update set generation = excluded.generation, partition = excluded.partition,
  "offset" = excluded."offset", epoch = excluded.epoch, at = excluded.at, tenure_id = excluded.tenure_id
where (excluded.generation, excluded.partition, excluded."offset", -excluded.epoch) < (e.generation, e.partition, e."offset", -e.epoch)
returning new.event_key, old.event_key is null as is_new, old.tenure_id as old_tenure, old.at as old_at
"""

REMOVE = """
delete from timeline t using unnest($1::bytea[], $2::bigint[], $3::timestamptz[]) as o (event_key, tenure_id, at)
where t.tenure_id = o.tenure_id and t.at = o.at and t.event_key = o.event_key
returning t.tenure_id, (t.at at time zone 'UTC')::date as day, t.type, coalesce(t.name, '') as name, t.workspace
"""

ADD = f"""
insert into timeline (event_key, workspace, generation, partition, "offset", epoch, at, tenure_id, event_id, contact_id, type, channel,
  name, outcome, reason, properties)
select n.event_key, n.workspace, n.generation, n.partition, n."offset", n.epoch, {_EPOCH}, n.tenure_id, n.event_id, n.contact_id, n.type,
  n.channel, n.name, n.outcome, n.reason, n.properties
from unnest($1::bytea[], $2::text[], $3::integer[], $4::integer[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[],
  $10::uuid[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[])
  as n (event_key, workspace, generation, partition, "offset", epoch, at_ms, tenure_id, event_id, contact_id, type, channel, name, outcome,
    reason, properties)
"""

COUNT = """
insert into timeline_days as d (tenure_id, day, type, name, workspace, events)
select * from unnest($1::bigint[], $2::date[], $3::text[], $4::text[], $5::text[], $6::integer[])
on conflict (tenure_id, day, type, name, workspace) do update set events = d.events + excluded.events
"""
UNCOUNT = """
update timeline_days d set events = d.events + n.events
from unnest($1::bigint[], $2::date[], $3::text[], $4::text[], $5::text[], $6::integer[])
  as n (tenure_id, day, type, name, workspace, events)
where d.tenure_id = n.tenure_id and d.day = n.day and d.type = n.type and d.name = n.name and d.workspace = n.workspace
"""
UNCOUNTED = "delete from timeline_days where tenure_id = any($1::bigint[]) and day = any($2::date[]) and events = 0"

SOME_OF = """
select event_key, tenure_id, at from timeline where tenure_id = any($1::bigint[]) and workspace = $2 limit $3
"""
FORGET = "update timeline_events set tenure_id = null where event_key = any($1::bytea[]) and workspace = $2"

DAY_MS = 86_400_000
MOST_NAME = 200
"""Characters of an event's name that are kept: it is part of the counts' key, and Postgres indexes no more than about 2,700 bytes."""


class Entry(NamedTuple):
    """One line, as the timeline stores it."""

    event_key: bytes
    workspace: str
    generation: int
    partition: int
    offset: int
    epoch: int
    at_ms: int
    """Event time, since 1970."""
    tenure_id: int | None
    event_id: str
    contact_id: str | None
    type: str
    channel: str
    name: str | None
    outcome: str
    reason: str | None
    properties: str | None

    def precedes(self, other: Entry) -> bool:
        """Whether this line and not that one is the truth about their event; the same order as in DECIDE."""
        return (self.generation, self.partition, self.offset, -self.epoch) < (other.generation, other.partition, other.offset, -other.epoch)


class Stored(NamedTuple):
    """What became of a batch."""

    added: int
    """Events that were not known before."""
    moved: int
    """Events of which an earlier position or a greater epoch told something else."""
    repeated: int
    """Lines that said nothing new."""


class _Tally(NamedTuple):
    tenure_id: int
    day: date
    type: str
    name: str
    workspace: str


def event_key(workspace: str, event_id: str) -> bytes:
    """What an event is found by. Stored in Postgres: never change how it is computed."""
    return blake2b(f"{workspace}\0{event_id}".encode(), digest_size=16).digest()


def first_of_each(entries: Iterable[Entry]) -> list[Entry]:
    """One entry an event, in the order in which rows are locked: a statement cannot write one row twice."""
    chosen: dict[bytes, Entry] = {}
    for entry in entries:
        other = chosen.get(entry.event_key)
        if other is None or entry.precedes(other):
            chosen[entry.event_key] = entry
    return [chosen[key] for key in sorted(chosen)]


async def store_entries(connection: Connection, entries: Sequence[Entry]) -> Stored:
    """Put entries on the timeline, in the open transaction; those of erased people on nobody's.

    Their weeks must have been made (`onefold.records.timeline_weeks`).
    """
    chosen = first_of_each(entries)
    if not chosen:
        return Stored(0, 0, 0)
    await name_workspaces(connection, {entry.workspace for entry in chosen})
    gone = await erased_among(connection, {entry.tenure_id for entry in chosen if entry.tenure_id is not None})
    if gone:
        chosen = [entry._replace(tenure_id=None) if entry.tenure_id in gone else entry for entry in chosen]
    decided = await connection.fetch(DECIDE, *[list(column) for column in zip(*(entry[:8] for entry in chosen), strict=True)])
    moved = [row for row in decided if not row["is_new"]]
    if len(decided) < len(chosen):
        fresh = {row["event_key"] for row in decided}
        chosen = [entry for entry in chosen if entry.event_key in fresh]
    tallies: Counter[_Tally] = Counter()
    if moved:
        tallies.subtract(await _remove(connection, moved))
    somebodys = [entry for entry in chosen if entry.tenure_id is not None]
    if somebodys:
        await connection.execute(ADD, *[list(column) for column in zip(*somebodys, strict=True)])
        tallies.update(map(_tally, somebodys))
    await _count(connection, tallies)
    return Stored(len(decided) - len(moved), len(moved), len(entries) - len(decided))


async def forget_tenures(connection: Connection, workspace: str, tenures: Sequence[int], most: int) -> int:
    """Take up to so many events of these tenures off the timeline: that they were decided is all that is left. Gives how many."""
    rows = await connection.fetch(SOME_OF, list(tenures), workspace, most)
    if rows:
        keys = sorted({row["event_key"] for row in rows})
        await connection.execute(FORGET, keys, workspace)
        columns = [[row[name] for row in rows] for name in ("event_key", "tenure_id", "at")]
        tallies: Counter[_Tally] = Counter()
        tallies.subtract(_Tally(*row.values()) for row in await connection.fetch(REMOVE, *columns))
        await _count(connection, tallies)
    return len(rows)


async def _remove(connection: Connection, moved: Sequence[Row]) -> list[_Tally]:
    """Take events off the timeline, wherever they were; gives where they were counted."""
    there = [row for row in moved if row["old_tenure"] is not None]
    columns = [[row[name] for row in there] for name in ("event_key", "old_tenure", "old_at")]
    return [_Tally(*row.values()) for row in await connection.fetch(REMOVE, *columns)]


def _tally(entry: Entry) -> _Tally:
    assert entry.tenure_id is not None, "nobody's events are not counted"  # noqa: S101 -- for the type checker
    return _Tally(entry.tenure_id, _day(entry.at_ms // DAY_MS), entry.type, entry.name or "", entry.workspace)


@lru_cache(maxsize=1_024)
def _day(number: int) -> date:
    """A day by its number since 1970. Kept, since a batch asks for the same few over and over."""
    return date(1970, 1, 1) + timedelta(days=number)


async def _count(connection: Connection, tallies: Counter[_Tally]) -> None:
    """Change counts, rows in their order so that batches that run at once do not wait for each other in a circle."""
    for statement, rows in (
        (COUNT, sorted((*tally, number) for tally, number in tallies.items() if number > 0)),
        (UNCOUNT, sorted((*tally, number) for tally, number in tallies.items() if number < 0)),
    ):
        if rows:
            await connection.execute(statement, *[list(column) for column in zip(*rows, strict=True)])
    gone = [tally for tally, number in tallies.items() if number < 0]
    if gone:
        await connection.execute(UNCOUNTED, [tally.tenure_id for tally in gone], [tally.day for tally in gone])


def monday_of(at_ms: int) -> date:
    """The Monday of the week, in UTC, that a time lies in."""
    day = _day(at_ms // DAY_MS)
    return day - timedelta(days=day.weekday())
