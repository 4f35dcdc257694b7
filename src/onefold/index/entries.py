"""An index entry: 40 bytes that say whom an identifier belongs to, since when, how surely, and how old that knowledge is.

Bits, from the most significant: contact id 128, tenure id 38, assurance 2, start 32 (seconds since 1970, rounded up), seen 24 (units of
256 seconds since 2000, rounded down), used 1, unused 1, xmin 46; then a keyed MAC of 48 bits over incarnation, Redis key and those 34
bytes. Rounding is conservative: an entry never claims to be older than its tenure, nor fresher than its last use. What does not fit
its bits has no entry, and costs a read of Postgres.
"""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest
from typing import Final, NamedTuple

LENGTH: Final = 40
BODY: Final = 34
SEEN_UNIT_SECONDS: Final = 256
SEEN_EPOCH: Final = 946_684_800
"""2000-01-01 in seconds since 1970; 24 bits of 256 seconds reach to 2136."""

_TENURE_BITS, _ASSURANCE_BITS, _START_BITS, _SEEN_BITS, _XMIN_BITS = 38, 2, 32, 24, 46


class Entry(NamedTuple):
    """What the index knows of one identifier."""

    contact_id: bytes
    tenure_id: int
    assurance: int
    start_s: int
    """The tenure's first event, in seconds since 1970, rounded up: older events are not its own."""
    seen_s: int
    """Last recorded use, in seconds since 1970, rounded down."""
    used: bool
    """Last use together with a personal identifier is as recent as `seen_s`; always so for personal identifiers."""
    xmin: int
    """The oldest transaction that was running when the writer read: separations from there on make the entry doubtful."""


class EntryCodec:
    """Writes and reads entries of one incarnation. `secret` has 32 bytes."""

    def __init__(self, secret: bytes, incarnation: str) -> None:
        self._base = blake2b(incarnation.encode() + b"\0", digest_size=LENGTH - BODY, key=secret, person=b"onefold-index-m")

    def encode(self, key: bytes, entry: Entry) -> bytes | None:
        """The value for a Redis key, or None where a field does not fit its bits."""
        seen = (entry.seen_s - SEEN_EPOCH) // SEEN_UNIT_SECONDS
        start = max(0, entry.start_s)
        fits = entry.tenure_id >> _TENURE_BITS == 0 and start >> _START_BITS == 0 and entry.xmin >> _XMIN_BITS == 0
        if not fits or seen < 0 or seen >> _SEEN_BITS:
            return None
        number = int.from_bytes(entry.contact_id)
        number = number << _TENURE_BITS | entry.tenure_id
        number = number << _ASSURANCE_BITS | entry.assurance
        number = number << _START_BITS | start
        number = number << _SEEN_BITS | seen
        number = number << 2 | entry.used << 1
        number = number << _XMIN_BITS | entry.xmin
        body = number.to_bytes(BODY)
        return body + self._mac(key, body)

    def decode(self, key: bytes, value: bytes | None) -> Entry | None:
        """The entry under a Redis key; None for whatever is missing, damaged, swapped or of another incarnation."""
        if value is None or len(value) != LENGTH:
            return None
        body = value[:BODY]
        if not compare_digest(self._mac(key, body), value[BODY:]):
            return None
        number = int.from_bytes(body[16:])
        return Entry(
            body[:16],
            number >> 106,
            number >> 104 & 0b11,
            number >> 72 & 0xFFFFFFFF,
            (number >> 48 & 0xFFFFFF) * SEEN_UNIT_SECONDS + SEEN_EPOCH,
            bool(number >> 47 & 1),
            number & 0x3FFFFFFFFFFF,
        )

    def _mac(self, key: bytes, body: bytes) -> bytes:
        state = self._base.copy()
        state.update(key + body)
        return state.digest()
