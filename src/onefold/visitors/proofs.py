"""What a proof brings about: the address is the visitor's, what waited for it is done, and a session begins where one was asked for.

A proof vouches for its own address only (R8). What the same page brought when it asked (a name, a password, consent) is the prover's as
well, and is told as a second, asserted interaction; from another browser it is nobody's, and was dropped (S41). Called by the Contact API.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from onefold.access.caller import NotSignedIn
from onefold.contacts.consent import Word, consent
from onefold.errors import InvalidMessage
from onefold.identity.identifiers import IdentifierKey, identifier_key
from onefold.records import contact_sessions
from onefold.visitors import changing, notices, sessions
from onefold.visitors.acting import acting_for
from onefold.visitors.challenges import ChallengeRefused
from onefold.visitors.telling import Address

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from onefold.records.store import Connection
    from onefold.visitors.capture import Visit
    from onefold.visitors.challenges import Confirmed
    from onefold.visitors.changing import Notices
    from onefold.visitors.sessions import Lives, Session, Visitor
    from onefold.visitors.telling import Teller

SIGNS_IN: Final = frozenset({"sign_in", "register", "reset_password"})
"""Purposes whose proof begins a session, where the asking browser brings it."""
OF_A_SESSION: Final = frozenset({"add_identifier", "change_address"})
"""Purposes that somebody who is signed in asks for, and confirms."""
_NAMES: Final[Mapping[str, str]] = {
    "validate": "Address validated",
    "sign_in": "Signed in",
    "register": "Registered",
    "reset_password": "Password reset",
    "add_identifier": "Identifier added",
    "change_address": "Address changed",
}


@dataclass(frozen=True, slots=True)
class Proof:
    """An address that was proved, and what it brought about."""

    address: Address
    contact_id: UUID
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class Prover:
    """Who brings a proof."""

    visit: Visit
    lives: Lives
    visitor: Visitor | None = None
    """If they are signed in."""
    password_hash: str | None = None
    """The new password, of whoever forgot theirs."""
    notices: Notices | None = None
    """Needed where an address is changed."""
    begins_session: bool = True
    """False on the page of a link: the page that asked collects the session."""


async def carry_out(connection: Connection, teller: Teller, confirmed: Confirmed, by: Prover) -> Proof:
    """Do what a confirmed challenge was for.

    Raises ChallengeRefused, NotSignedIn, InvalidMessage; Moved, and a race of the store's: roll back and repeat.
    """
    address = Address(confirmed.semantic_type, confirmed.identifier)
    key = identifier_key(*address)
    visitor = _of_session(confirmed, by.visitor)
    visit = replace(by.visit, anonymous_token=confirmed.anonymous_token) if confirmed.anonymous_token is not None else by.visit
    if confirmed.purpose == "take_back":
        return Proof(address, await changing.take_back(connection, teller, visit, address, confirmed.held))
    name = _NAMES[confirmed.purpose]
    contact_id = await teller.tell(connection, visit, name, [address], method=confirmed.method)
    if await contact_sessions.holder_of(connection, confirmed.workspace, key) is None:
        raise InvalidMessage("this address cannot be validated now; the service's rules keep it from being yours", code="not_resolved")
    if visitor is not None:
        contact_id = await _join(connection, teller, visit, visitor, address, confirmed)
        if confirmed.purpose == "change_address" and by.notices is not None:
            old = IdentifierKey(bytes.fromhex(confirmed.held["replaces"]))
            await changing.replace(connection, teller, visit, visitor, address, old, by.notices)
    elif confirmed.purpose == "reset_password":
        contact_id = await _reset(connection, confirmed.workspace, contact_id, by)
    elif confirmed.held:
        contact_id = await _fulfil(connection, teller, visit, address, confirmed, contact_id)
    session = None
    if by.begins_session and confirmed.purpose in SIGNS_IN and confirmed.in_asking_browser:
        session = await sessions.begin(connection, confirmed.workspace, key, confirmed.method, by.lives)
    return Proof(address, contact_id, session)


def _of_session(confirmed: Confirmed, visitor: Visitor | None) -> Visitor | None:
    """Who is to get the identifier, of purposes of a session: the one that asked, which must be in force still (S44)."""
    if confirmed.purpose not in OF_A_SESSION:
        return None
    if visitor is None:
        raise NotSignedIn("sign in where you asked for this, and confirm it there")
    if not confirmed.in_asking_browser or confirmed.held.get("session_id") != str(visitor.session_id):
        raise ChallengeRefused
    return visitor


async def _join(connection: Connection, teller: Teller, visit: Visit, visitor: Visitor, address: Address, confirmed: Confirmed) -> UUID:
    """Both addresses are the same person's: whoever confirms is signed in by one, and proved the other (R10)."""
    contact_id = await teller.tell(connection, visit, _NAMES[confirmed.purpose], [visitor.address, address], kind="identify")
    await contact_sessions.carry_over(connection, visitor.workspace, visitor.session_id, visitor.key)
    return contact_id


async def _reset(connection: Connection, workspace: str, contact_id: UUID, by: Prover) -> UUID:
    """Another password; every session ends, and every proved address is told (S23, S42)."""
    if by.password_hash is None:
        raise InvalidMessage("send the new password beside the code: new_password", code="password_missing")
    await contact_sessions.set_password(connection, workspace, contact_id, by.password_hash)
    await contact_sessions.end_all(connection, workspace, contact_id)
    await notices.password_changed(connection, workspace, contact_id, None)
    return contact_id


async def _fulfil(connection: Connection, teller: Teller, visit: Visit, address: Address, confirmed: Confirmed, contact_id: UUID) -> UUID:
    """What the page brought when it asked. Of somebody who is registered already, nothing: the message said so."""
    held = confirmed.held
    workspace = confirmed.workspace
    if confirmed.purpose == "register" and await contact_sessions.password_of(connection, workspace, contact_id) is not None:
        return contact_id
    if held.get("traits"):
        contact_id = await teller.tell(connection, visit, "Profile given", [address], kind="identify", values=held["traits"])
    if held.get("consent"):
        await record_consent(connection, workspace, contact_id, held["consent"], visit, teller.shards)
    if held.get("password_hash"):
        await contact_sessions.set_password(connection, workspace, contact_id, held["password_hash"])
    return contact_id


async def record_consent(
    connection: Connection, workspace: str, contact_id: UUID, said: Mapping[str, Any], visit: Visit, shards: int
) -> None:
    """What somebody who proved who they are said of purposes. `said`: granted or denied, by purpose."""
    page = (visit.page or {}).get("url", "")
    source = f"contact api {page}".strip()[:500]
    words = [Word(purpose, state, source) for purpose, state in sorted(said.items())]
    await consent(connection, workspace, contact_id, words, acting_for(contact_id, visit), shards=shards)
