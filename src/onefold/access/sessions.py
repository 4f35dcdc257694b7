"""Signing in and out, and finding who calls by what a call shows (security.md, S26, S27, S65, S83, S88)."""

from __future__ import annotations

import re
import secrets
import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from onefold.access import attempts
from onefold.access.caller import Caller, NotSignedIn
from onefold.access.emails import email_of
from onefold.access.keys import looks_like_service_key
from onefold.access.places import Place, Places
from onefold.access.users import find_user
from onefold.errors import InvalidMessage, TemporaryError
from onefold.records import issuers, log, users
from onefold.records.store import name_workspaces

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import TypeAlias

    from onefold.access.attempts import Bucket
    from onefold.access.oidc import Subject
    from onefold.access.passwords import Passwords, Verified
    from onefold.records.log import Origin
    from onefold.records.store import Connection, Store
    from onefold.records.users import UserRow

    Tell: TypeAlias = Callable[[Connection, UserRow], Awaitable[None]]
    """What tells a user what was done to their account, in the transaction that did it (S23)."""

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_REFUSAL: Final = "the workspace, the e-mail or the password is wrong"


class Lives(NamedTuple):
    """How long sessions go on."""

    idle: timedelta = timedelta(hours=2)
    """Without a call."""
    longest: timedelta = timedelta(hours=12)
    """Whatever happens."""


class SignedIn(NamedTuple):
    """A session that has begun. `token` is what the browser keeps; it is stored nowhere."""

    token: str
    caller: Caller
    lives: Lives


async def sign_in(store: Store, passwords: Passwords, lives: Lives, named: tuple[str, str], password: str, origin: Origin) -> SignedIn:
    """Begin a session for (workspace, e-mail). Raises NotSignedIn in one way for whatever is wrong, and after the same work.

    Raises TooManyAttempts, too. Not one transaction: none is held open while a password is compared.
    """
    workspace, email = named[0], _known_email(named[1])
    async with store.transaction([workspace]) as connection:
        user = await users.user_by_email(connection, workspace, email)
        known = await users.known_addresses(connection, workspace, email)  # for nobody's e-mail, too: in the same time (S27)
        counted = attempts.of_sign_in(email, origin.address, known)
        await attempts.count(connection, workspace, counted)
    verified = await compared(store, passwords, (workspace, counted), user.password_hash if user is not None else None, password)
    if user is None or not verified.holds or not user.is_enabled:
        raise NotSignedIn(_REFUSAL)
    anew = await hashed_anew(passwords, password) if verified.hash_anew else None
    async with store.transaction([workspace]) as connection:
        present = await users.user_by_id(connection, workspace, user.user_id, will_write=True)
        if present is None or present.password_hash != user.password_hash or not present.is_enabled:
            raise NotSignedIn(_REFUSAL)
        if anew is not None:
            await users.set_password(connection, present, anew, must_reset=present.must_reset, is_change=False)
        await attempts.succeeded(connection, workspace, counted)
        return await begin(connection, present, lives, origin)


async def begin(connection: Connection, user: UserRow, lives: Lives, origin: Origin, *, reason: str | None = None) -> SignedIn:
    """Begin a session for a user who has shown who they are. `reason`: how, where it was not by a password."""
    token, session_id = secrets.token_urlsafe(32), uuid.uuid4()
    begun = users.Begun(user.workspace, session_id, user.user_id, _hash(token), lives.longest, origin.address, origin.user_agent)
    await users.begin_session(connection, begun)
    caller = Caller(user.workspace, user.user_id, frozenset(user.roles), origin, session_id)
    act = log.Act(caller.actor, "signed_in", "users", str(user.user_id), reason=reason, origin=origin)
    await log.append(connection, user.workspace, [act])
    return SignedIn(token, caller, lives)


async def by_session(connection: Connection, token: str, origin: Origin, lives: Lives) -> Caller:
    """Whose session it is; the transaction names their workspace from here on. Raises NotSignedIn."""
    found = await users.enter_by_session(connection, _hash(token), lives.idle) if TOKEN.fullmatch(token) else None
    if found is None:
        raise NotSignedIn("the session has ended; sign in again")
    return Caller(found.workspace, found.user_id, frozenset(found.roles), origin, found.session_id, must_reset=found.must_reset)


async def by_key(connection: Connection, text: str, origin: Origin, page: str | None) -> Caller:
    """Whose service key it is; the transaction names their workspace from here on. Raises NotSignedIn."""
    found = await users.enter_by_key(connection, _hash(text)) if looks_like_service_key(text) else None
    if found is None:
        raise NotSignedIn("there is no such service key, or it was revoked, disabled, or has expired")
    if not Places(tuple(found.allowed_urls), tuple(found.allowed_addresses)).admits(Place(origin.address, page)):
        raise NotSignedIn("this service key may not be used from this address, or from this page")
    return Caller(found.workspace, found.user_id, frozenset(found.roles), origin, key_id=found.key_id)


async def by_subject(connection: Connection, subject: Subject, origin: Origin) -> Caller:
    """Which user a verified token's subject is; the transaction names their workspace from here on. Raises NotSignedIn."""
    await name_workspaces(connection, [subject.workspace])
    found = await issuers.enter_by_subject(connection, *subject)
    if found is None:
        raise NotSignedIn("this subject of this issuer is no user of the workspace; a Super Admin can link it")
    return Caller(subject.workspace, found.user_id, frozenset(found.roles), origin)


async def change_password(
    store: Store, passwords: Passwords, caller: Caller, present: str, wanted: str, tell: Tell, *, reason: str | None = None
) -> None:
    """Give the caller another password; every other session of theirs ends, and they are told (S23).

    Raises InvalidMessage, NotSignedIn, TooManyAttempts. Not one transaction: none is held open while passwords are hashed.
    """
    async with store.transaction([caller.workspace]) as connection:
        user = await find_user(connection, caller.workspace, caller.user_id)
        counted = attempts.of_change(caller.user_id)
        await attempts.count(connection, caller.workspace, counted)
    if not (await compared(store, passwords, (caller.workspace, counted), user.password_hash, present)).holds:
        raise InvalidMessage("the present password is another one", code="wrong_password")
    async with store.transaction([caller.workspace]) as connection:
        await attempts.succeeded(connection, caller.workspace, counted)
    await passwords.judge(wanted, [user.email, user.given_name or "", user.last_name or "", caller.workspace])
    hashed = await passwords.hash(wanted)
    async with store.transaction([caller.workspace]) as connection:
        again = await find_user(connection, caller.workspace, caller.user_id, will_write=True)
        if again.password_hash != user.password_hash:
            raise InvalidMessage("the present password is another one", code="wrong_password")
        await users.set_password(connection, again, hashed, must_reset=False, is_change=True)
        await users.end_sessions(connection, caller.workspace, caller.user_id, but=caller.session_id)
        await tell(connection, again)
        act = log.Act(caller.actor, "password_changed", "users", str(caller.user_id), again.version + 1, reason, origin=caller.origin)
        await log.append(connection, caller.workspace, [act])


async def sign_out(connection: Connection, caller: Caller) -> None:
    """End the session that calls."""
    if caller.session_id is not None:
        await users.end_session(connection, caller.workspace, caller.session_id)


async def as_user(connection: Connection, caller: Caller) -> Caller:
    """The caller with the roles that the store knows now."""
    await name_workspaces(connection, [caller.workspace])
    row = await users.user_by_id(connection, caller.workspace, caller.user_id)
    if row is None or not row.is_enabled or row.archived_at is not None:
        raise NotSignedIn("the user is disabled by now")
    return replace(caller, roles=frozenset(row.roles))


async def compared(
    store: Store, passwords: Passwords, counted: tuple[str, Sequence[Bucket]], stored: str | None, password: str
) -> Verified:
    """What comparing found. What is too busy to be compared is not counted, of (workspace, buckets)."""
    try:
        return await passwords.verify(stored, password)
    except TemporaryError:
        async with store.transaction([counted[0]]) as connection:
            await attempts.take_back(connection, *counted)
        raise


async def hashed_anew(passwords: Passwords, password: str) -> str | None:
    """The password under the present parameters, unless that has to wait for another time."""
    with suppress(TemporaryError):
        return await passwords.hash(password)
    return None


def _known_email(email: str) -> str:
    """As users are found by it, and failures counted: spelt otherwise, it is no free attempt (S34)."""
    try:
        return email_of(email)
    except InvalidMessage:
        return "no address"


def _hash(text: str) -> bytes:
    return sha256(text.encode()).digest()
