"""Read everything that the store holds of one person, over every id that ever led to them, a section at a time (security.md, S109).

What only hashes, counts or copies of it say is left out; `onefold.contacts.export_shapes` says what that is. Of others it tells ids: what
they are, or gave away, is theirs. A new table that says something of a person gets a section here. Called by `onefold.contacts.export`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from onefold.records.erased import mentioning

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from onefold.identity.identifiers import IdentifierKey
    from onefold.records.store import Connection

PREFETCH = 500
TREE = """
select contact_id from contacts where contact_id = $1 and workspace = $2
union
select contact_id from contacts where root = $1 and workspace = $2 and merged_into is not null
"""
TENURES = (
    "select tenure_id, identifier_key, semantic_type, identifier, normalised from identifiers where contact_id = $1 and workspace = $2"
)
DOCUMENTS = """
select document_id from documents where contact_id = any($1::uuid[]) and workspace = $2
union all
select document_id from destroyed_documents where contact_id = any($1::uuid[]) and workspace = $2
"""


class Person(NamedTuple):
    """One person: every id, everything that they hold or held."""

    workspace: str
    contact_id: UUID
    contacts: list[UUID]
    """The root first, then those that it absorbed."""
    tenures: list[int]
    keys: list[IdentifierKey]
    names: set[tuple[str, str]]
    """Type and value, as given and normalised."""
    documents: list[UUID]


class Section(NamedTuple):
    """What one table holds of a person. The workspace is `$1`; `takes` of a Person follow."""

    name: str
    rows: str
    takes: tuple[str, ...]
    payload: str | None = None
    """A column of JSON as it came, as bytes."""
    order: str = ""


SECTIONS = (
    Section(
        "contacts",
        """
select contact_id, version, type, given_name, last_name, email, phone, is_vendor, organization_id, organization_name, attributes, tags,
  consent, classification, provenance, merged_into, first_seen_at, last_seen_at, created_at, updated_at, archived_at
from contacts where workspace = $1 and contact_id = any($2::uuid[])
""",
        ("contacts",),
        order="merged_into is not null, contact_id",
    ),
    Section(
        "identifiers",
        """
select tenure_id, contact_id, semantic_type, identifier, normalised, slug,
  (array['claimed', 'asserted', 'proved', 'decided'])[assurance + 1] as assurance, is_validated, validated_at, validated_by, source,
  outreach, first_seen_at, last_seen_at, used_at, used_event, held_from, held_from_event, held_until
from identifiers where workspace = $1 and contact_id = any($2::uuid[])
""",
        ("contacts",),
        order="tenure_id",
    ),
    Section(
        "evidence",
        """
select tenure_id, (array['first', 'strongest', 'last'])[ordinal] as kind, event_id, topic, partition, "offset", at, rule, guard,
  (array['claimed', 'asserted', 'proved', 'decided'])[assurance + 1] as assurance, actor
from evidence where workspace = $1 and tenure_id = any($2::bigint[])
""",
        ("tenures",),
        order="tenure_id, kind",
    ),
    Section(
        "merges",
        """
select merge_id, survivor, absorbed, at, cause, case when absorbed = any($2::uuid[]) then lost end as lost,
  case when survivor = any($2::uuid[]) then survivor_record end as survivor_before,
  case when absorbed = any($2::uuid[]) then absorbed_record end as absorbed_before, undone_at, undone
from merges where workspace = $1 and (survivor = any($2::uuid[]) or absorbed = any($2::uuid[]))
""",
        ("contacts",),
        order="at, merge_id",
    ),
    Section(
        "kept_apart",
        """
select one, other, why, actor, reason, at from kept_apart
where workspace = $1 and (one = any($2::uuid[]) or other = any($2::uuid[]))
""",
        ("contacts",),
        order="at",
    ),
    Section(
        "proposals",
        """
select proposal_id, one, other, guard, semantic_type, first_at, first_event, last_at, last_event, proposed_at, decision, decided_at, actor,
  reason
from proposals where workspace = $1 and (one = any($2::uuid[]) or other = any($2::uuid[]))
""",
        ("contacts",),
        order="proposed_at, proposal_id",
    ),
    Section(
        "parked",
        """
select partition, "offset", event_id, limits, types, contact_id, at, appended_at, state, decided_at, actor, reason,
  case when contact_id = any($2::uuid[]) then message end as payload
from parked where workspace = $1 and (contact_id = any($2::uuid[]) or identifier_keys && $3::bytea[])
""",
        ("contacts", "keys"),
        "message",
        order='appended_at, partition, "offset"',
    ),
    Section(
        "quarantine",
        """
select semantic_type, identifier, normalised, contacts, event_id, since, released_at, actor, reason
from quarantine where workspace = $1 and identifier_key = any($2::bytea[])
""",
        ("keys",),
        order="since",
    ),
    Section(
        "segments",
        """
select m.contact_id, s.slug, s.title, m.is_member, m.since
from memberships m join segments s on s.segment_id = m.segment_id and s.workspace = m.workspace
where m.workspace = $1 and m.contact_id = any($2::uuid[])
""",
        ("contacts",),
        order="since, slug",
    ),
    Section(
        "interactions",
        """
select event_id, at, type, channel, name, outcome, reason, contact_id, tenure_id, partition, "offset",
  convert_to(properties, 'UTF8') as payload
from timeline where workspace = $1 and tenure_id = any($2::bigint[])
""",
        ("tenures",),
        "properties",
        order="at, event_id",
    ),
    Section(
        "days",
        """
select tenure_id, day, type, name, events from timeline_days where workspace = $1 and tenure_id = any($2::bigint[]) and events > 0
""",
        ("tenures",),
        order="day, type, name",
    ),
    Section(
        "documents",
        """
select document_id, template, contact_id, parent_id, slug, title, attributes, tags, classification, version, created_at, updated_at,
  archived_at
from documents where workspace = $1 and contact_id = any($2::uuid[])
""",
        ("contacts",),
        order="created_at, document_id",
    ),
    Section(
        "activities",
        """
select activity_id, object_id as contact_id, type, parent_id, user_id, content, priority, status, is_approved, due_at, started_at,
  created_at, updated_at,
  array(select user_id from activity_mentions m where m.activity_id = a.activity_id and m.workspace = a.workspace order by 1) as mentions
from activities a where workspace = $1 and object_type = 'contacts' and object_id = any($2::uuid[])
""",
        ("contacts",),
        order="created_at, activity_id",
    ),
    Section(
        "related_by",
        """
select object_type, object_id, substr(kind, 14) as relationship, value::uuid as contact_id
from links where workspace = $1 and value = any($2::text[]) and kind like 'relationship:%'
""",
        ("contacts",),
        order="object_id, relationship",
    ),
    Section(
        "webhook_deliveries",
        """
select d.delivery_id, w.url, d.event_id, d.kind, d.contact_id, d.contact_version, d.state, d.attempts, d.created_at, d.finished_at,
  d.body as payload
from webhook_deliveries d join webhooks w on w.webhook_id = d.webhook_id and w.workspace = d.workspace
where d.workspace = $1 and d.contact_id = any($2::uuid[])
""",
        ("contacts",),
        "body",
        order="created_at, delivery_id",
    ),
    Section(
        "messages",
        """
select message_id, contact_id, channel, template, requested_at, state, handed_over_at, settled_at, outcome
from outreach_messages where workspace = $1 and contact_id = any($2::uuid[])
""",
        ("contacts",),
        order="requested_at, message_id",
    ),
    Section(
        "challenges",
        """
select challenge_id, purpose, semantic_type, identifier, method, language, attempts, created_at, expires_at, used_at, ended_at
from challenges where workspace = $1 and identifier_key = any($2::bytea[])
""",
        ("keys",),
        order="created_at, challenge_id",
    ),
    Section(
        "sessions",
        """
select session_id, contact_id, method, began_at, last_used_at, expires_at
from contact_sessions where workspace = $1 and contact_id = any($2::uuid[])
""",
        ("contacts",),
        order="began_at, session_id",
    ),
    Section(
        "passwords",
        "select contact_id, set_at from contact_passwords where workspace = $1 and contact_id = any($2::uuid[])",
        ("contacts",),
        order="set_at, contact_id",
    ),
    Section(
        "import_lines",
        "select job_id, line, outcome, contact_id, code, reason from import_lines where workspace = $1 and contact_id = any($2::uuid[])",
        ("contacts",),
        order="job_id, line",
    ),
    Section(
        "log",
        """
select e.seq, e.at, e.actor, e.action, e.object_type, e.object_id, e.object_version, d.details ->> 'reason' as reason,
  coalesce(d.details -> 'changes', '[]') as changes
from log_entries e left join log_details d on d.workspace = e.workspace and d.seq = e.seq
where e.workspace = $1 and ((e.object_type = 'contacts' and e.object_id = any($2::text[]))
  or (e.object_type = 'documents' and e.object_id = any($3::text[])))
""",
        ("contacts", "documents"),
        order="seq",
    ),
)


async def person_of(connection: Connection, workspace: str, root: UUID) -> Person:
    """Everything that a root's person is known by."""
    contacts = [root, *sorted(row[0] for row in await connection.fetch(TREE, root, workspace) if row[0] != root)]
    held = await connection.fetch(TENURES, root, workspace)
    names = {(row["semantic_type"], text.casefold()) for row in held for text in (row["identifier"], row["normalised"])}
    documents = [row[0] for row in await connection.fetch(DOCUMENTS, contacts, workspace)]
    keys = sorted({row["identifier_key"] for row in held})
    return Person(workspace, root, contacts, [row["tenure_id"] for row in held], keys, names, documents)


async def rows_of(connection: Connection, person: Person, section: Section) -> AsyncIterator[dict[str, Any]]:
    """What a section holds of a person, in an order of its own."""
    payload = "found.payload" if section.payload is not None else "null::bytea"
    statement = (
        f"select (to_jsonb(found) - 'payload')::text as said, {payload} as payload from ({section.rows}) found order by {section.order}"
    )
    as_text = "::text[]" in section.rows
    taken = [getattr(person, name) for name in section.takes]
    arguments = [[str(one) if as_text else one for one in each] for each in taken]
    async for row in connection.cursor(statement, person.workspace, *arguments, prefetch=PREFETCH):
        said = msgspec.json.decode(row["said"])
        yield said if section.payload is None else {**said, section.payload: _json(row["payload"])}


async def named_in(connection: Connection, person: Person) -> AsyncIterator[dict[str, Any]]:
    """Parked interactions that went to somebody else, and name one of the person's identifiers."""
    own = set(person.contacts)
    async for row in mentioning(connection, person.workspace, person.names):
        if row["contact_id"] not in own:
            yield {"partition": row["partition"], "offset": row["offset"], "event_id": row["event_id"]}


def _json(raw: bytes | None) -> object:
    """What is JSON; as text, what is none after all."""
    try:
        return msgspec.json.decode(raw) if raw is not None else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return (raw or b"").decode(errors="replace")
