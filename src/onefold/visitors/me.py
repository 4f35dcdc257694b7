"""What people who are signed in see and change of their own record. Each change is an interaction, or an act of theirs, or both.

Called by the Contact API, in the transaction of its door.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from onefold.access import attempts
from onefold.access.sessions import compared
from onefold.contacts import identifiers as holding
from onefold.errors import ContactNotFound, InvalidMessage, Refused
from onefold.records import contact_pages, contact_sessions, document_lists
from onefold.records.visibility import EVERYBODYS
from onefold.visitors import notices, proofs, sessions
from onefold.visitors.acting import acting_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from onefold.access.passwords import Passwords
    from onefold.identity.identifiers import IdentifierKey
    from onefold.records.contact_pages import Shown
    from onefold.records.documents import Document
    from onefold.records.store import Connection, Store
    from onefold.visitors.capture import Visit
    from onefold.visitors.sessions import Lives, Visitor
    from onefold.visitors.telling import Teller

EDITED: Final = "Profile edited"
CONSENTED: Final = "Consent given"
LEFT: Final = "Signed out"
REMOVED: Final = "Identifier removed"
CHANGED_PASSWORD: Final = "Password changed"  # noqa: S105 -- what is said of it
EXPORTED: Final = "Data exported"


class LastAddress(Refused):
    """The only proved address of a contact: without one nobody could sign in as them again."""

    code = "last_address"


class SignInAgain(Refused):
    """What is asked for needs a session that has just begun (S56)."""

    code = "sign_in_again"

    def __init__(self, fresh: timedelta) -> None:
        super().__init__(
            f"sign in again for this, by a code or a link: a session may do it for {fresh // timedelta(minutes=1)} minutes after it began"
        )


async def show(connection: Connection, visitor: Visitor) -> Shown:
    """Their own record. Raises ContactNotFound where it went just now."""
    found = await contact_pages.shown(connection, visitor.workspace, [visitor.contact_id])
    if not found:
        raise ContactNotFound("your record is gone")
    return found[0]


async def has_password(connection: Connection, visitor: Visitor) -> bool:
    """Whether they can sign in by one."""
    return await contact_sessions.password_of(connection, visitor.workspace, visitor.contact_id) is not None


async def edit(connection: Connection, teller: Teller, visit: Visit, visitor: Visitor, traits: Mapping[str, Any]) -> None:
    """Say values of themselves: asserted, so that they give way to what a user of the workspace decided (R12)."""
    await teller.tell(connection, visit, EDITED, [visitor.address], kind="identify", values=traits)


async def give_consent(connection: Connection, teller: Teller, visit: Visit, visitor: Visitor, said: Mapping[str, str]) -> None:
    """Grant or deny purposes."""
    contact_id = await teller.tell(connection, visit, CONSENTED, [visitor.address], values={"consent": dict(said)})
    await proofs.record_consent(connection, visitor.workspace, contact_id, said, visit, teller.shards)


async def leave(connection: Connection, teller: Teller, visit: Visit, visitor: Visitor) -> None:
    """End the session. What is done on the device afterwards is whoever's comes next, under another token."""
    await teller.say(connection, visit, LEFT, [visitor.address])
    await contact_sessions.end(connection, visitor.workspace, visitor.session_id)


async def documents(connection: Connection, visitor: Visitor, *, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[Document]:
    """Their documents that are not archived, newest first."""
    asked = document_lists.Asked(visitor.contact_id, newest_first=True)
    return await document_lists.page(connection, visitor.workspace, asked, EVERYBODYS, after=after, limit=limit)


async def remove_identifier(connection: Connection, teller: Teller, visit: Visit, visitor: Visitor, key: IdentifierKey) -> None:
    """Take an identifier from themselves. Raises IdentifierNotFound, LastAddress."""
    proved = await contact_sessions.proved_keys(connection, visitor.workspace, visitor.contact_id)
    left = [each for each in proved if each != key]
    if key in proved and not left:
        raise LastAddress("you sign in by nothing else; prove an address first")
    if key == visitor.key:
        await contact_sessions.carry_over(connection, visitor.workspace, visitor.session_id, left[0])
    await teller.say(connection, visit, REMOVED, [visitor.address])
    by = acting_for(visitor.contact_id, visit)
    await holding.remove(connection, visitor.workspace, visitor.contact_id, key, by, shards=teller.shards)


async def change_password(
    store: Store, passwords: Passwords, visitor: Visitor, lives: Lives, present: str | None, wanted: str, now: datetime
) -> str:
    """Check what a change of password needs, and hash the new one: the present password, or a sign-in just now where there is none yet.

    Raises InvalidMessage, SignInAgain, TooManyAttempts. Not one transaction: none is held open while passwords are hashed.
    """
    workspace, counted = visitor.workspace, attempts.of_change(visitor.contact_id)
    async with store.transaction([workspace]) as connection:
        stored = await contact_sessions.password_of(connection, workspace, visitor.contact_id)
        if stored is not None:
            await attempts.count(connection, workspace, counted)
    if stored is None:
        demand_fresh(visitor, lives, now)
    elif not (await compared(store, passwords, (workspace, counted), stored, present or "")).holds:
        raise InvalidMessage("the present password is another one", code="wrong_password")
    else:
        async with store.transaction([workspace]) as connection:
            await attempts.succeeded(connection, workspace, counted)
    return await sessions.judge_and_hash(passwords, wanted, workspace, [visitor.address.identifier])


async def set_password(
    connection: Connection, teller: Teller, visit: Visit, visitor: Visitor, password_hash: str, language: str | None
) -> None:
    """Put a new password in force; every other session ends, and every proved address is told (S23)."""
    await teller.say(connection, visit, CHANGED_PASSWORD, [visitor.address])
    await contact_sessions.set_password(connection, visitor.workspace, visitor.contact_id, password_hash)
    await contact_sessions.end_all(connection, visitor.workspace, visitor.contact_id, but=visitor.session_id)
    await notices.password_changed(connection, visitor.workspace, visitor.contact_id, language)


def demand_proved_now(visitor: Visitor, lives: Lives, now: datetime) -> None:
    """Raises SignInAgain where the address that the session stands on was not proved just now, by a code or a link (S109)."""
    if visitor.method not in {"otp", "magic_link"}:
        raise SignInAgain(lives.fresh)
    demand_fresh(visitor, lives, now)


def demand_fresh(visitor: Visitor, lives: Lives, now: datetime) -> None:
    """Raises SignInAgain where the session began too long ago."""
    if now - visitor.began_at > lives.fresh:
        raise SignInAgain(lives.fresh)
