"""I7: each contact's versions were told one after the other, and what was told last is what the row says.

Memory: about 400 bytes for each contact of one pass. A pass takes a range of ids, which are hashes, so passes are alike; many contacts
take several passes over `contacts.changed`, of which each decodes its own messages only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID
from zlib import crc32

import msgspec

from onefold.messages.contacts import ContactChange, ContactSnapshot
from onefold.messages.topics import CONTACTS_CHANGED
from onefold.ops.check.differences import Found
from onefold.records import checks
from onefold.records.changes import snapshot_of
from onefold.topics.admin import list_topics
from onefold.topics.tail import follow_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from onefold.identity.contact import Contact
    from onefold.ops.check.look import Look

CONTACTS_A_PASS = 500_000
IDS = 1 << 128

# Being seen again changes times alone, and no version. A contact with more identifiers than are listed is compared by their number.
FIELDS = (
    "type", "given_name", "last_name", "email", "phone", "is_vendor", "organization_id", "organization_name", "attributes", "tags",
    "archived_at", "consent", "profiles", "taxonomies", "workflows", "relationships", "owners", "followers",
    "identifiers_total", "identifiers",
)  # fmt: skip
NAMES = (*FIELDS, "merged_into")
TIMES = ("first_seen_at", "last_seen_at")

_decode = msgspec.json.Decoder(ContactChange).decode
_encode = msgspec.json.Encoder(order="deterministic").encode


async def changes_gapless(look: Look) -> Found:
    """I7. Rows and outbox are one snapshot; the topic is read after it, so what had left the outbox by then is there."""
    examined, found = look.examined, Found()
    horizon = time.time() * 1000 - await _compaction_lag_ms(look)
    async with checks.looking(examined.store, examined.workspaces) as connection:
        contacts = await connection.fetchval(checks.COUNT_CONTACTS)
    for first, last in passes(contacts):
        versions = Versions(horizon)
        low, high = str(first).encode(), str(last).encode()
        async with checks.looking(examined.store, examined.workspaces) as connection:
            async for contact in checks.listed_contacts(connection, first, last, sorted(examined.workspaces)):
                versions.row(contact)
            waiting = [each async for each in checks.waiting_changes(connection, low, high)]
        async for record in follow_topic(examined.kafka, CONTACTS_CHANGED, from_start=True, to_end=True):
            if record.key is None or not low <= record.key <= high:
                continue
            if record.value is None:
                versions.erased(UUID(record.key.decode()))
                continue
            try:
                change = _decode(record.value)
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                found.add(f"{CONTACTS_CHANGED}/{record.partition} offset {record.offset}", "cannot be read")
                continue
            if examined.sees(change.workspace):
                versions.told(change, record.timestamp_ms)
        for key, payload in waiting:
            versions.waiting(key, payload, examined.sees)
        versions.compare(found)
    return found


def passes(contacts: int, most: int = CONTACTS_A_PASS) -> Iterator[tuple[UUID, UUID]]:
    """Ranges of ids, first and last, each with about as many contacts."""
    count = max(1, -(-contacts // most))
    for number in range(count):
        yield UUID(int=IDS * number // count), UUID(int=IDS * (number + 1) // count - 1)


async def _compaction_lag_ms(look: Look) -> float:
    reports = await list_topics(look.examined.kafka)
    return next(float(each.config.get("min.compaction.lag.ms", "0")) for each in reports if each.topic == CONTACTS_CHANGED)


@dataclass(slots=True)
class _Known:
    """What is known of one contact: its row, and what was told of it."""

    row_version: int = 0
    """0: there is no row."""
    row_prints: bytes = b""
    created_ms: float = 0.0
    told: int = 0
    """The last version that was told."""
    told_ms: float = 0.0
    incarnation: int = 0
    prints: bytes = b""
    is_erased: bool = False
    has_tombstone: bool = False
    """The last that was told is one."""


@dataclass(slots=True)
class Versions:
    """Rows of contacts, and what was told of them, in the order in which it was told."""

    horizon_ms: float
    """What is older than this time compaction may have removed."""
    _known: dict[bytes, _Known] = field(default_factory=dict)
    _gaps: list[tuple[bytes, int, int]] = field(default_factory=list)
    _incarnations: dict[str, int] = field(default_factory=dict)

    def row(self, contact: Contact) -> None:
        """A contact as it is, with the identifiers that a message would list."""
        known = self._known.setdefault(contact.contact_id.bytes, _Known())
        known.row_version, known.created_ms = contact.version, contact.created_at.timestamp() * 1000
        known.is_erased = contact.erased_at is not None
        snapshot = snapshot_of(contact, contact.listed) if contact.merged_into is None else None
        known.row_prints = prints(snapshot, contact.merged_into)

    def told(self, change: ContactChange, at_ms: float, *, from_outbox: bool = False) -> None:
        """The next message of the topic; after its end, what waits in the outbox. Repeats are no news."""
        raw = change.contact_id.bytes
        known = self._known.setdefault(raw, _Known())
        incarnation = self._incarnations.setdefault(change.incarnation, len(self._incarnations) + 1)
        if incarnation != known.incarnation and not from_outbox and (known.told or known.has_tombstone):
            # A store that lost commits goes on from an earlier version, under another incarnation. So does a restored one that erases
            # again, behind the tombstone that it goes by.
            known.told = min(known.told or change.version, change.version - 1)
        known.has_tombstone = False
        known.incarnation = incarnation
        if change.version <= known.told:
            return
        if change.version > known.told + 1 and (known.told_ms if known.told else known.created_ms) >= self.horizon_ms:
            self._gaps.append((raw, known.told + 1, change.version - 1))
        known.told, known.told_ms = change.version, at_ms
        known.prints = prints(change.contact, change.merged_into)

    def waiting(self, key: bytes, payload: bytes | None, sees: Callable[[str], bool]) -> None:
        """The next row of the outbox, once all of the topic was told."""
        if payload is None:
            self.erased(UUID(key.decode()))
        elif sees((change := _decode(payload)).workspace):
            self.told(change, time.time() * 1000, from_outbox=True)

    def erased(self, contact_id: UUID) -> None:
        """A tombstone: nothing is known of the contact any more, unless it is told anew."""
        known = self._known.get(contact_id.bytes)
        if known is not None and known.row_version:
            known.told, known.told_ms, known.prints, known.has_tombstone = 0, 0.0, b"", True
        elif known is not None:
            del self._known[contact_id.bytes]

    def compare(self, found: Found) -> None:
        """What differs."""
        for raw, first, last in self._gaps:
            found.add(f"contact {UUID(bytes=raw)}", f"versions {first} to {last} were not told before version {last + 1}")
        for raw, known in self._known.items():
            found.checked += 1
            trouble = _trouble(known)
            if trouble is not None:
                found.add(f"contact {UUID(bytes=raw)}", trouble)


def _trouble(known: _Known) -> str | None:
    if not known.row_version:
        return f"was told up to version {known.told}, and there is no such row"
    if known.is_erased:
        return f"was erased, and what was told last is version {known.told}, and no tombstone" if known.told else None
    if known.told != known.row_version:
        return f"its row is at version {known.row_version}; told, or waiting in the outbox, is version {known.told}"
    if known.prints != known.row_prints:
        width = len(known.prints) // len(NAMES)
        pairs = zip(NAMES, range(0, len(known.prints), width), strict=True)
        fields = [name for name, at in pairs if known.prints[at : at + width] != known.row_prints[at : at + width]]
        return f"version {known.told} was told otherwise than its row is now: {', '.join(fields)}"
    return None


def prints(snapshot: ContactSnapshot | None, merged_into: UUID | None) -> bytes:
    """A checksum for each of NAMES. An absorbed contact has nothing but whom it leads to."""
    values: list[object] = [None] * len(FIELDS)
    if snapshot is not None:
        values = [getattr(snapshot, name) for name in FIELDS]
        values[FIELDS.index("attributes")] = canonical(snapshot.attributes)
        values[FIELDS.index("relationships")] = canonical(msgspec.to_builtins(snapshot.relationships))
        values[FIELDS.index("identifiers")] = _identifiers(snapshot)
    return b"".join(crc32(_encode(value)).to_bytes(4, "big") for value in (*values, merged_into))


def _identifiers(snapshot: ContactSnapshot) -> object:
    if snapshot.identifiers_total > len(snapshot.identifiers):
        return None
    listed = [{name: value for name, value in msgspec.structs.asdict(each).items() if name not in TIMES} for each in snapshot.identifiers]
    return sorted(listed, key=lambda each: (each["semantic_type"], each["normalised"]))


def canonical(value: object) -> object:
    """A value in one form: Postgres keeps numbers as decimals, so 1.0 and 1, or 1e20 and its digits, are the same there."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return {"number": str(value)}
    if isinstance(value, dict):
        return {key: canonical(each) for key, each in value.items()}
    if isinstance(value, list):
        return [canonical(each) for each in value]
    return value
