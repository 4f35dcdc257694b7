"""Write keys: what an SDK shows to the collector, and what says whose events they are and how far to trust them.

A **public** key stands in pages and apps, and its events are *claimed*; a **secret** one stays on servers, and its events are
*asserted* (product.md, section 4). Both hold 256 random bits behind a prefix that a leak scanner knows. A secret key is shown once
and stored hashed (S58); a public one is no secret, so it is kept readable too. A workspace may have any number of live keys, so a
rotation overlaps (S59). Nothing here commits: the caller's transaction does. Called by the collector and by `onefold keys`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import secrets
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast

from onefold.access.places import EVERYWHERE, Places
from onefold.errors import InvalidMessage, Refused, StoreUnavailable
from onefold.records.keys import KeyRow, NewKey, end_key, find_key, get_key, insert_key, revoke_key, update_key
from onefold.records.store import name_workspaces

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from onefold.records.store import Connection, Store

KeyKind = Literal["public", "secret", "service"]

PREFIXES: Final[dict[str, str]] = {"public": "of_pub_", "secret": "of_sec_", "service": "of_srv_"}
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH: Final = 43
"""Digits of base 62 that 256 bits need."""
_WRITE_PREFIXES: Final = (PREFIXES["public"], PREFIXES["secret"])
_LONGEST_TITLE: Final = 200
LONGEST_OVERLAP: Final = timedelta(days=30)
_LONGEST_DESCRIPTION: Final = 2_000
_MOST_LIMITS: Final = 100
_URL: Final = re.compile(r"https?://(\*\.)?[A-Za-z0-9.\-]{1,253}(:(\*|[0-9]{1,5}))?(/[^\s\x00]{0,500})?")
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


class KeyEnded(Refused):
    """The key was revoked, or has expired."""

    code = "key_ended"


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
    places: Places = EVERYWHERE
    """From where it may be used."""

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
    """Whether this is of a kind that must travel in headers only (S60). Says nothing about whether it exists."""
    return text.startswith((PREFIXES["secret"], PREFIXES["service"]))


def looks_like_service_key(text: str) -> bool:
    """Whether this has the form of a service key. Says nothing about whether it exists."""
    return len(text) == _TEXT_LENGTH and text.startswith(PREFIXES["service"])


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key is for, and where it may be used from. Empty lists allow everything."""

    description: str | None = None
    allowed_urls: Sequence[str] = ()
    """With wildcards: https://*.example.com/*."""
    allowed_addresses: Sequence[str] = ()
    """Addresses, or networks such as 10.0.0.0/8."""


async def create_key(
    tx: Connection,
    workspace: str,
    kind: KeyKind,
    title: str,
    *,
    expires_at: datetime | None = None,
    requires_identity: bool = False,
    limits: Limits = Limits(),
    user_id: uuid.UUID | None = None,
) -> CreatedKey:
    """Make a key of a workspace; only a public one can require identity tokens, and only a service key is a user's.

    Raises WorkspaceNotFound, or InvalidMessage where something does not fit.
    """
    if requires_identity and kind != "public":
        raise InvalidMessage(f"a {kind} key asserts by itself, so it cannot require identity tokens", code="invalid_kind")
    if (kind == "service") != (user_id is not None):
        raise InvalidMessage("a service key needs the user that it speaks for, and no other key has one", code="invalid_kind")
    _check(title, limits)
    text = new_text(kind)
    shown = text if kind == "public" else f"{PREFIXES[kind]}…{text[-4:]}"
    described = (limits.description, list(limits.allowed_urls), list(limits.allowed_addresses), user_id)
    row = await insert_key(tx, NewKey(workspace, uuid.uuid4(), kind, title, _hash(text), shown, expires_at, requires_identity, *described))
    return CreatedKey(text, row)


async def edit_key(tx: Connection, key: KeyRow) -> KeyRow:
    """Store another title, description, limits, or whether it counts. Raises KeyNotFound, InvalidMessage."""
    _check(key.title, Limits(key.description, key.allowed_urls, key.allowed_addresses))
    row = await update_key(tx, key)
    if row is None:
        raise KeyNotFound(f"workspace {key.workspace!r} has no key {key.key_id}")
    return row


async def rotate_key(tx: Connection, before: KeyRow, overlap: timedelta) -> tuple[CreatedKey, KeyRow]:
    """Make the successor of a key, which goes on counting for a while (S59): the new one, and the old one as it is now. Raises KeyEnded."""
    if before.revoked_at is not None or (before.expires_at is not None and before.expires_at <= datetime.now(UTC)):
        raise KeyEnded("the key counts no more, so nothing is to be rotated; make a new one")
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise InvalidMessage(f"two keys overlap for {LONGEST_OVERLAP.days} days at most", code="invalid_overlap")
    made = await create_key(
        tx,
        before.workspace,
        cast("KeyKind", before.kind),
        before.title,
        requires_identity=before.requires_identity,
        limits=Limits(before.description, before.allowed_urls, before.allowed_addresses),
        user_id=before.user_id,
    )
    after = await end_key(tx, before.workspace, before.key_id, overlap)
    if after is None:
        raise KeyNotFound(f"workspace {before.workspace!r} has no key {before.key_id}")
    return made, after


async def found_key(tx: Connection, workspace: str, key_id: uuid.UUID) -> KeyRow:
    """A key. Raises KeyNotFound."""
    row = await get_key(tx, workspace, key_id)
    if row is None:
        raise KeyNotFound(f"workspace {workspace!r} has no key {key_id}")
    return row


def _check(title: str, limits: Limits) -> None:
    if not title.strip() or len(title) > _LONGEST_TITLE or "\0" in title:
        raise InvalidMessage(f"a key's title has 1 to {_LONGEST_TITLE} characters", code="invalid_title")
    if len(limits.description or "") > _LONGEST_DESCRIPTION or "\0" in (limits.description or ""):
        raise InvalidMessage(f"a key's description has at most {_LONGEST_DESCRIPTION} characters", code="invalid_description")
    if max(len(limits.allowed_urls), len(limits.allowed_addresses)) > _MOST_LIMITS:
        raise InvalidMessage(f"a key names at most {_MOST_LIMITS} URLs and {_MOST_LIMITS} addresses", code="too_many")
    for each in limits.allowed_urls:
        if _URL.fullmatch(each) is None:
            raise InvalidMessage(f"{each!r} is no URL, such as https://*.example.com/*", code="invalid_url")
    for each in limits.allowed_addresses:
        try:
            ipaddress.ip_network(each, strict=False)
        except ValueError as error:
            raise InvalidMessage(f"{each!r} is no address or network, such as 192.0.2.7 or 10.0.0.0/8", code="invalid_address") from error


async def revoke(tx: Connection, workspace: str, key_id: uuid.UUID) -> KeyRow:
    """End a key, everywhere within 60 s (S59). Raises KeyNotFound; a second time changes nothing."""
    row = await revoke_key(tx, workspace, key_id)
    if row is None:
        raise KeyNotFound(f"workspace {workspace!r} has no key {key_id}; `onefold keys list` shows those that it has")
    return row


async def _find(connection: Connection, key_hash: bytes) -> WriteKey | None:
    """The live write key with this hash; the transaction names its workspace from here on."""
    found = await find_key(connection, key_hash)
    if found is None:
        return None
    await name_workspaces(connection, [found.workspace])
    row = await get_key(connection, found.workspace, found.key_id)
    places = Places(tuple(row.allowed_urls), tuple(row.allowed_addresses)) if row is not None else EVERYWHERE
    return WriteKey(found.key_id, found.workspace, found.kind == "secret", found.requires_identity, places)


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
        if len(text) != _TEXT_LENGTH or not text.startswith(_WRITE_PREFIXES):
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
            async with asyncio.timeout(_LOOK_UP_SECONDS), self._store.begin() as connection:
                found = await _find(connection, key_hash)
        except (StoreUnavailable, TimeoutError) as error:
            good = self._good.get(key_hash)
            if good is None or good.verified_at + GRACE_SECONDS < asked_at:
                raise StoreUnavailable("Postgres does not answer, so the write key cannot be checked") from error
            good.fresh_until = self._now() + _RETRY_SECONDS
            return good.key
        if found is None:
            self._forget(key_hash, asked_at + _RETRY_SECONDS)
            return None
        self._good[key_hash] = _Good(found, asked_at, asked_at + self._fresh_seconds)
        self._unknown.pop(key_hash, None)
        return found

    def _forget(self, key_hash: bytes, until: float) -> None:
        self._good.pop(key_hash, None)
        self._unknown[key_hash] = until
        self._unknown.move_to_end(key_hash)
        if len(self._unknown) > _MOST_UNKNOWN:
            self._unknown.popitem(last=False)
