"""The index in one incarnation: names entries, writes and reads their values, and knows which separations they are held against.

A new incarnation is a new life, of which nothing of the old one is true. Used by the resolver and by the index's upkeep.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from onefold.index.entries import SEEN_UNIT_SECONDS, Entry, EntryCodec
from onefold.index.keys import IndexKeys
from onefold.index.separations import Separations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onefold.identity.contact import Tenure


class Life:
    """What holds while the store has one incarnation. `secret` has 32 bytes."""

    def __init__(self, secret: bytes, incarnation: str) -> None:
        self.incarnation = incarnation
        self.since_xmin = 0
        """Separations from this transaction id on may be unknown to us."""
        self._separations = Separations()
        codec = EntryCodec(secret, incarnation)
        self.key = IndexKeys(secret, incarnation).key
        """The Redis key of (workspace, identifier key)."""
        self.decode = codec.decode
        """The entry under a Redis key; None where the value is missing, damaged, swapped or of another incarnation."""
        self._encode = codec.encode
        self.allows = self._separations.allows
        """Whether an entry of this bucket and xmin can be trusted, as far as separations are known."""
        self.separated = 0
        """How often separations were learnt that were not known before."""

    def value(self, key: bytes, tenure: Tenure, xmin: int) -> bytes | None:
        """What belongs under a Redis key. `xmin` is of the snapshot that the tenure was read in. None where it does not fit."""
        return self._encode(key, entry_of(tenure, xmin))

    def learn(self, separations: Iterable[tuple[int, int]], since_xmin: int, xmin: int) -> None:
        """Take in every separation from `since_xmin` on, as of a snapshot whose oldest running transaction is `xmin`."""
        self.separated += self._separations.learn(separations)
        # A fence that was under way when this life began has asked from where another one was: it leaves a gap below.
        if since_xmin <= self.since_xmin:
            self.since_xmin = max(self.since_xmin, xmin)


def entry_of(tenure: Tenure, xmin: int) -> Entry:
    """The entry of an open tenure."""
    seen = int(tenure.last_seen_at.timestamp()) // SEEN_UNIT_SECONDS * SEEN_UNIT_SECONDS
    return Entry(
        contact_id=tenure.contact_id.bytes,
        tenure_id=tenure.tenure_id,
        assurance=int(tenure.assurance),
        start_s=ceil(tenure.first_seen_at.timestamp()),
        seen_s=seen,
        used=tenure.used is not None and tenure.used.at.timestamp() >= seen,
        xmin=xmin,
    )
