"""Choosing another password by a link that was sent to the user's address (security.md, S23, S24): whoever has it has proved the address.

A link is good for 30 minutes and one use; opening it changes nothing, since its secret lies behind the `#`, which no browser sends, and
only a POST uses it. It is not bound to the browser that asked (S9): an operator may have asked for it, not the user. Whoever forgot
their password asks for one themselves, and so may anybody: the password that there is, sessions and other links go on until it is used.
Called by the User API.
"""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from onefold.access import attempts, links
from onefold.access.caller import Caller
from onefold.errors import Refused
from onefold.records import log, password_resets, users

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from onefold.access.passwords import Passwords
    from onefold.access.sessions import Tell
    from onefold.records.log import Origin
    from onefold.records.store import Connection, Store
    from onefold.records.users import UserRow

    SendLink = Callable[[Connection, UserRow, str], Awaitable[None]]
    """Sends a user the link that ends with a token."""

LIFE: Final = timedelta(minutes=30)
MOST_USES: Final = 10
"""Of one link: a password that is refused does not use it up."""
_TOKEN: Final = re.compile(r"([a-z0-9][a-z0-9_-]{0,62})\.([A-Za-z0-9_-]{43})")
_PAGE: Final = "reset-password"


class ResetRefused(Refused):
    """The link opens nothing; which of all reasons it is, is not said."""

    code = "reset_refused"


async def begin(connection: Connection, user: UserRow) -> str:
    """Make a link's token for a user, which names their workspace and holds 256 random bits; it is stored nowhere."""
    secret = secrets.token_urlsafe(32)
    await password_resets.begin(connection, user.workspace, user.user_id, _hash(secret), LIFE)
    return f"{user.workspace}.{secret}"


async def ask(store: Store, named: tuple[str, str], origin: Origin, send: SendLink) -> None:
    """Send a link to the user of (workspace, e-mail), if there is one. Raises what `send_if_known` does."""

    async def make(connection: Connection, user: UserRow) -> None:
        await send(connection, user, await begin(connection, user))
        act = log.Act(links.ANYBODY, "reset_asked", "users", str(user.user_id), user.version, origin=origin)
        await log.append(connection, user.workspace, [act])

    await links.send_if_known(store, named, origin.address, make)


def link(origin: str, token: str) -> str:
    """The link, at an origin that the installation's settings say (S13)."""
    return f"{origin.rstrip('/')}/{_PAGE}#{token}"


async def confirm(store: Store, passwords: Passwords, token: str, wanted: str, origin: Origin, tell: Tell) -> None:
    """Give the link's user another password, end all their sessions, and tell them. Raises ResetRefused, InvalidMessage, TooManyAttempts.

    Not one transaction: none is held open while a password is hashed.
    """
    read = _TOKEN.fullmatch(token)
    if read is None:
        raise _refusal()
    workspace, counted = read[1], attempts.of_link(origin.address)
    async with store.transaction([workspace]) as connection:
        await attempts.count(connection, workspace, counted)
        opened = await password_resets.count_use(connection, workspace, _hash(read[2]), MOST_USES)
        user = await users.user_by_id(connection, workspace, opened.user_id) if opened is not None else None
        if user is not None:
            await attempts.take_back(connection, workspace, counted)
    if opened is None or user is None:
        raise _refusal()
    await passwords.judge(wanted, [user.email, user.given_name or "", user.last_name or "", workspace])
    hashed = await passwords.hash(wanted)
    async with store.transaction([workspace]) as connection:
        present = await users.user_by_id(connection, workspace, user.user_id, will_write=True)
        is_open = present is not None and present.is_enabled and present.archived_at is None and present.email == user.email
        if present is None or not is_open or not await password_resets.use_up(connection, workspace, opened.reset_id):
            raise _refusal()
        await users.set_password(connection, present, hashed, must_reset=False, is_change=True)
        await users.end_sessions(connection, workspace, present.user_id)
        await tell(connection, present)
        actor = Caller(workspace, present.user_id, frozenset(present.roles), origin).actor
        act = log.Act(actor, "password_reset", "users", str(present.user_id), present.version + 1, origin=origin)
        await log.append(connection, workspace, [act])


def _refusal() -> ResetRefused:
    return ResetRefused("this link does not work: it was used, replaced by a newer one, or is older than 30 minutes; ask for another one")


def _hash(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
