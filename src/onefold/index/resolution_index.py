"""The resolution index as the resolver uses it: look up a batch, keep what is valid, write back what a transaction learnt.

Binds namings, entries, separations and Redis together. An entry is a hint: what is missing, damaged, of another incarnation or made
doubtful by a separation is a miss, and a miss costs a read of Postgres (architecture, section 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onefold.index.life import Life
from onefold.index.recognise import vouch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from onefold.identity.contact import Tenure
    from onefold.index.lookup import Index
    from onefold.index.naming import Naming
    from onefold.index.recognise import Voucher


class Hints(NamedTuple):
    """What was found, not yet held against separations, and in which life of the index."""

    life: Life
    found: Sequence[tuple[Naming, Voucher]]


class ResolutionIndex:
    """One worker's view of the index. Shared by the partitions that it works on at once."""

    def __init__(self, index: Index, secret: bytes, looked_up: Callable[[int, int, int], None] = lambda *_: None) -> None:
        """`looked_up` is told how many identifiers of a batch were hits, misses, and doubtful by a separation."""
        self._index = index
        self._looked_up = looked_up
        self._secret = secret
        self._life = Life(secret, "")

    @property
    def since_xmin(self) -> int:
        """Separations from this transaction id on may be unknown to us."""
        return self._life.since_xmin

    async def look_up(self, namings: Iterable[Naming]) -> Hints:
        """What the index says of a batch, under the last known incarnation. Each naming has its rules."""
        life = self._life
        if not life.incarnation:
            return Hints(life, ())
        keys: list[bytes] = []
        asked = dict.fromkeys(namings)
        for naming in asked:
            if naming.life is not life:
                naming.begin(life)
            keys += naming.keys
        values = await self._index.read(keys)
        found, hits, start = [], 0, 0
        for naming in asked:
            if naming.life is not life:  # another partition saw a new life meanwhile
                return Hints(life, ())
            end = start + len(naming.keys)
            said = values[start:end]
            start = end
            if said != naming.values:
                _learn(naming, life, said)
            hits += naming.hits
            if naming.voucher is not None:
                found.append((naming, naming.voucher))
        self._looked_up(hits, len(keys) - hits, 0)
        return Hints(life, found)

    def valid(
        self, hints: Hints, incarnation: str, since_xmin: int, xmin: int, separations: Iterable[tuple[int, int]]
    ) -> Mapping[Naming, Voucher]:
        """Those hints that nothing speaks against, after learning what the fence of this transaction read.

        `separations` are those from `since_xmin` on, as of a snapshot whose oldest running transaction is `xmin`. Partitions see a new
        incarnation at different moments, even back and forth: what was found in one life of the index says nothing in the next, whose
        first fence reads every separation there is.
        """
        if incarnation != self._life.incarnation:
            self._life = Life(self._secret, incarnation)
            return {}
        life = self._life
        life.learn(separations, since_xmin, xmin)
        if hints.life is not life:
            return {}
        vouchers = dict(hints.found)
        doubtful = [naming for naming, voucher in hints.found if not _is_allowed(voucher, life)]
        for naming in doubtful:
            del vouchers[naming]
        self._looked_up(0, 0, sum(len(naming.keys) for naming in doubtful))
        return vouchers

    async def write_back(self, tenures: Iterable[Tenure], incarnation: str, xmin: int) -> None:
        """Tell the index what a committed transaction knows. `xmin` is of the snapshot that it read with, never of a later one."""
        life = self._life
        if incarnation != life.incarnation:
            return
        values = {}
        for tenure in tenures:
            key = life.key(tenure.workspace, tenure.key)
            value = life.value(key, tenure, xmin)
            if value is not None:
                values[key] = value
        if values:
            await self._index.write(values)


def _learn(naming: Naming, life: Life, said: list[bytes | None]) -> None:
    """Take in what Redis says of a naming, where that is not what it said last: decode it, and see whom it names."""
    entries = [life.decode(key, value) for key, value in zip(naming.keys, said, strict=True)]
    known = [entry for entry in entries if entry is not None]
    naming.values, naming.hits, naming.voucher = said, len(known), None
    if len(known) == len(entries) and naming.rules is not None:
        naming.voucher = vouch(naming.identifiers, known, naming.buckets, naming.rules)


def _is_allowed(voucher: Voucher, life: Life) -> bool:
    """Whether every entry of a voucher can be trusted; looked at again only when separations were learnt since."""
    if voucher.held_against != life.separated:
        if not all(life.allows(bucket, xmin) for bucket, xmin in voucher.marks):
            return False
        voucher.held_against = life.separated
    return True
