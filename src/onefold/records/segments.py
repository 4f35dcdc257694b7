"""Segments and memberships in Postgres: definitions, set-based evaluation results, and the transitions that follow from them.

Every statement that changes memberships returns who entered and who left, and the same transaction puts that into the outbox.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from onefold.errors import SegmentNotFound
from onefold.messages.cloudevents import headers as cloudevent_headers
from onefold.messages.segments import SegmentMembership, SegmentReference
from onefold.messages.times import time_text
from onefold.messages.topics import SEGMENTS_MEMBERSHIP
from onefold.records.outbox import INSERT as INSERT_OUTBOX
from onefold.records.rows import to_json
from onefold.segments.compile import compile_query
from onefold.segments.query import NOBODY, Query, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from onefold.records.rows import Row
    from onefold.records.store import Connection

TRANSITION_NAMESPACE = uuid5(NAMESPACE_URL, "onefold:segment-transition")

COLUMNS = "segment_id, workspace, slug, title, query, version, state, filled_to, created_at, updated_at, archived_at"
# Shared with other workers, against edits: whoever edits waits for batches that read the old query, and the next batch reads the new one.
SHARED = f"select {COLUMNS} from segments where workspace = any($1::text[]) order by segment_id for share"
LIST = f"select {COLUMNS} from segments where workspace = $1 and (archived_at is not null) = any($2::boolean[]) order by slug"
FIND = f"select {COLUMNS} from segments where workspace = $1 and slug = $2"
INSERT = f"""
insert into segments (workspace, segment_id, slug, title, query) values ($1, $2, $3, $4, $5)
on conflict (workspace, slug) do nothing returning {COLUMNS}
"""
EDIT = f"""
update segments set query = $3, title = $4, version = version + 1, state = 'filling', filled_to = null, updated_at = now()
where workspace = $1 and slug = $2 returning {COLUMNS}
"""
ARCHIVE = f"""
update segments set archived_at = $3, version = version + 1, state = 'filling', filled_to = null, updated_at = now()
where workspace = $1 and slug = $2 returning {COLUMNS}
"""
DESTROY = "delete from segments where workspace = $1 and segment_id = $2"
FORGET = """
delete from memberships where (segment_id, contact_id, workspace) in (
  select segment_id, contact_id, workspace from memberships where segment_id = $2 and workspace = $1 limit $3)
"""

_UPSERT = """
on conflict (segment_id, contact_id, workspace) do update set is_member = excluded.is_member,
  contact_version = excluded.contact_version, segment_version = excluded.segment_version,
  since = case when m.is_member = excluded.is_member then m.since else excluded.since end
where (m.segment_version, m.contact_version) < (excluded.segment_version, excluded.contact_version)
returning m.workspace, m.segment_id, m.contact_id, m.contact_version, m.segment_version, coalesce(old.is_member, false) as was,
  new.is_member as is_now, new.since
"""

# A contact that does not match needs a row only where one is (it may leave), or while the segment fills (the fill may have read it as
# it was before, and must find that somebody knows better).
EVALUATED = f"""
insert into memberships as m (workspace, segment_id, contact_id, is_member, contact_version, segment_version, since)
select n.workspace, n.segment_id, n.contact_id, n.matches, n.contact_version, n.segment_version, n.at
from unnest($1::text[], $2::uuid[], $3::uuid[], $4::boolean[], $5::bigint[], $6::integer[], $7::boolean[], $8::timestamptz[])
  as n (workspace, segment_id, contact_id, matches, contact_version, segment_version, is_filling, at)
where n.matches or n.is_filling or exists (
  select from memberships o where o.segment_id = n.segment_id and o.contact_id = n.contact_id and o.workspace = n.workspace)
{_UPSERT}
"""

FILL = f"""
with chunk as (
  select c.contact_id, c.version, c.merged_into is null and c.archived_at is null and c.erased_at is null and
    {{condition}} as matches
  from contacts c where c.workspace = $1 and c.contact_id > $4 order by c.contact_id limit $5
), written as (
  insert into memberships as m (workspace, segment_id, contact_id, is_member, contact_version, segment_version, since)
  select $1, $2, n.contact_id, n.matches, n.version, $3, $6 from chunk n
  where n.matches or exists (
    select from memberships o where o.segment_id = $2 and o.contact_id = n.contact_id and o.workspace = $1)
  {_UPSERT}
)
select (select max(contact_id::text) from chunk) as last, (select count(*) from chunk) as looked_at,
  (select coalesce(json_agg(w), '[]') from written w where w.was <> w.is_now) as transitions
"""

FILLED = """
update segments set filled_to = $4, state = case when $5 then 'live' else state end
where workspace = $1 and segment_id = $2 and version = $3
"""

MEMBERS = """
select m.contact_id, m.since, m.contact_version, c.type, c.given_name, c.last_name, c.email
from memberships m join contacts c on c.contact_id = m.contact_id and c.workspace = m.workspace
where m.workspace = $1 and m.segment_id = $2 and m.is_member and m.contact_id > $3 order by m.contact_id limit $4
"""
COUNTS = "select segment_id, count(*) as members from memberships where workspace = $1 and is_member group by segment_id"

FIRST = UUID(int=0)
"""Before every contact: their ids are hashes, never zero."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A saved query."""

    segment_id: UUID
    workspace: str
    slug: str
    title: str
    raw: Any
    query: Query
    """What decides who is a member: of an archived one, nobody."""
    version: int
    state: str
    filled_to: UUID | None
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None

    @property
    def is_filling(self) -> bool:
        """Whether the backfill of its present query has not ended."""
        return self.state == "filling"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one segment says of one version of one contact."""

    segment: Segment
    contact_id: UUID
    contact_version: int
    matches: bool
    at: datetime
    """When the contact became so."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A contact that entered or left."""

    workspace: str
    segment_id: UUID
    contact_id: UUID
    contact_version: int
    segment_version: int
    entered: bool
    at: datetime


async def shared_segments(connection: Connection, workspaces: Iterable[str]) -> list[Segment]:
    """The segments of these workspaces, which nobody can edit until this transaction ends."""
    return [segment_of(row) for row in await connection.fetch(SHARED, sorted(set(workspaces)))]


async def list_segments(connection: Connection, workspace: str, *, archived: Sequence[bool] = (False,)) -> list[tuple[Segment, int]]:
    """The segments of a workspace, active ones, archived ones or both, with the numbers of their members."""
    counts = {row["segment_id"]: row["members"] for row in await connection.fetch(COUNTS, workspace)}
    return [
        (segment, counts.get(segment.segment_id, 0)) for segment in map(segment_of, await connection.fetch(LIST, workspace, list(archived)))
    ]


async def find_segment(connection: Connection, workspace: str, slug: str) -> Segment | None:
    """The segment of this slug."""
    row = await connection.fetchrow(FIND, workspace, slug)
    return segment_of(row) if row is not None else None


async def insert_segment(connection: Connection, workspace: str, segment_id: UUID, slug: str, title: str, raw: object) -> Segment | None:
    """Store a new segment; None where the slug is taken."""
    row = await connection.fetchrow(INSERT, workspace, segment_id, slug, title, to_json(raw))
    return segment_of(row) if row is not None else None


async def edit_segment(connection: Connection, workspace: str, slug: str, title: str, raw: object) -> Segment | None:
    """Store another query for a segment, to be filled anew; None where there is no such segment."""
    row = await connection.fetchrow(EDIT, workspace, slug, to_json(raw), title)
    return segment_of(row) if row is not None else None


async def archive_segment(connection: Connection, workspace: str, slug: str, at: datetime | None) -> Segment | None:
    """Archive a segment, or take it out of the archive (None), to be filled anew; None where there is no such segment."""
    row = await connection.fetchrow(ARCHIVE, workspace, slug, at)
    return segment_of(row) if row is not None else None


async def destroy_segment(connection: Connection, segment: Segment) -> None:
    """Let a segment be no more. Its memberships stay behind for `forget_members`."""
    await connection.execute(DESTROY, segment.workspace, segment.segment_id)


async def forget_members(connection: Connection, workspace: str, segment_id: UUID, limit: int) -> bool:
    """Delete some memberships of a segment that is no more; gives whether those were the last."""
    deleted = await connection.execute(FORGET, workspace, segment_id, limit)
    return int(deleted.split()[-1]) < limit


async def record_evaluations(connection: Connection, evaluations: Sequence[Evaluation]) -> list[Transition]:
    """Write what was evaluated, at most one a contact and segment; gives the transitions, which are in the outbox then."""
    if not evaluations:
        return []
    rows = await connection.fetch(
        EVALUATED,
        [each.segment.workspace for each in evaluations],
        [each.segment.segment_id for each in evaluations],
        [each.contact_id for each in evaluations],
        [each.matches for each in evaluations],
        [each.contact_version for each in evaluations],
        [each.segment.version for each in evaluations],
        [each.segment.is_filling for each in evaluations],
        [each.at for each in evaluations],
    )
    transitions = [_transition(row) for row in rows if row["was"] != row["is_now"]]
    await _tell(connection, {each.segment.segment_id: each.segment for each in evaluations}, transitions)
    return transitions


async def fill_chunk(connection: Connection, segment: Segment, limit: int, at: datetime) -> tuple[Segment, list[Transition]]:
    """Fill a segment from the next contacts on, in one statement; gives the segment as it is then, and the transitions."""
    compiled = compile_query(segment.query, 7)
    (row,) = await connection.fetch(
        FILL.format(condition=compiled.sql),
        segment.workspace,
        segment.segment_id,
        segment.version,
        segment.filled_to or FIRST,
        limit,
        at,
        *compiled.parameters,
    )
    transitions = [_transition(_from_json(each)) for each in msgspec.json.decode(row["transitions"])]
    done = row["looked_at"] < limit
    filled_to = UUID(row["last"]) if row["last"] is not None else segment.filled_to
    await connection.execute(FILLED, segment.workspace, segment.segment_id, segment.version, filled_to, done)
    await _tell(connection, {segment.segment_id: segment}, transitions)
    present = await find_segment(connection, segment.workspace, segment.slug)
    if present is None:
        raise SegmentNotFound(f"segment {segment.slug} was destroyed meanwhile")
    return present, transitions


async def holds_in_store(connection: Connection, segment: Segment, contact_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these contacts match by all their identifiers, where a message listed only some."""
    compiled = compile_query(segment.query, 3)
    statement = f"select c.contact_id from contacts c where c.contact_id = any($1) and c.workspace = $2 and {compiled.sql}"
    rows = await connection.fetch(statement, list(contact_ids), segment.workspace, *compiled.parameters)
    return {row["contact_id"] for row in rows}


async def members(connection: Connection, segment: Segment, after: UUID, limit: int) -> list[Mapping[str, Any]]:
    """Members in the order of their ids, from the one after `after` on."""
    return [dict(row) for row in await connection.fetch(MEMBERS, segment.workspace, segment.segment_id, after, limit)]


async def _tell(connection: Connection, segments: Mapping[UUID, Segment], transitions: Sequence[Transition]) -> None:
    if not transitions:
        return
    shards = await connection.fetchval("select count from relay_shards")
    rows = [(_message(segments[each.segment_id], each), each) for each in transitions]
    await connection.execute(
        INSERT_OUTBOX,
        [each.contact_id.int % shards for _, each in rows],
        [SEGMENTS_MEMBERSHIP] * len(rows),
        [str(each.contact_id).encode() for _, each in rows],
        [msgspec.json.encode(message) for message, _ in rows],
        [
            to_json(
                cloudevent_headers(
                    SEGMENTS_MEMBERSHIP,
                    event_id=message.event_id,
                    workspace=message.workspace,
                    subject=str(each.contact_id),
                    at=message.at,
                )
            )
            for message, each in rows
        ],
    )


def _message(segment: Segment, transition: Transition) -> SegmentMembership:
    word = "entered" if transition.entered else "left"
    name = f"{segment.segment_id}\0{transition.segment_version}\0{transition.contact_id}\0{transition.contact_version}\0{word}"
    return SegmentMembership(
        event_id=str(uuid5(TRANSITION_NAMESPACE, name)),
        workspace=segment.workspace,
        segment=SegmentReference(segment.segment_id, segment.slug, transition.segment_version),
        contact_id=transition.contact_id,
        contact_version=transition.contact_version,
        transition=word,  # type: ignore[arg-type]  # one of the two
        at=time_text(transition.at),
    )


def segment_of(row: Row) -> Segment:
    """A segment from its row."""
    raw = msgspec.json.decode(row["query"])
    return Segment(
        row["segment_id"],
        row["workspace"],
        row["slug"],
        row["title"],
        raw,
        parse(raw) if row["archived_at"] is None else NOBODY,
        row["version"],
        row["state"],
        row["filled_to"],
        row["created_at"],
        row["updated_at"],
        row["archived_at"],
    )


def _transition(row: Row) -> Transition:
    return Transition(
        row["workspace"], row["segment_id"], row["contact_id"], row["contact_version"], row["segment_version"], row["is_now"], row["since"]
    )


def _from_json(row: Mapping[str, Any]) -> dict[str, Any]:
    ids = {name: UUID(row[name]) for name in ("segment_id", "contact_id")}
    return {**row, **ids, "since": datetime.fromisoformat(row["since"])}
