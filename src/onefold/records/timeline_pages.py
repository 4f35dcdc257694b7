"""Read a contact's timeline: what came through its tenures, merges, unmerges, and what moved, newest first, a page at a time.

Called by the command line, and by the APIs to come. One query: a contact's tenures are those that name it now, so what a merge moved
is there at once and nothing was rewritten for it.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from struct import error as struct_error
from struct import pack, unpack_from
from typing import TYPE_CHECKING, Any

import msgspec

from onefold.errors import ContactErased, InvalidMessage

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.records.store import Connection

# Each arm is cut to a page before they are put together. Weeks are read from the newest on, and no further than the page needs.
PAGE = """
with tenures as materialized (
  select tenure_id, semantic_type, held_from, held_from_event, held_until from identifiers where contact_id = $1 and workspace = $2
), tree as materialized (
  select $1::uuid as contact_id union all
  select contact_id from contacts where root = $1 and workspace = $2 and merged_into is not null
)
select * from (
  (select t.at, t.event_key as key, 'interaction' as kind, t.tenure_id,
    jsonb_build_object('event_id', t.event_id, 'type', t.type, 'channel', t.channel, 'name', t.name, 'outcome', t.outcome,
      'reason', t.reason, 'contact_id', t.contact_id, 'generation', t.generation, 'partition', t.partition, 'offset', t."offset")
      ::text as what, t.properties
  from timeline t
  where t.tenure_id = any(array(select tenure_id from tenures)) and t.workspace = $2 and t.at <= $3 and (t.at, t.event_key) < ($3, $4)
  order by t.at desc, t.event_key desc limit $5)
  union all
  (select m.at, uuid_send(m.merge_id), 'merge', null,
    jsonb_build_object('merge_id', m.merge_id, 'survivor', m.survivor, 'absorbed', m.absorbed, 'cause', m.cause)::text, null
  from merges m where m.survivor = any(array(select contact_id from tree)) and m.workspace = $2
    and (m.at, uuid_send(m.merge_id)) < ($3, $4)
  order by 1 desc, 2 desc limit $5)
  union all
  (select m.undone_at, uuid_send(m.merge_id) || '\\x01'::bytea, 'unmerge', null,
    jsonb_build_object('merge_id', m.merge_id, 'survivor', m.survivor, 'absorbed', m.absorbed, 'cause', m.undone)::text, null
  from merges m where (m.survivor = any(array(select contact_id from tree)) or m.absorbed = any(array(select contact_id from tree)))
    and m.workspace = $2 and (m.undone_at, uuid_send(m.merge_id) || '\\x01'::bytea) < ($3, $4)
  order by 1 desc, 2 desc limit $5)
  union all
  (select h.held_from, int8send(h.tenure_id) || '\\x01'::bytea, 'moved_here', h.tenure_id,
    jsonb_build_object('semantic_type', h.semantic_type, 'event_id', h.held_from_event)::text, null
  from tenures h where (h.held_from, int8send(h.tenure_id) || '\\x01'::bytea) < ($3, $4)
  order by 1 desc, 2 desc limit $5)
  union all
  (select h.held_until, int8send(h.tenure_id) || '\\x00'::bytea, 'moved_away', h.tenure_id,
    jsonb_build_object('semantic_type', h.semantic_type)::text, null
  from tenures h where (h.held_until, int8send(h.tenure_id) || '\\x00'::bytea) < ($3, $4)
  order by 1 desc, 2 desc limit $5)
) as entries order by at desc, key desc limit $5
"""

ROOT = "select root, erased_at from contacts where contact_id = $1 and workspace = $2"
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened."""

    at: datetime
    """Event time; of a merge the time at which its cause was appended to the log, of what a user did the time at which they did it."""
    kind: str
    """interaction, merge, unmerge, moved_here, moved_away: an identifier, by a hand-over or an eviction."""
    tenure_id: int | None
    what: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """Entries, newest first. `next_cursor` leads to older ones, and to the same ones whatever came in meanwhile; None at the end."""

    contact_id: UUID
    entries: list[TimelineEntry]
    next_cursor: str | None


async def timeline_page(connection: Connection, workspace: str, contact_id: UUID, *, limit: int, cursor: str | None) -> TimelinePage | None:
    """A page of the contact that an id leads to, or None. Raises ContactErased, InvalidMessage for a cursor that is none."""
    before = _read_cursor(cursor) if cursor is not None else (_END, b"")
    found = await connection.fetchrow(ROOT, contact_id, workspace)
    if found is None:
        return None
    if found["erased_at"] is not None:
        raise ContactErased(contact_id, found["erased_at"])
    root: UUID = found["root"]
    rows = await connection.fetch(PAGE, root, workspace, *before, limit + 1)
    shown = rows[:limit]
    entries = []
    for row in shown:
        what = msgspec.json.decode(row["what"])
        if row["properties"] is not None:
            what["properties"] = msgspec.json.decode(row["properties"])
        entries.append(TimelineEntry(row["at"], row["kind"], row["tenure_id"], what))
    more = len(rows) > limit and bool(shown)
    return TimelinePage(root, entries, _write_cursor(shown[-1]["at"], shown[-1]["key"]) if more else None)


def _write_cursor(at: datetime, key: bytes) -> str:
    micros = (at - _BEGIN) // timedelta(microseconds=1)
    return urlsafe_b64encode(pack(">q", micros) + key).decode().rstrip("=")


def _read_cursor(text: str) -> tuple[datetime, bytes]:
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        (micros,) = unpack_from(">q", raw)
        return _BEGIN + timedelta(microseconds=micros), raw[8:]
    except (ValueError, struct_error, OverflowError):
        raise InvalidMessage(f"{text!r} is no cursor: take `next_cursor` of the page before", code="invalid_cursor") from None
