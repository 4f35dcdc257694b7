"""From a decided change to the message that tells it: the row of the outbox."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from onefold.messages import contacts as wire
from onefold.messages.cloudevents import headers as cloudevent_headers
from onefold.messages.codec import encode
from onefold.records.rows import to_json

if TYPE_CHECKING:
    from datetime import datetime

    from onefold.identity.contact import Contact, Tenure
    from onefold.identity.plan import ContactChanged

CHANGE_NAMESPACE = uuid5(NAMESPACE_URL, "onefold:contact-change")


class OutboxRow(NamedTuple):
    """What the relay will produce."""

    contact_id: UUID
    key: bytes
    payload: bytes
    headers: str


def time_text(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as all messages write times."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _optional_time(at: datetime | None) -> str | None:
    return time_text(at) if at is not None else None
