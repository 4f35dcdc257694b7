"""Write a plan: set-based statements, their number independent of the plan's size, in the caller's transaction.

Everything that changes contacts comes through here, whoever decided it, so versions, outbox and separations cannot be forgotten.
Inserts are plain and sorted: a unique violation is a race, and the caller repeats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity.classification import UNCLASSIFIED
from onefold.identity.plan import EvidenceKind
from onefold.identity.separation import bucket
from onefold.messages.topics import CONTACTS_CHANGED
from onefold.records import erased
from onefold.records.apart import insert_barriers, insert_pairs
from onefold.records.changes import change_row
from onefold.records.following import follow
from onefold.records.merges import move_roots, undo_merges, write_merges
from onefold.records.outbox import INSERT as INSERT_OUTBOX
from onefold.records.rows import provenance_text, summary_text, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeAlias

    from onefold.identity.contact import Contact, Tenure
    from onefold.identity.plan import Evidence, Plan
    from onefold.records.store import Connection

    Row: TypeAlias = tuple[object, ...]
    """In the order of its composite type (migration 0006)."""

INSERT_CONTACTS = """
insert into contacts (workspace, contact_id, version, type, given_name, last_name, email, phone, is_vendor, organization_id, attributes,
  tags, provenance, summary, identifiers_total, merged_into, root, archived_at, first_seen_at, last_seen_at, created_at, updated_at,
  consent, organization_name, classification)
select * from unnest($1::contact_row[])
"""

UPDATE_CONTACTS = """
update contacts c set version = n.version, type = n.type, given_name = n.given_name, last_name = n.last_name, email = n.email,
  phone = n.phone, is_vendor = n.is_vendor, organization_id = n.organization_id, attributes = n.attributes, tags = n.tags,
  provenance = n.provenance, summary = n.summary, identifiers_total = n.identifiers_total, merged_into = n.merged_into, root = n.root,
  archived_at = n.archived_at, first_seen_at = n.first_seen_at, last_seen_at = n.last_seen_at, updated_at = n.updated_at,
  consent = n.consent, organization_name = n.organization_name, classification = n.classification
from unnest($1::contact_row[]) as n
where c.contact_id = n.contact_id and c.workspace = n.workspace and c.contact_id = any($2::uuid[])
"""

INSERT_TENURES = """
insert into identifiers (tenure_id, workspace, identifier_key, contact_id, semantic_type, identifier, normalised, slug, assurance,
  is_validated, validated_at, validated_by, source, outreach, first_seen_at, last_seen_at, used_at, used_event, held_from,
  held_from_event, held_until, via, joined_at, joins_in_hour, joins_in_day)
select * from unnest($1::tenure_row[])
"""

UPDATE_TENURES = """
update identifiers i set slug = n.slug, assurance = n.assurance, is_validated = n.is_validated, validated_at = n.validated_at,
  validated_by = n.validated_by, first_seen_at = n.first_seen_at, last_seen_at = n.last_seen_at, used_at = n.used_at,
  used_event = n.used_event, held_until = n.held_until, joined_at = n.joined_at, joins_in_hour = n.joins_in_hour,
  joins_in_day = n.joins_in_day, identifier = n.identifier, outreach = n.outreach
from unnest($1::tenure_change[]) as n
where i.tenure_id = n.tenure_id and i.workspace = n.workspace and i.tenure_id = any($2::bigint[])
"""

UPSERT_EVIDENCE = """
insert into evidence as e (tenure_id, workspace, ordinal, event_id, topic, partition, "offset", at, rule, assurance, actor)
select * from unnest($1::evidence_row[])
on conflict (tenure_id, ordinal, workspace) do update set event_id = excluded.event_id, topic = excluded.topic,
  partition = excluded.partition, "offset" = excluded."offset", at = excluded.at, rule = excluded.rule, assurance = excluded.assurance,
  guard = null, actor = excluded.actor
"""

# Apart, since hardly any evidence has one.
NOTE_GUARDS = """
update evidence e set guard = n.guard
from unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[]) as n (tenure_id, ordinal, workspace, guard)
where e.tenure_id = n.tenure_id and e.ordinal = n.ordinal and e.workspace = n.workspace and e.tenure_id = any($1::bigint[])
"""

INSERT_SEPARATIONS = "insert into separations (xid, bucket) select pg_current_xact_id(), unnest($1::integer[])"

_ORDINALS = {EvidenceKind.FIRST: 1, EvidenceKind.STRONGEST: 2, EvidenceKind.LAST: 3}


async def apply(connection: Connection, plan: Plan, *, shards: int, incarnation: str) -> None:
    """Write the plan into the open transaction. The contacts that it touches must be locked by it."""
    if plan.merges:
        await write_merges(connection, plan.merges)
    if plan.contacts_changed:
        changed = _contact_rows(plan.contacts_changed)
        await connection.execute(UPDATE_CONTACTS, changed, [row[1] for row in changed])
    if plan.contacts_new:
        await connection.execute(INSERT_CONTACTS, _contact_rows(plan.contacts_new))
    if plan.merges:
        await move_roots(connection, plan.merges)
    if plan.tenures_changed:
        numbers = [tenure.tenure_id for tenure in plan.tenures_changed]
        await connection.execute(UPDATE_TENURES, _tenure_changes(plan.tenures_changed), numbers)
    if plan.tenures_new:
        await connection.execute(INSERT_TENURES, _tenure_rows(sorted(plan.tenures_new, key=lambda each: (each.key, each.workspace))))
    if plan.evidence:
        await _write_evidence(connection, plan.evidence)
    if plan.separated or plan.kept_apart or plan.erasures:
        await _write_separations(connection, plan)
    await follow(connection, plan)
    if plan.changes:
        rows = [change_row(change, incarnation) for change in plan.changes]
        await connection.execute(
            INSERT_OUTBOX,
            [row.contact_id.int % shards for row in rows],
            [CONTACTS_CHANGED] * len(rows),
            [row.key for row in rows],
            [row.payload for row in rows],
            [row.headers for row in rows],
        )
    await erased.end(connection, plan.erasures, shards)


async def _write_evidence(connection: Connection, evidence: Sequence[Evidence]) -> None:
    latest = {(each.tenure_id, each.workspace, each.kind): each for each in evidence}.values()
    await connection.execute(UPSERT_EVIDENCE, _evidence_rows(latest))
    guarded = [(each.tenure_id, _ORDINALS[each.kind], each.workspace, each.guard) for each in latest if each.guard is not None]
    if guarded:
        await connection.execute(NOTE_GUARDS, *map(list, zip(*guarded, strict=True)))


async def _write_separations(connection: Connection, plan: Plan) -> None:
    """What goes back, what makes index entries doubtful, and what keeps events from undoing it."""
    if plan.returns:
        await undo_merges(connection, plan.returns)
    if plan.separated:
        buckets = sorted({bucket(tenure.workspace, tenure.key) for tenure in plan.separated})
        await connection.execute(INSERT_SEPARATIONS, buckets)
    if plan.barriers:
        await insert_barriers(connection, plan.barriers)
    if plan.kept_apart:
        await insert_pairs(connection, plan.kept_apart)
    if plan.erasures:
        await erased.take_out(connection, plan.erasures)


def _contact_rows(contacts: Sequence[Contact]) -> list[Row]:
    ordered = sorted(contacts, key=lambda contact: (contact.contact_id.int, contact.workspace))
    return [
        (
            each.workspace,
            each.contact_id,
            each.version,
            each.type,
            each.given_name,
            each.last_name,
            each.email,
            each.phone,
            each.is_vendor,
            each.organization_id,
            to_json(each.attributes) if each.attributes else "{}",
            to_json(each.tags) if each.tags else "[]",
            provenance_text(each.provenance),
            summary_text(each.summary),
            each.summary.total,
            each.merged_into,
            each.root,
            each.archived_at,
            each.first_seen_at,
            each.last_seen_at,
            each.created_at,
            each.updated_at,
            to_json(each.consent) if each.consent else "{}",
            each.organization_name,
            to_json(each.classification) if each.classification is not UNCLASSIFIED else "{}",
        )
        for each in ordered
    ]


def _tenure_rows(tenures: Sequence[Tenure]) -> list[Row]:
    return [
        (
            each.tenure_id,
            each.workspace,
            each.key,
            each.contact_id,
            each.semantic_type,
            each.identifier,
            each.normalised,
            each.slug,
            int(each.assurance),
            each.is_validated,
            each.validated_at,
            each.validated_by,
            each.source,
            each.outreach,
            each.first_seen_at,
            each.last_seen_at,
            each.used.at if each.used is not None else None,
            each.used.event_id if each.used is not None else None,
            each.held_from.at if each.held_from is not None else None,
            each.held_from.event_id if each.held_from is not None else None,
            each.held_until,
            each.via,
            *each.joins,
        )
        for each in tenures
    ]


def _tenure_changes(tenures: Sequence[Tenure]) -> list[Row]:
    return [
        (
            each.tenure_id,
            each.workspace,
            each.slug,
            int(each.assurance),
            each.is_validated,
            each.validated_at,
            each.validated_by,
            each.first_seen_at,
            each.last_seen_at,
            each.used.at if each.used is not None else None,
            each.used.event_id if each.used is not None else None,
            each.held_until,
            *each.joins,
            each.identifier,
            each.outreach,
        )
        for each in tenures
    ]


def _evidence_rows(evidence: Iterable[Evidence]) -> list[Row]:
    return [
        (
            each.tenure_id,
            each.workspace,
            _ORDINALS[each.kind],
            each.event_id,
            each.position.topic,
            each.position.partition,
            each.position.offset,
            each.at,
            each.rule,
            int(each.assurance),
            each.actor,
        )
        for each in evidence
    ]
