"""How contacts and tenures lie in Postgres, both ways. Used by `snapshots`, `apply` and `reads`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from onefold.identity.assurance import Assurance
from onefold.identity.classification import UNCLASSIFIED, Classification
from onefold.identity.contact import NO_JOINS, Consent, Contact, ContactId, Joins, Provenance, Summary, Tenure
from onefold.identity.identifiers import IdentifierKey
from onefold.identity.interaction import Moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    import asyncpg

    Row: TypeAlias = asyncpg.Record | Mapping[str, Any]

CONTACT_COLUMNS = (
    "workspace, contact_id, version, type, given_name, last_name, email, phone, is_vendor, organization_id, attributes, tags,"
    " provenance, summary, merged_into, root, archived_at, first_seen_at, last_seen_at, created_at, updated_at, consent, erased_at,"
    " organization_name, classification"
)
TENURE_COLUMNS = (
    "tenure_id, workspace, identifier_key, contact_id, semantic_type, identifier, normalised, slug, assurance, is_validated,"
    " validated_at, validated_by, source, outreach, first_seen_at, last_seen_at, used_at, used_event, held_from, held_from_event,"
    " held_until, via, joined_at, joins_in_hour, joins_in_day"
)

_encoder = msgspec.json.Encoder()
_ASSURANCES = tuple(Assurance)


class _StoredSummary(msgspec.Struct, omit_defaults=True):
    open: dict[str, int] = {}
    validated: dict[str, int] = {}
    assurance: tuple[int, int, int, int] = (0, 0, 0, 0)
    unique: dict[str, str] = {}
    apart: bool = False
    restored_at: datetime | None = None


_decode_summary = msgspec.json.Decoder(_StoredSummary).decode
_decode_classification = msgspec.json.Decoder(Classification).decode
_decode_consent = msgspec.json.Decoder(dict[str, Consent]).decode
_decode_provenance = msgspec.json.Decoder(dict[str, Provenance]).decode


def to_json(value: object) -> str:
    """JSON text as a jsonb parameter takes it."""
    return _encoder.encode(value).decode()


def summary_text(summary: Summary) -> str:
    """The stored form of a summary; counts that fell to zero are left out."""
    return to_json(
        _StoredSummary(
            {kind: count for kind, count in summary.open_by_type.items() if count},
            {kind: count for kind, count in summary.validated_by_type.items() if count},
            (summary.by_assurance[0], summary.by_assurance[1], summary.by_assurance[2], summary.by_assurance[3]),
            {kind: key.hex() for kind, key in summary.unique.items()},
            summary.apart,
            summary.restored_at,
        )
    )


def provenance_text(provenance: Mapping[str, Provenance]) -> str:
    """The stored form of provenance: path to [assurance, event time, event id, tenure, tenures named beside]."""
    if not provenance:
        return "{}"
    return to_json(provenance)


def summary_of(text: str) -> Summary:
    """A summary from its stored form."""
    stored = _decode_summary(text)
    unique = {kind: IdentifierKey(bytes.fromhex(key)) for kind, key in stored.unique.items()}
    return Summary(stored.open, stored.validated, list(stored.assurance), unique, stored.apart, stored.restored_at)


def contact_of(row: Row) -> Contact:
    """A contact from its row, without a listing."""
    return Contact(
        contact_id=ContactId(row["contact_id"]),
        workspace=row["workspace"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        first_seen_at=row["first_seen_at"],
        last_seen_at=row["last_seen_at"],
        type=row["type"],
        given_name=row["given_name"],
        last_name=row["last_name"],
        email=row["email"],
        phone=row["phone"],
        is_vendor=row["is_vendor"],
        organization_id=row["organization_id"],
        attributes=msgspec.json.decode(row["attributes"]),
        tags=msgspec.json.decode(row["tags"]),
        provenance=_decode_provenance(row["provenance"]),
        summary=summary_of(row["summary"]),
        merged_into=row["merged_into"],
        root=row["root"],
        archived_at=row["archived_at"],
        consent=_decode_consent(row["consent"]) if row["consent"] != "{}" else {},
        erased_at=row["erased_at"],
        organization_name=row["organization_name"],
        classification=_decode_classification(row["classification"]) if row["classification"] != "{}" else UNCLASSIFIED,
    )


def tenure_of(row: Row) -> Tenure:
    """A tenure from its row. Of a large contact 200 are listed, so what most of them lack costs nothing here."""
    used_at, held_from, joined_at = row["used_at"], row["held_from"], row["joined_at"]
    return Tenure(
        row["tenure_id"],
        row["workspace"],
        row["contact_id"],
        row["identifier_key"],
        row["semantic_type"],
        row["identifier"],
        row["normalised"],
        row["slug"],
        _ASSURANCES[row["assurance"]],
        row["source"],
        row["outreach"],
        row["first_seen_at"],
        row["last_seen_at"],
        row["is_validated"],
        row["validated_at"],
        row["validated_by"],
        Moment(used_at, row["used_event"]) if used_at is not None else None,
        Moment(held_from, row["held_from_event"]) if held_from is not None else None,
        row["held_until"],
        row["via"],
        Joins(joined_at, row["joins_in_hour"], row["joins_in_day"]) if joined_at is not None else NO_JOINS,
    )
