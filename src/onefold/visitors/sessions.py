"""Sessions of people who proved an address: by a code, a link, the password that they set after one, or a provider's word for who they are.

A session stands on an identifier: it is in force while the same contact holds that identifier validated (S42 to S44). Whatever is wrong at
a sign-in is said alike, after the same work (S26, S27). Called by the Contact API.
"""

from __future__ import annotations

import re
import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from onefold.access import attempts
from onefold.access.caller import NotSignedIn
from onefold.access.sessions import compared, hashed_anew
from onefold.errors import InvalidMessage
from onefold.identity.identifiers import identifier_key
from onefold.identity.normalise import normalise, trim
from onefold.records import contact_sessions
from onefold.records.contact_sessions import NewSession
from onefold.records.rules_versions import rules_in_force
from onefold.visitors.limits import folded
from onefold.visitors.telling import Address

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from onefold.access.attempts import Bucket
    from onefold.access.passwords import Passwords
    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.rules import Rules
    from onefold.records.contact_sessions import SessionRow, Stored
    from onefold.records.rules import RulesCache
    from onefold.records.store import Connection, Store

PREFIX: Final = "of_ses_"
_TOKEN: Final = re.compile(r"of_ses_[A-Za-z0-9_-]{43}")
_REFUSAL: Final = "the address or the password is wrong; or the address was never proved: ask for a code"


class Lives(NamedTuple):
    """How long sessions go on."""

    idle: timedelta = timedelta(days=14)
    """Without a call."""
    longest: timedelta = timedelta(days=90)
    """Whatever happens."""
    fresh: timedelta = timedelta(minutes=15)
    """After it began, for what needs a recent sign-in (S56)."""


class Session(NamedTuple):
    """A session that has begun. `token` is what the page keeps; it is stored nowhere."""

    token: str
    contact_id: UUID
    expires_at: datetime


class Visitor(NamedTuple):
    """Somebody who is signed in."""

    workspace: str
    session_id: UUID
    contact_id: UUID
    address: Address
    """That the session stands on."""
    key: IdentifierKey
    began_at: datetime
    method: str
    """How it began: otp, magic_link, password, oauth."""


class SigningIn(NamedTuple):
    """Who wants to sign in by a password."""

    workspace: str
    address: Address
    client: str | None
    """The client's address."""
    browser_hash: bytes
    """Of the browser, as challenges know it."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A password that was right when it was compared; it opens something once its session begins."""

    stored: Stored
    address: Address
    key: IdentifierKey
    counted: Sequence[Bucket]
    anew: str | None
    """The same password under the present parameters, where it was hashed under lesser ones (S19)."""


async def begin(
    connection: Connection, workspace: str, key: IdentifierKey, method: str, lives: Lives, *, password_hash: str | None = None
) -> Session:
    """Begin a session of whoever holds an identifier validated; with that password, where one opens it.

    Raises NotSignedIn where nobody does any more.
    """
    token = PREFIX + secrets.token_urlsafe(32)
    new = NewSession(workspace, uuid.uuid4(), key, _hash(token), method, lives.longest, password_hash)
    begun = await contact_sessions.begin(connection, new)
    if begun is None:
        raise NotSignedIn(_REFUSAL if password_hash is not None else "nobody holds this address proved; ask for a code")
    return Session(token, *begun)


async def enter(connection: Connection, workspace: str, token: str, lives: Lives) -> Visitor:
    """Whose session it is. Raises NotSignedIn."""
    found = await contact_sessions.enter(connection, workspace, _hash(token), lives.idle) if _TOKEN.fullmatch(token) else None
    if found is None:
        raise NotSignedIn("the session has ended; sign in again")
    return _visitor(workspace, found)


async def by_id(connection: Connection, workspace: str, session_id: UUID, lives: Lives) -> Visitor | None:
    """Whose session it is, if it is in force: of whoever asked for a link in it, and opens the link in the same browser."""
    found = await contact_sessions.by_id(connection, workspace, session_id, lives.idle)
    return _visitor(workspace, found) if found is not None else None


async def compare(store: Store, passwords: Passwords, rules: RulesCache, by: SigningIn, password: str) -> Compared:
    """Compare a password with that of whoever holds the address validated. Raises NotSignedIn alike for whatever is wrong.

    It takes the same work then. Raises TooManyAttempts, too. Not one transaction: none is held open while a password is compared.
    """
    workspace, address = by.workspace, by.address
    while True:
        under, mine = rules.version, (await rules.of([workspace]))[workspace]
        normalised = _normalised(mine, workspace, address)
        key = identifier_key(address.semantic_type, normalised)
        async with store.transaction([workspace], keeps_plans=True) as connection:
            found = await contact_sessions.sign_in(connection, workspace, key, by.browser_hash)
            if found.rules_version == under:
                name = f"contact:{address.semantic_type}:{folded(address.semantic_type, normalised)}"
                # Where the address was proved before, strangers' failures elsewhere do not count (S36).
                counted = attempts.of_sign_in(name, by.client, (by.client or "",) if found.is_known_here else ())
                await attempts.count(connection, workspace, counted)
                break
        rules.learn_version(found.rules_version)
    stored = found.stored
    verified = await compared(store, passwords, (workspace, counted), stored.password_hash if stored is not None else None, password)
    if stored is None or not verified.holds:
        raise NotSignedIn(_REFUSAL)
    anew = await hashed_anew(passwords, password) if verified.hash_anew else None
    return Compared(stored, Address(address.semantic_type, normalised), key, counted, anew)


async def sign_in(connection: Connection, workspace: str, compared: Compared, lives: Lives) -> Session:
    """Begin the session of a right password. Raises NotSignedIn where another one was set meanwhile."""
    password_hash = compared.stored.password_hash
    if compared.anew is not None:
        if not await contact_sessions.set_hash_anew(connection, workspace, compared.stored, compared.anew):
            raise NotSignedIn(_REFUSAL)
        password_hash = compared.anew
    await attempts.succeeded(connection, workspace, compared.counted)
    return await begin(connection, workspace, compared.key, "password", lives, password_hash=password_hash)


async def judge_and_hash(passwords: Passwords, password: str, workspace: str, words: Sequence[str]) -> str:
    """A new password as it is stored. Raises InvalidMessage for one that is easily guessed, TemporaryError where too many wait."""
    await passwords.judge(password, [workspace, *words])
    return await passwords.hash(password)


def _visitor(workspace: str, found: SessionRow) -> Visitor:
    address = Address(found.semantic_type, found.normalised)
    return Visitor(workspace, found.session_id, found.contact_id, address, found.identifier_key, found.began_at, found.method)


async def known(connection: Connection, workspace: str, address: Address) -> str:
    """The address in its one form; of what is no address, a text that nobody holds: it is counted and compared alike (S29)."""
    return _normalised((await rules_in_force(connection, [workspace], recency=timedelta(0))).get(workspace), workspace, address)


def _normalised(rules: Rules | None, workspace: str, address: Address) -> str:
    if rules is None:
        raise InvalidMessage(f"there is no workspace {workspace!r}", code="unknown_workspace")
    return normalise(address.semantic_type, trim(address.identifier), rules.normalisation) or "no address"


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()
