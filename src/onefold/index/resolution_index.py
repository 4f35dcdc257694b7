"""The resolution index as the resolver uses it: look up a batch, keep what is valid, write back what a transaction learnt.

Binds keys, entries, separations and Redis together. An entry is a hint: what is missing, damaged, of another incarnation or made
doubtful by a separation is a miss, and a miss costs a read of Postgres (architecture, section 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from onefold.identity.separation import bucket
from onefold.index.life import Life

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from onefold.identity.contact import Tenure
    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.interaction import Interaction
    from onefold.index.entries import Entry
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
    """What was found, and in which life of the index."""

    life: Life
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
        self._kept: dict[Named, _Kept] = {}
        self._life = Life(secret, "")

    @property
    def since_xmin(self) -> int:
        """Separations from this transaction id on may be unknown to us."""
        return self._life.since_xmin

    async def look_up(self, interactions: Sequence[Interaction]) -> Hints:
        """What the index says of all identifiers of a batch, under the last known incarnation."""
        life = self._life
        if not life.incarnation:
            return Hints(life, ())
        if len(self._kept) > MOST_KEPT:
            self._kept = {}
        kept, decode = self._kept, life.decode
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
        return Hints(life, found)

    def valid(
        self, hints: Hints, incarnation: str, since_xmin: int, xmin: int, separations: Iterable[tuple[int, int]]
    ) -> Mapping[Named, Entry]:
        """Those hints that nothing speaks against, after learning what the fence of this transaction read.

        `separations` are those from `since_xmin` on, as of a snapshot whose oldest running transaction is `xmin`. Partitions see a new
        incarnation at different moments, even back and forth: what was found in one life of the index says nothing in the next, whose
        first fence reads every separation there is.
        """
        if incarnation != self._life.incarnation:
            self._begin(incarnation)
            return {}
        life = self._life
        life.learn(separations, since_xmin, xmin)
        if hints.life is not life:
            return {}
        allows = life.allows
        valid = {name: entry for name, entry, bucket in hints.found if allows(bucket, entry.xmin)}
        self._looked_up(0, 0, len(hints.found) - len(valid))
        return valid

    async def write_back(self, tenures: Iterable[Tenure], incarnation: str, xmin: int) -> None:
        """Tell the index what a committed transaction knows. `xmin` is of the snapshot that it read with, never of a later one."""
        if incarnation != self._life.incarnation:
            return
        values = {}
        for tenure in tenures:
            name = tenure.workspace, tenure.key
            key = (self._kept.get(name) or self._keep(name)).key
            value = self._life.value(key, tenure, xmin)
            if value is not None:
                values[key] = value
        if values:
            await self._index.write(values)

    def _begin(self, incarnation: str) -> None:
        """A new life of the store: nothing known of the old one holds, and the next fence reads every separation."""
        self._life = Life(self._secret, incarnation)
        self._kept = {}

    def _keep(self, name: Named) -> _Kept:
        mine = self._kept[name] = _Kept(self._life.key(*name), bucket(*name))
        return mine
