"""Record what a person said: consent by purpose. The preview is the plan itself."""

from __future__ import annotations

from dataclasses import dataclass
from re import fullmatch
from typing import TYPE_CHECKING

from onefold.contacts import acting
from onefold.errors import InvalidMessage
from onefold.identity.consent import MOST_PURPOSES, record_consent
from onefold.identity.contact import Consent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Literal
    from uuid import UUID

    from onefold.contacts.acting import User
    from onefold.identity.contact import Contact
    from onefold.identity.plan import Plan
    from onefold.records.store import Connection

LONGEST_SOURCE = 500


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody said of a purpose."""

    purpose: str
    state: Literal["granted", "denied"]
    source: str
    at: datetime | None = None
    """When it was said; None is now."""


async def consent(
    connection: Connection, workspace: str, contact_id: UUID, words: Sequence[Word], user: User, *, shards: int | None = None
) -> tuple[Contact, Plan]:
    """Plan to record these words, redirects followed; with `shards` of the outbox, carry it out. Gives the contact before.

    A later word of a purpose takes the place of an earlier one, a grant that of a denial too; what is older than the present one changes
    nothing. Raises ContactNotFound, InvalidMessage; Moved where the contact was absorbed meanwhile: roll back and repeat.
    """
    snapshot, contact = await acting.one_contact(connection, workspace, contact_id, will_write=shards is not None)
    act = await acting.begin(connection, user)
    said = [(each.purpose, Consent(each.state, each.source, each.at or act.at, contact.contact_id)) for each in words]
    _check(contact, said, act.at)
    plan = record_consent(snapshot, contact, said, act)
    if shards is not None and plan.changes:
        await acting.write(connection, plan, shards, user)
    return contact, plan


def _check(contact: Contact, said: Sequence[tuple[str, Consent]], now: datetime) -> None:
    for purpose, word in said:
        if fullmatch(r"[a-z][a-z0-9_-]{0,62}", purpose) is None:
            raise InvalidMessage(f"{purpose!r} is no purpose: write a small letter, then small letters, digits, - or _, such as newsletter")
        if not word.source.strip() or len(word.source) > LONGEST_SOURCE or not word.source.isprintable():
            raise InvalidMessage(f"say where it was said, in at most {LONGEST_SOURCE} printable characters, such as: call of 3 May")
        if word.at > now:
            raise InvalidMessage(f"{word.at:%Y-%m-%d %H:%M:%SZ} is still to come: consent is recorded once it was given")
    if len(contact.consent.keys() | {purpose for purpose, _ in said}) > MOST_PURPOSES:
        raise InvalidMessage(f"a contact has at most {MOST_PURPOSES} purposes")
