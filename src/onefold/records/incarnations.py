"""Lives of the store: a random id together with Postgres' timeline (architecture, section 3).

Read by every fence. Begun anew by `onefold index rebuild` and by a replay; a failover begins one by itself, with its new timeline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from onefold.records.store import Connection

TIMELINE = "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"
"""That of what is being written: pg_control_checkpoint() tells a promotion only after its checkpoint, made at leisure."""
NAME = f"i.incarnation_id::text || ':' || {TIMELINE}"
"""Of `incarnation i`."""

PRESENT = f"select {NAME} as name, i.began_at from incarnation i"
BEGIN = f"""
update incarnation set incarnation_id = gen_random_uuid(), began_at = clock_timestamp()
returning old.incarnation_id::text as replaced, new.incarnation_id::text as begun, {TIMELINE} as timeline_id
"""
MOST_TIMELINES = 8
"""So many timelines back the names of an incarnation that ended are given."""


class Incarnation(NamedTuple):
    """The present life of the store."""

    name: str
    began_at: datetime


class Begun(NamedTuple):
    """A new incarnation, and the names that the one before may have had, the latest first: one a timeline."""

    name: str
    replaced: list[str]


async def present(connection: Connection) -> Incarnation:
    """The present incarnation."""
    (row,) = await connection.fetch(PRESENT)
    return Incarnation(row["name"], row["began_at"])


async def begin_incarnation(connection: Connection) -> Begun:
    """Begin a new one in the open transaction, and hold the row: whoever else wants to begin one waits for this transaction's end.

    With its commit every entry of the index is a miss; workers notice at their next fence.
    """
    (row,) = await connection.fetch(BEGIN)
    timeline = row["timeline_id"]
    names = [f"{row['replaced']}:{number}" for number in range(timeline, max(0, timeline - MOST_TIMELINES), -1)]
    return Begun(f"{row['begun']}:{timeline}", names)
