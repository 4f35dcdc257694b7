"""What an export of a person holds. The shapes are stable: later releases may add keys, and take none away (docs/how-to/export.md)."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from onefold.messages.topics import SPECS, kept_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT: Final = "onefold.person.v1"
_DAY_MS: Final = 86_400_000


class Shape(Struct, forbid_unknown_fields=True):
    """One row of a section."""


class ContactHeld(Shape):
    """What one id holds: the contact's own first, then those that were merged into it, as they were then."""

    contact_id: UUID
    version: int
    type: Literal["ghost", "lead", "contact", "vendor"]
    given_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    is_vendor: bool
    organization_id: UUID | None
    organization_name: str | None
    attributes: Annotated[dict[str, dict[str, Any]], Meta(description="By profile; unbound ones under `unbound`.")]
    tags: list[str]
    consent: Annotated[dict[str, Any], Meta(description="By purpose: what was said, when, and where.")]
    classification: Annotated[dict[str, Any], Meta(description="Profiles, taxonomies, owners, followers, workflows, relationships.")]
    provenance: Annotated[
        dict[str, Any], Meta(description="By field: assurance, event time and id, and the tenures that the value came with.")
    ]
    merged_into: UUID | None
    first_seen_at: datetime
    last_seen_at: datetime
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class IdentifierHeld(Shape):
    """An identifier that the person holds, or held until `held_until`."""

    tenure_id: int
    contact_id: UUID
    semantic_type: str
    identifier: Annotated[str, Meta(description="As given.")]
    normalised: str
    slug: str | None
    assurance: str
    is_validated: bool
    validated_at: datetime | None
    validated_by: str | None
    source: str
    outreach: bool
    first_seen_at: datetime
    last_seen_at: datetime
    used_at: datetime | None
    used_event: str | None
    held_from: datetime | None
    held_from_event: str | None
    held_until: datetime | None


class EvidenceHeld(Shape):
    """Why an identifier is the person's: the first, the strongest and the last event or act that said so."""

    tenure_id: int
    kind: Literal["first", "strongest", "last"]
    event_id: str
    topic: Annotated[str, Meta(description="Where the event lay; empty where it was no event.")]
    partition: int
    offset: int
    at: datetime
    rule: str
    guard: str | None
    assurance: str
    actor: str | None


class MergeHeld(Shape):
    """Two contacts that became one, or did until it was undone. What the other one was, once it was undone, is theirs and not here."""

    merge_id: UUID
    survivor: UUID
    absorbed: UUID
    at: datetime
    cause: dict[str, Any]
    lost: Annotated[dict[str, Any] | None, Meta(description="Values that did not win.")]
    survivor_before: dict[str, Any] | None
    absorbed_before: dict[str, Any] | None
    undone_at: datetime | None
    undone: dict[str, Any] | None


class PairHeld(Shape):
    """Two contacts that stay apart."""

    one: UUID
    other: UUID
    why: Literal["unmerged", "refused"]
    actor: str
    reason: str | None
    at: datetime


class ProposalHeld(Shape):
    """Two contacts that may be one person."""

    proposal_id: UUID
    one: UUID
    other: UUID
    guard: str
    semantic_type: str
    first_at: datetime
    first_event: str
    last_at: datetime
    last_event: str
    proposed_at: datetime
    decision: str | None
    decided_at: datetime | None
    actor: str | None
    reason: str | None


class ParkedHeld(Shape):
    """An interaction that a limit held back, in part. One that went to somebody else shows its id, and not what it says."""

    partition: int
    offset: int
    event_id: str
    limits: list[str]
    types: list[str]
    contact_id: UUID
    at: datetime
    appended_at: datetime
    state: str
    decided_at: datetime | None
    actor: str | None
    reason: str | None
    message: Annotated[Any, Meta(description="As it came; null once it was decided on.")]


class MentionHeld(Shape):
    """A parked interaction of somebody else's that names one of the person's identifiers."""

    partition: int
    offset: int
    event_id: str


class QuarantineHeld(Shape):
    """A value of the person's that joined too many contacts."""

    semantic_type: str
    identifier: str
    normalised: str
    contacts: int
    event_id: str
    since: datetime
    released_at: datetime | None
    actor: str | None
    reason: str | None


class SegmentHeld(Shape):
    """A segment that the person is in, or was."""

    contact_id: UUID
    slug: str
    title: str
    is_member: bool
    since: datetime


class InteractionHeld(Shape):
    """Something that the person did."""

    event_id: str
    at: datetime
    type: str
    channel: str
    name: str | None
    outcome: str
    reason: str | None
    contact_id: Annotated[UUID, Meta(description="Whom it went to then.")]
    tenure_id: int
    partition: Annotated[int, Meta(description="Where it lies on `interactions`, until that topic's retention has passed.")]
    offset: int
    properties: Any


class DayHeld(Shape):
    """How often the person did something on a day (UTC)."""

    tenure_id: int
    day: date
    type: str
    name: str
    events: int


class DocumentHeld(Shape):
    """A document of the person's."""

    document_id: UUID
    template: str
    contact_id: UUID
    parent_id: UUID | None
    slug: str
    title: str
    attributes: dict[str, Any]
    tags: list[str]
    classification: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class ActivityHeld(Shape):
    """What a user wrote on the person's record."""

    activity_id: UUID
    contact_id: UUID
    type: Literal["comments", "tasks", "approvals"]
    parent_id: UUID | None
    user_id: UUID
    content: str
    priority: str
    status: str
    is_approved: bool | None
    due_at: datetime | None
    started_at: datetime | None
    created_at: datetime
    updated_at: datetime
    mentions: list[UUID]


class RelationHeld(Shape):
    """Another record that says that it is related to the person."""

    object_type: str
    object_id: UUID
    relationship: str
    contact_id: UUID


class DeliveryHeld(Shape):
    """What was sent about the person to a webhook, or waits for it."""

    delivery_id: UUID
    url: str
    event_id: str
    kind: str
    contact_id: UUID
    contact_version: int | None
    state: str
    attempts: int
    created_at: datetime
    finished_at: datetime | None
    body: Any


class MessageHeld(Shape):
    """A message that was to be sent to the person. What it said is not kept once it was sent; until then it holds a code or a link."""

    message_id: UUID
    contact_id: UUID
    channel: Literal["email", "sms"]
    template: str
    requested_at: datetime
    state: str
    handed_over_at: datetime | None
    settled_at: datetime | None
    outcome: str | None


class ChallengeHeld(Shape):
    """A code or link by which one of the person's addresses was to be proved, whoever asked for it."""

    challenge_id: UUID
    purpose: str
    semantic_type: str
    identifier: str
    method: Literal["otp", "magic_link"]
    language: str | None
    attempts: int
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    ended_at: datetime | None


class SessionHeld(Shape):
    """A session of the person at the Contact API."""

    session_id: UUID
    contact_id: UUID
    method: str
    began_at: datetime
    last_used_at: datetime
    expires_at: datetime


class PasswordHeld(Shape):
    """That the person has a password. Only a slow hash of it is stored, which is nobody's to see."""

    contact_id: UUID
    set_at: datetime


class ImportLineHeld(Shape):
    """A line of an import that made or changed the person."""

    job_id: UUID
    line: int
    outcome: str
    contact_id: UUID
    code: str | None
    reason: str | None


class WaitingLineHeld(Shape):
    """A line of an import that is not over, and names one of the person's identifiers."""

    job_id: UUID
    line: int
    text: str


class LogEntryHeld(Shape):
    """Something that a user did to the person's record or documents."""

    seq: int
    at: datetime
    actor: str
    action: str
    object_type: str
    object_id: str
    object_version: int | None
    reason: str | None
    changes: list[dict[str, Any]]


class Elsewhere(Shape):
    """What is held of a person outside of the store, or in a form that names nobody."""

    where: str
    what: str
    kept: Annotated[str, Meta(description="For how long.")]


class Exported(Shape):
    """Everything that is held of one person."""

    format: Literal["onefold.person.v1"]
    workspace: str
    contact_id: UUID
    exported_at: datetime
    contacts: list[ContactHeld]
    identifiers: list[IdentifierHeld]
    evidence: list[EvidenceHeld]
    merges: list[MergeHeld]
    kept_apart: list[PairHeld]
    proposals: list[ProposalHeld]
    parked: list[ParkedHeld]
    quarantine: list[QuarantineHeld]
    segments: list[SegmentHeld]
    interactions: list[InteractionHeld]
    days: list[DayHeld]
    documents: list[DocumentHeld]
    activities: list[ActivityHeld]
    related_by: list[RelationHeld]
    webhook_deliveries: list[DeliveryHeld]
    messages: list[MessageHeld]
    challenges: list[ChallengeHeld]
    sessions: list[SessionHeld]
    passwords: list[PasswordHeld]
    import_lines: list[ImportLineHeld]
    log: list[LogEntryHeld]
    parked_elsewhere: list[MentionHeld]
    waiting_imports: list[WaitingLineHeld]
    not_here: list[Elsewhere]


def not_here() -> list[Elsewhere]:
    """What an export cannot show, and how long it stays."""
    topics = [
        Elsewhere(f"topic {spec.name}", f"{spec.title}. Not searched; what the store tells of it is above.", _kept(spec.config))
        for spec in SPECS
    ]
    return [
        *topics,
        Elsewhere("outbox", "Changes on their way to topics: copies of what is above.", "until they are sent, which takes seconds"),
        Elsewhere("idempotency_keys", "Answers that the User API gave, for repeats of the same call: copies of what is above.", "a day"),
        Elsewhere("index", "Redis: which contact an identifier leads to, by keyed hashes.", "until it is rebuilt, or nobody looks it up"),
        Elsewhere("suppressions", "Keyed hashes of identifiers that were erased, so that old events bring nothing back.", "for good"),
        Elsewhere("known_browsers", "Keyed hashes of browsers in which an address was proved.", "until the person is erased"),
        Elsewhere("logs", "Ids of contacts, types and keyed hashes of identifiers; never a value.", "as the installation has it"),
    ]


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of an export."""
    (root,), components = msgspec.json.schema_components([Exported], ref_template="#/$defs/{name}")
    definitions = dict(components)
    own = definitions.pop(root["$ref"].rpartition("/")[2])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **own, "$defs": definitions}


def _kept(config: Mapping[str, str]) -> str:
    kept = kept_ms(config)
    span = "for good" if kept is None else f"for at most {-(-kept // _DAY_MS)} days"
    return span if config["cleanup.policy"] == "delete" else f"the last version of each contact for good, those before it {span}"
