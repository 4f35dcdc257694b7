"""What `onefold check` reads of the timeline: how far it is, what it says of events, and whether its three tables agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onefold.messages.topics import INTERACTIONS_RESOLVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from onefold.records.rows import Row
    from onefold.records.store import Connection, Store

PASSED = "select partition, next_offset from progress where consumer = 'timeline' and topic = $1"
EVENTS = """
select event_key, generation, partition, "offset", epoch, tenure_id from timeline_events where event_key = any($1::bytea[])
"""
COUNT = "select count(*) from timeline where at >= $1"

APART = """
select event_key, e.is_event, t.is_row, tenure_id, at from (
  select event_key, workspace, tenure_id, at, generation, partition, "offset", epoch, true as is_event from timeline_events
  where tenure_id is not null and at >= $1
) e full join (
  select event_key, workspace, tenure_id, at, generation, partition, "offset", epoch, true as is_row from timeline where at >= $1
) t using (event_key, workspace, tenure_id, at)
where e.is_event is null or t.is_row is null
  or (e.generation, e.partition, e."offset", e.epoch) <> (t.generation, t.partition, t."offset", t.epoch)
limit $2
"""
MISCOUNTED = """
select tenure_id, day, type, name, coalesce(d.events, 0) as told, coalesce(c.events, 0) as counted from (
  select workspace, tenure_id, day, type, name, events from timeline_days where day >= ($1::timestamptz at time zone 'UTC')::date
) d full join (
  select workspace, tenure_id, (at at time zone 'UTC')::date as day, type, coalesce(name, '') as name, count(*) as events from timeline
  where at >= $1 group by 1, 2, 3, 4, 5
) c using (workspace, tenure_id, day, type, name)
where d.events is distinct from c.events
limit $2
"""


class Event(NamedTuple):
    """What the timeline says of an event: the position that counts, under which epoch, and whose it is."""

    generation: int
    partition: int
    offset: int
    epoch: int
    tenure_id: int | None


async def passed(store: Store) -> dict[int, int]:
    """The offset up to which the timeline has stored each partition of `interactions.resolved`; empty where it never ran."""
    async with store.connection() as connection:
        return {row["partition"]: row["next_offset"] for row in await connection.fetch(PASSED, INTERACTIONS_RESOLVED)}


async def events_of(connection: Connection, keys: Iterable[bytes]) -> dict[bytes, Event]:
    """What is known of events, by key."""
    return {row["event_key"]: Event(*row[1:]) for row in await connection.fetch(EVENTS, list(keys))}


async def count_since(connection: Connection, since: datetime) -> int:
    """How many interactions lie on timelines since then."""
    count: int = await connection.fetchval(COUNT, since)
    return count


async def apart(connection: Connection, since: datetime, most: int) -> Sequence[Row]:
    """Events without their row, rows without their event, and such as name two positions."""
    return await connection.fetch(APART, since, most)


async def miscounted(connection: Connection, since: datetime, most: int) -> Sequence[Row]:
    """Counts of a tenure and day that are not the number of its rows. `since` is the beginning of a day (UTC)."""
    return await connection.fetch(MISCOUNTED, since, most)
