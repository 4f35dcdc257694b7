"""The keys that verify identity tokens: made, taken over, revoked, and found again for a verifier.

Only elliptic-curve keys on P-256, and only their public halves: the private one stays with the workspace's own server. Any number may be
live at a time, so a rotation overlaps; a revoked one stops counting within 60 s everywhere (S59, F57). Nothing here commits: the caller's
transaction does. Called by the collector and by `onefold identity-keys`.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from onefold.access.keys import FRESH_SECONDS, GRACE_SECONDS, KeyNotFound
from onefold.errors import InvalidMessage, StoreUnavailable
from onefold.records.identity_keys import (
    IdentityKeyRow,
    NewIdentityKey,
    insert_identity_key,
    live_identity_keys,
    revoke_identity_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from onefold.records.store import Connection, Store

_CURVE: Final = "P-256"
_LONGEST_TITLE: Final = 200
_MOST_PEM_BYTES: Final = 10_000
_ASK_AGAIN_SECONDS: Final = 5.0
"""How soon an unknown `kid`, or a silent store, is asked about again: a flood of unknown ones costs a look-up in five seconds (S81)."""
_LOOK_UP_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class IdentityKey:
    """A key that a token may name, while it counts."""

    key_id: uuid.UUID
    public_key: ECKey
    not_before: datetime
    expires_at: datetime | None

    def counts_at(self, now: datetime) -> bool:
        """Whether a token that is shown now may be verified with it."""
        return self.not_before <= now and (self.expires_at is None or now < self.expires_at)


class CreatedIdentityKey(NamedTuple):
    """A new pair. `private_key` is to be shown once: it is stored nowhere."""

    private_key: str
    row: IdentityKeyRow


class Span(NamedTuple):
    """From when and until when a key counts; None is now, and for ever."""

    not_before: datetime | None = None
    expires_at: datetime | None = None


ALWAYS: Final = Span()


async def create_identity_key(tx: Connection, workspace: str, title: str, span: Span = ALWAYS) -> CreatedIdentityKey:
    """Make a pair and keep its public half. Raises WorkspaceNotFound, InvalidMessage."""
    pair = ECKey.generate_key(_CURVE)
    row = await _insert(tx, workspace, title, pair, span)
    return CreatedIdentityKey(pair.as_pem(private=True).decode(), row)


async def add_identity_key(tx: Connection, workspace: str, title: str, pem: bytes, span: Span = ALWAYS) -> IdentityKeyRow:
    """Take over the public half of a pair made elsewhere. Raises WorkspaceNotFound, InvalidMessage."""
    return await _insert(tx, workspace, title, read_public_key(pem), span)


async def revoke_identity(tx: Connection, workspace: str, key_id: uuid.UUID) -> IdentityKeyRow:
    """End a key, and all tokens signed with it, within 60 s everywhere. Raises KeyNotFound; a second time changes nothing."""
    row = await revoke_identity_key(tx, workspace, key_id)
    if row is None:
        raise KeyNotFound(f"workspace {workspace!r} has no identity key {key_id}; `onefold identity-keys list` shows those that it has")
    return row


def read_public_key(pem: bytes) -> ECKey:
    """The public key in a PEM file. Raises InvalidMessage for anything else, a private key above all: it must not leave its server."""
    if b"PRIVATE KEY" in pem:
        raise InvalidMessage(
            "this is a private key, which must not leave your server: give its public half (openssl pkey -in key.pem -pubout)",
            code="private_key",
        )
    try:
        key = ECKey.import_key(pem) if len(pem) <= _MOST_PEM_BYTES and pem.lstrip().startswith(b"-----BEGIN") else None
    except (JoseError, ValueError, TypeError):
        key = None
    if key is None or key.is_private or key.curve_name != _CURVE:
        raise InvalidMessage(
            "this is not the PEM of a public key on the curve P-256, which ES256 needs"
            " (openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 makes a pair)",
            code="invalid_public_key",
        )
    return key


async def _insert(tx: Connection, workspace: str, title: str, key: ECKey, span: Span) -> IdentityKeyRow:
    if not title.strip() or len(title) > _LONGEST_TITLE:
        raise InvalidMessage(f"a key's title has 1 to {_LONGEST_TITLE} characters", code="invalid_title")
    if span.not_before is not None and span.expires_at is not None and span.expires_at <= span.not_before:
        raise InvalidMessage("the key would expire before it begins to count", code="invalid_span")
    public = key.as_pem(private=False).decode()
    return await insert_identity_key(tx, NewIdentityKey(workspace, uuid.uuid4(), title, public, *span))


@dataclass(slots=True)
class _Known:
    """The live keys of a workspace, as the store had them at `verified_at`."""

    keys: Mapping[uuid.UUID, IdentityKey]
    verified_at: float
    asked_at: float
    fresh_until: float


class IdentityKeyRing:
    """Finds the keys of workspaces, remembering them for a while: revocation takes effect when they are forgotten.

    Concurrent questions about one workspace ask the store once. While the store is silent, what it said last holds for ten minutes, as
    for write keys. Holds as many workspaces as have live write keys.
    """

    def __init__(self, store: Store, *, fresh_seconds: float = FRESH_SECONDS, now: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._fresh_seconds = fresh_seconds
        self._now = now
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Task[_Known]] = {}

    async def find(self, workspace: str, key_id: uuid.UUID) -> IdentityKey | None:
        """The workspace's key of this id, if it is not revoked. Whether it counts now, it says itself. Raises StoreUnavailable."""
        known, now = self._known.get(workspace), self._now()
        if known is None or known.fresh_until <= now or (key_id not in known.keys and known.asked_at + _ASK_AGAIN_SECONDS <= now):
            known = await self._asked(workspace)
        return known.keys.get(key_id)

    async def _asked(self, workspace: str) -> _Known:
        task = self._asking.get(workspace)
        if task is None:
            task = self._asking[workspace] = asyncio.create_task(self._ask(workspace))
            task.add_done_callback(lambda _: self._asking.pop(workspace, None))
        return await asyncio.shield(task)

    async def _ask(self, workspace: str) -> _Known:
        asked_at = self._now()
        try:
            async with asyncio.timeout(_LOOK_UP_SECONDS), self._store.transaction([workspace]) as tx:
                rows = await live_identity_keys(tx, workspace)
        except (StoreUnavailable, TimeoutError) as error:
            known = self._known.get(workspace)
            if known is None or known.verified_at + GRACE_SECONDS < asked_at:
                raise StoreUnavailable("Postgres does not answer, so the identity token cannot be checked") from error
            known.asked_at, known.fresh_until = asked_at, asked_at + _ASK_AGAIN_SECONDS
            return known
        keys = {
            row.key_id: IdentityKey(row.key_id, read_public_key(row.public_key.encode()), row.not_before, row.expires_at) for row in rows
        }
        known = self._known[workspace] = _Known(keys, asked_at, asked_at, asked_at + self._fresh_seconds)
        return known
