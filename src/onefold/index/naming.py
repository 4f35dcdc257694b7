"""How events name their visitors: read once, and remembered with all that follows from it.

Visitors come in visits, and name themselves by the same bytes each time. So what those bytes mean (identifiers under the workspace's
rules, the record's key, the names of their entries in Redis, and what those said last) is kept by the bytes, and a known visitor costs
one look into a dictionary. Called by the resolver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity.separation import bucket
from onefold.messages.codec import decode_identifiers
from onefold.messages.interactions import record_key
from onefold.messages.reading import identify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.identity.identifiers import Dropped, Identifier
    from onefold.identity.rules import Rules
    from onefold.index.life import Life
    from onefold.index.recognise import Voucher
    from onefold.messages.interactions import SkimmedInteraction, WireIdentifier

MOST_BYTES = 3_000_000
"""Of namings as they came, that are remembered: some 25,000 visitors. What follows from them takes twenty to thirty times as much."""
LONGEST_KEPT = 1_024
"""Bytes of a naming that is remembered."""


class Naming:
    """The identifiers of events that name their visitor by the same bytes, once it has them under one state of the rules."""

    __slots__ = (
        "buckets",
        "dropped",
        "hits",
        "identifiers",
        "keys",
        "life",
        "record_key",
        "rules",
        "values",
        "voucher",
        "wire",
        "workspace",
    )

    def __init__(self, workspace: str, wire: Sequence[WireIdentifier]) -> None:
        """What `wire` means is not known before the rules are: `Namings.under`."""
        self.workspace = workspace
        self.wire = wire
        self.record_key = record_key(workspace, wire)
        self.rules: Rules | None = None
        self.identifiers: tuple[Identifier, ...] = ()
        self.dropped: tuple[Dropped, ...] = ()
        self.life: Life | None = None
        """In which life of the index what follows holds."""
        self.keys: list[bytes] = []
        self.buckets: list[int] = []
        self.values: list[bytes | None] = []
        """What Redis said last."""
        self.hits = 0
        """How many of those values are entries."""
        self.voucher: Voucher | None = None
        """Whom those entries name together."""

    def begin(self, life: Life) -> None:
        """Nothing that the index said in another life holds."""
        self.life = life
        self.keys = [life.key(self.workspace, each.key) for each in self.identifiers]
        self.buckets = [bucket(self.workspace, each.key) for each in self.identifiers]
        self.values, self.hits, self.voucher = [], 0, None


class Namings:
    """The namings that one worker remembers."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, bytes], Naming] = {}
        self._bytes = 0

    def of(self, message: SkimmedInteraction) -> Naming:
        """How a message names its visitor, under whatever rules. Raises InvalidMessage."""
        raw = bytes(message.identifiers)
        return self._kept.get((message.workspace, raw)) or self._keep(message.workspace, raw, decode_identifiers(raw))

    def under(self, rules: Rules, message: SkimmedInteraction, naming: Naming) -> Naming:
        """The same under these rules."""
        if naming.rules is not rules:
            if naming.rules is not None:  # batches that were read under those go on with the naming that they have
                naming = self._keep(naming.workspace, bytes(message.identifiers), naming.wire)
            naming.rules = rules
            naming.identifiers, naming.dropped = identify(naming.wire, rules)
        return naming

    def _keep(self, workspace: str, raw: bytes, wire: Sequence[WireIdentifier]) -> Naming:
        naming = Naming(workspace, wire)
        if len(raw) <= LONGEST_KEPT:
            self._bytes += len(raw)
            if self._bytes > MOST_BYTES:
                self._kept.clear()
                self._bytes = len(raw)
            self._kept[workspace, raw] = naming
        return naming
