"""The resolution index as the resolver uses it: look up a batch, keep what is valid, write back what a transaction learnt.

Binds keys, entries, separations and Redis together. An entry is a hint: what is missing, damaged, of another incarnation or made
doubtful by a separation is a miss, and a miss costs a read of Postgres (architecture, section 3).
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from onefold.identity.separation import bucket
from onefold.index.entries import SEEN_UNIT_SECONDS, Entry, EntryCodec
from onefold.index.keys import IndexKeys
from onefold.index.separations import Separations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from onefold.identity.contact import Tenure
    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.interaction import Interaction
    from onefold.index.lookup import Index

Named: TypeAlias = "tuple[str, IdentifierKey]"
"""Workspace and identifier key."""

MOST_KEPT = 50_000
"""Identifiers of which key, bucket and last value are remembered, at half a kilobyte each. Visitors come in visits: computing both and
checking the MAC of the same bytes again would be half of what recognising costs."""


class Hint(NamedTuple):
    """An undamaged entry that is not yet held against separations."""

    name: Named
    entry: Entry
    bucket: int


class Hints(NamedTuple):
    """What was found, and under which incarnation."""

    incarnation: str
    found: Sequence[Hint]


class _Kept:
    """What is remembered of an identifier: values of Redis are read each time, but decoded only when they differ from the last."""

    __slots__ = ("bucket", "hint", "key", "value")

    def __init__(self, key: bytes, bucket: int) -> None:
        self.key, self.bucket = key, bucket
        self.value: bytes | None = None
        self.hint: Hint | None = None


class ResolutionIndex:
    """One worker's view of the index. Shared by the partitions that it works on at once."""

    def __init__(self, index: Index, secret: bytes, looked_up: Callable[[int, int, int], None] = lambda *_: None) -> None:
        """`looked_up` is told how many identifiers of a batch were hits, misses, and doubtful by a separation."""
        self._index = index
        self._looked_up = looked_up
        self._secret = secret
        self._separations = Separations()
        self._kept: dict[Named, _Kept] = {}
        self.since_xmin = 0
        """Separations from this transaction id on may be unknown to us."""
        self._incarnation = ""
        self._keys = IndexKeys(secret, "")
        self._codec = EntryCodec(secret, "")

    async def look_up(self, interactions: Sequence[Interaction]) -> Hints:
        """What the index says of all identifiers of a batch, under the last known incarnation."""
        incarnation = self._incarnation
        if not incarnation:
            return Hints(incarnation, ())
        if len(self._kept) > MOST_KEPT:
            self._kept = {}
        kept, decode = self._kept, self._codec.decode
        asked: dict[Named, _Kept] = {}
        for each in interactions:
            workspace = each.workspace
            for identifier in each.identifiers:
                name = workspace, identifier.key
                if name not in asked:
                    asked[name] = kept.get(name) or self._keep(name)
        found = []
        for (name, mine), value in zip(asked.items(), await self._index.read([each.key for each in asked.values()]), strict=True):
            if value is None:
                continue
            if value != mine.value:
                entry = decode(mine.key, value)
                mine.value, mine.hint = value, Hint(name, entry, mine.bucket) if entry is not None else None
            if mine.hint is not None:
                found.append(mine.hint)
        self._looked_up(len(found), len(asked) - len(found), 0)
        return Hints(incarnation, found)

    def valid(
        self, hints: Hints, incarnation: str, since_xmin: int, xmin: int, separations: Iterable[tuple[int, int]]
    ) -> Mapping[Named, Entry]:
        """Those hints that nothing speaks against, after learning what the fence of this transaction read.

        `separations` are those from `since_xmin` on, as of a snapshot whose oldest running transaction is `xmin`.
        """
        if incarnation != self._incarnation:
            self._begin(incarnation)
            return {}
        self._separations.learn(separations)
        # A fence that was under way when a new life began has asked from where the old one was: it leaves a gap below.
        if since_xmin <= self.since_xmin:
            self.since_xmin = max(self.since_xmin, xmin)
        if hints.incarnation != incarnation:
            return {}
        allows = self._separations.allows
        valid = {name: entry for name, entry, bucket in hints.found if allows(bucket, entry.xmin)}
        self._looked_up(0, 0, len(hints.found) - len(valid))
        return valid

    async def write_back(self, tenures: Iterable[Tenure], incarnation: str, xmin: int) -> None:
        """Tell the index what a committed transaction knows. `xmin` is of the snapshot that it read with, never of a later one."""
        if incarnation != self._incarnation:
            return
        values = {}
        for tenure in tenures:
            name = tenure.workspace, tenure.key
            key = (self._kept.get(name) or self._keep(name)).key
            value = self._codec.encode(key, entry_of(tenure, xmin))
            if value is not None:
                values[key] = value
        if values:
            await self._index.write(values)

    def _begin(self, incarnation: str) -> None:
        """A new life of the store: nothing known of the old one holds, and the next fence reads every separation."""
        self._incarnation = incarnation
        self._keys, self._codec = IndexKeys(self._secret, incarnation), EntryCodec(self._secret, incarnation)
        self._separations = Separations()
        self._kept = {}
        self.since_xmin = 0

    def _keep(self, name: Named) -> _Kept:
        mine = self._kept[name] = _Kept(self._keys.key(*name), bucket(*name))
        return mine


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
