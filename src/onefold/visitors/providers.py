"""Signing in with a provider: who somebody is there is proved by its token, and no address is unless the provider may vouch for it (S45).

A person is `issuer|subject`: the same words of two issuers are two people, and an e-mail that a provider hands on is no way into the
record of whoever had it before. An e-mail that is not vouched for is a claim like one that was typed, and takes nothing from anybody.
Called by the Contact API.
"""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from onefold.access import attempts
from onefold.access.id_tokens import InvalidIdToken
from onefold.errors import InvalidMessage, TemporaryError
from onefold.identity.identifiers import identifier_key
from onefold.records import contact_sessions, validation_counts
from onefold.records.validation_counts import Limit
from onefold.visitors import capture, sessions
from onefold.visitors.capture import Lead
from onefold.visitors.telling import Address

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.access.id_tokens import IdTokens, SignedIn
    from onefold.records.store import Connection, Store
    from onefold.visitors.capture import Visit
    from onefold.visitors.sessions import Lives, Session
    from onefold.visitors.telling import Teller

OAUTH: Final = "oauth"
"""The semantic type of who somebody is at a provider, the method that proves it, and that of the session."""
SIGNED_IN: Final = "Signed in"
NAMED: Final = "Named by a provider"
VOUCHED_FOR: Final = "Address vouched for"
CLAIMED: Final = "Address told by a provider"
_NONE: Final = timedelta(0)
_ONCE: Final = Limit(timedelta(minutes=15), 1, _NONE, _NONE)
"""For longer than a token counts: ten minutes, and one that its clock may be ahead."""


class Token(NamedTuple):
    """A token as a page brings it."""

    text: str
    nonce: str | None
    client: str | None
    """The address that it comes from."""


def address_of(told: SignedIn) -> Address:
    """Who somebody is at a provider. An issuer has no vertical bar, so no two pairs are one text."""
    return Address(OAUTH, f"{told.issuer}|{told.subject}")


async def verify(store: Store, tokens: IdTokens, workspace: str, token: Token) -> SignedIn:
    """Whom a token names. Raises InvalidIdToken, TooManyAttempts, ProviderUnavailable.

    Counted before it is looked at. Not one transaction: none is held open while a provider is asked for its keys.
    """
    counted = attempts.of_provider(token.client)
    async with store.transaction([workspace]) as connection:
        await attempts.count(connection, workspace, counted)
    try:
        told = await tokens.verify(workspace, token.text, token.nonce)
    except TemporaryError:
        async with store.transaction([workspace]) as connection:
            await attempts.take_back(connection, workspace, counted)
        raise
    async with store.transaction([workspace]) as connection:
        await attempts.succeeded(connection, workspace, counted)
    return told


async def sign_in(connection: Connection, teller: Teller, visit: Visit, told: SignedIn, lives: Lives) -> Session:
    """Begin the session of whoever a provider says that somebody is.

    Raises InvalidIdToken for a token that signed somebody in before, InvalidMessage; Moved, and a race of the store's: roll back and
    repeat.
    """
    await _use_once(connection, visit.workspace, told.digest)
    address = address_of(told)
    key = identifier_key(*address)
    is_new = await contact_sessions.holder_of(connection, visit.workspace, key) is None
    await teller.tell(connection, visit, SIGNED_IN, [address], method=OAUTH)
    contact_id = await contact_sessions.holder_of(connection, visit.workspace, key)
    if contact_id is None:
        raise InvalidMessage(
            "nobody can sign in by a provider now; the service's rules keep it from being who you are", code="not_resolved"
        )
    if is_new:
        await _tell_names(connection, teller, visit, told)
    if told.email is not None and told.is_vouched_for:
        await _prove_email(connection, teller, visit, contact_id, (address, Address("email", told.email)))
    elif told.email is not None and is_new:
        await capture.capture(connection, visit, Lead(told.email), teller.shards, name=CLAIMED)
    return await sessions.begin(connection, visit.workspace, key, OAUTH, lives)


async def _tell_names(connection: Connection, teller: Teller, visit: Visit, told: SignedIn) -> None:
    """Once, so that what somebody says of themselves later stays; and with the subject alone, so that they follow no address (R9)."""
    names = {"given_name": told.given_name, "last_name": told.last_name}
    values = {name: value for name, value in names.items() if value is not None}
    if values:
        await teller.tell(connection, visit, NAMED, [address_of(told)], kind="identify", values=values)


async def _prove_email(connection: Connection, teller: Teller, visit: Visit, contact_id: UUID, both: tuple[Address, Address]) -> None:
    """The e-mail is the prover's as if they had typed its code, and both are one person's (R10). Not again where it is theirs already."""
    _, email = both
    normalised = await sessions.known(connection, visit.workspace, email)
    holder = await contact_sessions.holder_of(connection, visit.workspace, identifier_key("email", normalised))
    if holder != contact_id:
        await teller.tell(connection, visit, VOUCHED_FOR, [email], method=OAUTH)
        await teller.tell(connection, visit, VOUCHED_FOR, list(both), kind="identify")


async def _use_once(connection: Connection, workspace: str, digest: bytes) -> None:
    """Raises InvalidIdToken where a token was used: whoever sees one in a page or a log gains nothing by it."""
    bucket = sha256(b"id_token\0" + digest).digest()
    if await validation_counts.count(connection, workspace, bucket, _ONCE) is not None:
        raise InvalidIdToken("token_used")
    await validation_counts.forget_old(connection, workspace)
