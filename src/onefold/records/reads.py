"""Reads for operators and pages: a contact with its tenures and the evidence of each, by id or by identifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from onefold.errors import ContactErased
from onefold.identity.identifiers import identifier_key
from onefold.records.rows import CONTACT_COLUMNS, TENURE_COLUMNS, contact_of, tenure_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from onefold.identity.contact import Contact, Tenure
    from onefold.records.rows import Row
    from onefold.records.store import Connection

CONTACT = f"select {CONTACT_COLUMNS} from contacts where contact_id = $1 and workspace = any($2::text[])"
HOLDER = """
select contact_id, workspace from identifiers where identifier_key = $1 and workspace = any($2::text[]) and held_until is null
"""
TENURES = f"""
select {TENURE_COLUMNS} from identifiers where contact_id = $1 and workspace = $2 order by slug is null, tenure_id limit $3
"""
EVIDENCE = """
select tenure_id, ordinal, event_id, topic, partition, "offset", at, rule, assurance, guard, actor from evidence
where tenure_id = any($1::bigint[]) and workspace = $2 order by tenure_id, ordinal
"""
MERGES = """
select merge_id, survivor, absorbed, at, cause, cardinality(tenures) as tenures_moved, lost, undone_at, undone from merges
where workspace = $2 and survivor = any($1::uuid[]) order by at, merge_id
"""
TREE = "select contact_id from contacts where root = $1 and workspace = $2 and merged_into is not null"

SHOWN_TENURES = 200


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One piece of evidence of a tenure."""

    kind: str
    event_id: str
    topic: str
    partition: int
    offset: int
    at: Any
    rule: str
    assurance: int
    guard: str | None
    """What left something of the event out."""
    actor: str | None = None
    """Who said so by hand: topic, partition and offset name nothing then."""


@dataclass(frozen=True, slots=True)
class MergeRow:
    """One merge into the contact, or into one that it absorbed."""

    merge_id: UUID
    survivor: UUID
    absorbed: UUID
    at: Any
    cause: Mapping[str, Any]
    tenures_moved: int
    lost: Mapping[str, Any]
    undone_at: Any
    undone: Mapping[str, Any] | None
    """By whom and why, where it was undone."""


@dataclass(frozen=True, slots=True)
class ContactRecord:
    """Everything about one contact that an operator asks first."""

    contact: Contact
    tenures: Sequence[Tenure]
    evidence: Mapping[int, Sequence[EvidenceRow]]
    merges: Sequence[MergeRow]


_KINDS = {1: "first", 2: "strongest", 3: "last"}


async def find_holder(connection: Connection, workspaces: Sequence[str], semantic_type: str, normalised: str) -> tuple[str, UUID] | None:
    """Workspace and contact that hold an identifier now; the first workspace by name where several do."""
    rows = await connection.fetch(HOLDER, identifier_key(semantic_type, normalised), list(workspaces))
    return min(((row["workspace"], row["contact_id"]) for row in rows), default=None)


async def load_record(connection: Connection, workspaces: Sequence[str], contact_id: UUID) -> ContactRecord | None:
    """The contact that an id leads to, redirects followed, or None. Raises ContactErased."""
    row = await connection.fetchrow(CONTACT, contact_id, list(workspaces))
    if row is not None and row["root"] != contact_id:
        row = await connection.fetchrow(CONTACT, row["root"], [row["workspace"]])
    if row is None:
        return None
    contact = contact_of(row)
    if contact.erased_at is not None:
        raise ContactErased(contact_id, contact.erased_at)
    workspace = contact.workspace
    tenures = [tenure_of(each) for each in await connection.fetch(TENURES, contact.contact_id, workspace, SHOWN_TENURES)]
    evidence = await load_evidence(connection, workspace, [tenure.tenure_id for tenure in tenures])
    tree = [contact.contact_id, *(each["contact_id"] for each in await connection.fetch(TREE, contact.contact_id, workspace))]
    merges = [_merge_of(each) for each in await connection.fetch(MERGES, tree, workspace)]
    return ContactRecord(contact, tenures, evidence, merges)


async def load_evidence(connection: Connection, workspace: str, tenures: Sequence[int]) -> dict[int, list[EvidenceRow]]:
    """The first, the strongest and the last evidence of each tenure, as far as there is some."""
    found: dict[int, list[EvidenceRow]] = {}
    for each in await connection.fetch(EVIDENCE, tenures, workspace):
        found.setdefault(each["tenure_id"], []).append(
            EvidenceRow(
                _KINDS[each["ordinal"]],
                each["event_id"],
                each["topic"],
                each["partition"],
                each["offset"],
                each["at"],
                each["rule"],
                each["assurance"],
                each["guard"],
                each["actor"],
            )
        )
    return found


def _merge_of(row: Row) -> MergeRow:
    return MergeRow(
        row["merge_id"],
        row["survivor"],
        row["absorbed"],
        row["at"],
        msgspec.json.decode(row["cause"]),
        row["tenures_moved"],
        msgspec.json.decode(row["lost"]),
        row["undone_at"],
        msgspec.json.decode(row["undone"]) if row["undone"] is not None else None,
    )
