"""Write keys: what an SDK shows to the collector, and what says whose events they are and how far to trust them.

A **public** key stands in pages and apps, and its events are *claimed*; a **secret** one stays on servers, and its events are
*asserted* (product.md, section 4). Both hold 256 random bits behind a prefix that a leak scanner knows. A secret key is shown once
and stored hashed (S58); a public one is no secret, so it is kept readable too. A workspace may have any number of live keys, so a
rotation overlaps (S59). Nothing here commits: the caller's transaction does. Called by the collector and by `onefold keys`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from onefold.errors import InvalidMessage, Refused, StoreUnavailable
from onefold.records.keys import KeyRow, NewKey, find_key, insert_key, revoke_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from onefold.records.store import Connection, Store

KeyKind = Literal["public", "secret"]

PREFIXES: Final[dict[str, str]] = {"public": "of_pub_", "secret": "of_sec_"}
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH: Final = 43
"""Digits of base 62 that 256 bits need."""
_PREFIXES: Final = tuple(PREFIXES.values())
_LONGEST_TITLE: Final = 200
_TEXT_LENGTH: Final = len("of_pub_") + _LENGTH

FRESH_SECONDS: Final = 30.0
"""How long a look-up holds. With one look-up's time on top it stays below the 60 s of S59."""
_RETRY_SECONDS: Final = 5.0
"""How long an unknown key is refused without a look-up, and how long a silent store is left alone."""
GRACE_SECONDS: Final = 600.0
"""How long a key that was good stays good while the store does not answer: a store that cannot be asked cannot be told of a
revocation either, and its outage must not become the collector's (F23, F28)."""
_LOOK_UP_SECONDS: Final = 5.0
_MOST_UNKNOWN: Final = 10_000


class KeyNotFound(Refused):
    """The workspace has no key of this id."""

    code = "key_not_found"


@dataclass(frozen=True, slots=True)
class WriteKey:
    """A key that was verified: whose events, and how sure."""

    key_id: uuid.UUID
    workspace: str
    secret: bool
    requires_identity: bool = False
    """A public key under which nobody is named without an identity token (S50, enforce mode)."""

    @property
    def assurance(self) -> Literal["claimed", "asserted"]:
        """What its events count as."""
        return "asserted" if self.secret else "claimed"


class CreatedKey(NamedTuple):
    """A new key. `text` is to be shown once: for a secret key it cannot be had again."""

    text: str
    row: KeyRow


def new_text(kind: KeyKind) -> str:
    """A key that nobody can guess: prefix and 256 random bits."""
    number = int.from_bytes(secrets.token_bytes(32))
    digits = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return PREFIXES[kind] + "".join(digits)


def looks_secret(text: str) -> bool:
    """Whether this is of the kind that must travel in headers only (S60). Says nothing about whether it exists."""
    return text.startswith(PREFIXES["secret"])


async def create_key(
    tx: Connection, workspace: str, kind: KeyKind, title: str, *, expires_at: datetime | None = None, requires_identity: bool = False
) -> CreatedKey:
    """Make a key of a workspace; only a public one can require identity tokens.

    Raises WorkspaceNotFound, or InvalidMessage where the title is blank or beyond 200 characters.
    """
    if requires_identity and kind == "secret":
        raise InvalidMessage("a secret key asserts by itself, so it cannot require identity tokens", code="invalid_kind")
    if not title.strip() or len(title) > _LONGEST_TITLE:
        raise InvalidMessage(f"a key's title has 1 to {_LONGEST_TITLE} characters", code="invalid_title")
    text = new_text(kind)
    shown = text if kind == "public" else f"{PREFIXES[kind]}…{text[-4:]}"
    row = await insert_key(tx, NewKey(workspace, uuid.uuid4(), kind, title, _hash(text), shown, expires_at, requires_identity))
    return CreatedKey(text, row)


async def revoke(tx: Connection, workspace: str, key_id: uuid.UUID) -> KeyRow:
    """End a key, everywhere within 60 s (S59). Raises KeyNotFound; a second time changes nothing."""
    row = await revoke_key(tx, workspace, key_id)
    if row is None:
        raise KeyNotFound(f"workspace {workspace!r} has no key {key_id}; `onefold keys list` shows those that it has")
    return row


def _hash(text: str) -> bytes:
    return sha256(text.encode()).digest()


@dataclass(slots=True)
class _Good:
    """A key that the store knew at `verified_at`; to be asked about again after `fresh_until`."""

    key: WriteKey
    verified_at: float
    fresh_until: float


class KeyRing:
    """Verifies keys, remembering each answer for a while: revocation takes effect when it is forgotten.

    Concurrent questions about one key ask the store once. Unknown keys are remembered apart, more briefly, and only so many, so that
    guessing drives out no good key. While the store is silent, keys that were good stay so for ten minutes.
    """

    def __init__(self, store: Store, *, fresh_seconds: float = FRESH_SECONDS, now: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._fresh_seconds = fresh_seconds
        self._now = now
        self._good: dict[bytes, _Good] = {}
        self._unknown: OrderedDict[bytes, float] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[WriteKey | None]] = {}

    async def verify(self, text: str) -> WriteKey | None:
        """The live key with this text, or None. Raises StoreUnavailable."""
        if len(text) != _TEXT_LENGTH or not text.startswith(_PREFIXES):
            return None
        key_hash = _hash(text)
        good = self._good.get(key_hash)
        if good is not None and good.fresh_until > self._now():
            return good.key
        if self._unknown.get(key_hash, 0.0) > self._now():
            return None
        task = self._asking.get(key_hash)
        if task is None:
            task = self._asking[key_hash] = asyncio.create_task(self._ask(key_hash))
            task.add_done_callback(lambda _: self._asking.pop(key_hash, None))
        return await asyncio.shield(task)

    async def _ask(self, key_hash: bytes) -> WriteKey | None:
        asked_at = self._now()
        try:
            async with asyncio.timeout(_LOOK_UP_SECONDS), self._store.connection() as connection:
                found = await find_key(connection, key_hash)
        except (StoreUnavailable, TimeoutError) as error:
            good = self._good.get(key_hash)
            if good is None or good.verified_at + GRACE_SECONDS < asked_at:
                raise StoreUnavailable("Postgres does not answer, so the write key cannot be checked") from error
            good.fresh_until = self._now() + _RETRY_SECONDS
            return good.key
        if found is None:
            self._forget(key_hash, asked_at + _RETRY_SECONDS)
            return None
        key = WriteKey(found.key_id, found.workspace, found.kind == "secret", found.requires_identity)
        self._good[key_hash] = _Good(key, asked_at, asked_at + self._fresh_seconds)
        self._unknown.pop(key_hash, None)
        return key

    def _forget(self, key_hash: bytes, until: float) -> None:
        self._good.pop(key_hash, None)
        self._unknown[key_hash] = until
        self._unknown.move_to_end(key_hash)
        if len(self._unknown) > _MOST_UNKNOWN:
            self._unknown.popitem(last=False)
