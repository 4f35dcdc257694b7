"""From a decided change to the message that tells it: the row of the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from onefold.identity.classification import relationships
from onefold.identity.contact import LISTED_IDENTIFIERS
from onefold.identity.naming import Namespace
from onefold.messages import contacts as wire
from onefold.messages.cloudevents import headers as cloudevent_headers
from onefold.messages.times import time_text
from onefold.messages.topics import CONTACTS_CHANGED
from onefold.records.rows import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from onefold.identity.contact import Contact, Tenure
    from onefold.identity.plan import Cause, ContactChanged

_encode = msgspec.json.Encoder().encode

MOST_WRITTEN = 50_000
"""Identifiers of large contacts whose JSON is remembered, about 500 bytes each."""
_written: dict[int, tuple[Tenure, msgspec.Raw]] = {}
"""By the identity of the tenure, which is held here as well, so that no other one gets it."""

CHANGES = Namespace("onefold:contact-change")


class OutboxRow(NamedTuple):
    """What the relay will produce."""

    contact_id: UUID
    key: bytes
    payload: bytes
    headers: str


def _optional_time(at: datetime | None) -> str | None:
    return time_text(at) if at is not None else None


def change_row(change: ContactChanged, incarnation: str) -> OutboxRow:
    """The outbox row of one change: keyed by contact id, with CloudEvents headers."""
    contact_id, at = str(change.contact_id), time_text(change.at)
    event_id = CHANGES.text_of(f"{incarnation}\0{contact_id}\0{change.version}")
    message = wire.ContactChange(
        event_id=event_id,
        workspace=change.workspace,
        contact_id=change.contact_id,
        version=change.version,
        incarnation=incarnation,
        at=at,
        cause=_cause_of(change.cause),
        changes=change.changes,
        merged=[wire.MergedContact(each) for each in change.merged],
        merged_into=change.merged_into,
        contact=_snapshot(change.snapshot, _identifiers(change.snapshot, change.listed)) if change.snapshot is not None else None,
    )
    tags = cloudevent_headers(CONTACTS_CHANGED, event_id=event_id, workspace=change.workspace, subject=contact_id, at=at)
    return OutboxRow(change.contact_id, contact_id.encode(), _encode(message), to_json(tags))


def _cause_of(cause: Cause) -> wire.Cause:
    if cause.position is None:
        return wire.Cause(cause.kind, cause.event_id, rule=cause.rule, actor=cause.actor)
    return wire.Cause("interaction", cause.event_id, *cause.position, cause.rule)


def snapshot_of(contact: Contact, listed: Sequence[Tenure]) -> wire.ContactSnapshot:
    """A contact as messages show it, with the identifiers that they list."""
    return _snapshot(contact, [identifier_snapshot(tenure) for tenure in listed])


def _snapshot(contact: Contact, identifiers: list[wire.IdentifierSnapshot]) -> wire.ContactSnapshot:
    return wire.ContactSnapshot(
        id=contact.contact_id,
        workspace=contact.workspace,
        version=contact.version,
        type=contact.type,  # type: ignore[arg-type]  # one of the four words, by `derived_type`
        given_name=contact.given_name,
        last_name=contact.last_name,
        email=contact.email,
        phone=contact.phone,
        is_vendor=contact.is_vendor,
        organization_id=contact.organization_id,
        organization_name=contact.organization_name,
        profiles=list(contact.classification.profiles),
        attributes=contact.attributes,
        tags=contact.tags,
        taxonomies=list(contact.classification.taxonomies),
        identifiers=identifiers,
        identifiers_total=contact.summary.total,
        first_seen_at=time_text(contact.first_seen_at),
        last_seen_at=time_text(contact.last_seen_at),
        created_at=time_text(contact.created_at),
        updated_at=time_text(contact.updated_at),
        archived_at=_optional_time(contact.archived_at),
        consent={purpose: wire.ConsentSnapshot(word.state, word.source, time_text(word.at)) for purpose, word in contact.consent.items()},
        workflows={
            slug: wire.StageSnapshot(stage.step, time_text(stage.since), list(stage.done))
            for slug, stage in contact.classification.workflows.items()
        },
        relationships={
            slug: [wire.RelatedSnapshot(each.id, each.pivot) for each in related]
            for slug, related in relationships(contact.classification).items()
        },
        owners=list(contact.classification.owners),
        followers=list(contact.classification.followers),
    )


def _identifiers(contact: Contact, listed: Sequence[Tenure]) -> list[wire.IdentifierSnapshot]:
    """What a change lists. A worker meets the same tenures of a large contact again and again (`listings`), so it writes them once."""
    if contact.summary.total <= LISTED_IDENTIFIERS:
        return [identifier_snapshot(tenure) for tenure in listed]
    return [_written_once(tenure) for tenure in listed]  # type: ignore[misc]  # its JSON, which the encoder takes as it is


def _written_once(tenure: Tenure) -> msgspec.Raw:
    """Its JSON. A tenure is never changed once a change tells of it: whoever edits it works on a copy."""
    found = _written.get(id(tenure))
    if found is None:
        if len(_written) >= MOST_WRITTEN:
            _written.clear()
        found = _written[id(tenure)] = (tenure, msgspec.Raw(_encode(identifier_snapshot(tenure))))
    return found[1]


def identifier_snapshot(tenure: Tenure) -> wire.IdentifierSnapshot:
    """An identifier as messages and pages show it."""
    return wire.IdentifierSnapshot(
        tenure.semantic_type,
        tenure.identifier,
        tenure.normalised,
        tenure.slug,
        tenure.is_validated,
        _optional_time(tenure.validated_at),
        tenure.validated_by,
        tenure.source,
        tenure.outreach,
        tenure.assurance.word,  # type: ignore[arg-type]  # one of the four words
        time_text(tenure.first_seen_at),
        time_text(tenure.last_seen_at),
    )
