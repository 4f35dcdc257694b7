"""Links that go to a user's address because somebody, who may be anybody, asked for one by naming it (security.md, S14, S26 to S29).

Whoever asks is answered alike: for an e-mail that nobody has, the same is done, and taken back before the end of the transaction. Counted
in Postgres by the e-mail, however it is spelt (S34), and by the block of addresses that asks; from where its user has signed in before it
is counted apart, so that what strangers do elsewhere holds up nobody (S36). Called by its siblings for each kind of link.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from onefold.access.attempts import TooManyAttempts, block
from onefold.access.emails import email_of, folded
from onefold.records import users, validation_counts, workspaces
from onefold.records.users import UserRow
from onefold.records.validation_counts import Limit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from onefold.records.store import Connection, Store

    Send = Callable[[Connection, UserRow], Awaitable[None]]
    """Makes a link for a user and sends it, in the transaction that it is given."""

ANYBODY: Final = "anybody"
"""How the log names whoever did not show who they are."""
_HOUR: Final = timedelta(hours=1)
_NONE: Final = timedelta(0)
SENDS: Final = Limit(_HOUR, 5, timedelta(seconds=30), timedelta(minutes=10))
"""Messages to one address."""
SENDS_FROM_BLOCK: Final = Limit(_HOUR, 20, _NONE, _NONE)
"""Messages that one block of addresses asks for."""


class AskedTooOften(TooManyAttempts):
    """Links were asked for too often; later there may be another."""

    code = "too_many_requests"
    said = "that was too often"


async def send_if_known(store: Store, named: tuple[str, str], address: str | None, send: Send) -> None:
    """Send to the user of (workspace, e-mail), if there is one who may sign in. Raises InvalidMessage, AskedTooOften."""
    workspace, email = named[0], email_of(named[1])
    async with store.transaction([workspace]) as connection:
        if not await workspaces.exists(connection, workspace):
            return
        known = await users.known_addresses(connection, workspace, email)
        await _count(connection, workspace, (email, address), known)
        user = await users.user_by_email(connection, workspace, email)
        is_known = user is not None and user.is_enabled
        savepoint = connection.transaction()
        await savepoint.start()
        await send(connection, user if user is not None and is_known else _nobody(workspace, email))
        await (savepoint.commit() if is_known else savepoint.rollback())


async def _count(connection: Connection, workspace: str, asked: tuple[str, str | None], known: Iterable[str]) -> None:
    """Count one more message to (e-mail, from address). Raises AskedTooOften: then roll back."""
    email, place = folded(asked[0]), block(asked[1])
    is_known = place in {block(each) for each in known}
    counted = [(_name("links", email, place if is_known else ""), SENDS)]
    if not is_known:
        counted.append((_name("links_from", place), SENDS_FROM_BLOCK))
    for bucket, limit in sorted(counted):  # one order, so that two wait for one another and not for each other
        wait = await validation_counts.count(connection, workspace, bucket, limit)
        if wait is not None:
            raise AskedTooOften(wait)
    await validation_counts.forget_old(connection, workspace)


def _nobody(workspace: str, email: str) -> UserRow:
    now = datetime.now(UTC)
    return UserRow(workspace, uuid.uuid4(), email, None, None, [], None, False, True, 1, now, now, None)


def _name(*parts: str) -> bytes:
    return sha256("\0".join(parts).encode()).digest()
