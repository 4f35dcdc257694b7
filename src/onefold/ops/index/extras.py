"""Find entries that no open tenure has, without holding all keys in memory.

Both sides are summed up in 4,096 buckets of the key: how many, and an order-independent sum of their 64 lower bits. Only where the sums
differ are keys listed, so many buckets at a time as memory allows.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from onefold.ops.index.differences import Kind
from onefold.ops.index.walk import walk
from onefold.records.open_tenures import by_id
from onefold.records.workspaces import list_workspaces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from onefold.identity.contact import Tenure
    from onefold.index.entries import Entry
    from onefold.ops.index.comparing import Comparing
    from onefold.ops.index.walk import Pace

BUCKETS = 4_096
MOST_KEYS = 500_000
"""Listed at once: some fifty megabytes."""
ASKED_AT_ONCE = 2_000
_SUM = (1 << 64) - 1


def bucket_of(key: bytes) -> int:
    """The bucket of a Redis key: its first 12 bits."""
    return key[0] << 4 | key[1] >> 4


class Sums:
    """Count and sum of a set of keys, by bucket. 64 kilobytes, whatever their number."""

    def __init__(self) -> None:
        self.counts = array("q", bytes(8 * BUCKETS))
        self._sums = array("Q", bytes(8 * BUCKETS))

    def add(self, key: bytes, times: int = 1) -> None:
        """Add a key, or with -1 take it away."""
        number = bucket_of(key)
        self.counts[number] += times
        self._sums[number] = self._sums[number] + times * int.from_bytes(key[8:]) & _SUM

    def differ(self, other: Sums) -> list[int]:
        """The buckets in which the two are not the same set."""
        return [
            number for number in range(BUCKETS) if self.counts[number] != other.counts[number] or self._sums[number] != other._sums[number]
        ]


class Extras:
    """Goes through Redis. `expected` sums up the keys that Postgres speaks for."""

    def __init__(self, comparing: Comparing, pace: Pace, expected: Sums) -> None:
        self._comparing, self._pace, self._expected = comparing, pace, expected
        self.unreadable = 0
        """Keys of the right shape whose values are not of this incarnation: of an earlier one, damaged, or somebody else's."""

    async def suspects(self) -> list[list[bytes]]:
        """Keys of this incarnation that no open tenure has, in lots; those that came in flight may be among them.

        Redis is read before Postgres: whoever tells the index has committed before.
        """
        found = Sums()
        async for page in self._comparing.index.scan():
            for key, value in page.items():
                if self._comparing.life.decode(key, value) is None:
                    self.unreadable += 1
                else:
                    found.add(key)
            await self._pace.took(len(page))
        return [lot for buckets in _lots(self._expected.differ(found), found.counts) if (lot := await self._list(buckets))]

    async def told_apart(self, keys: Sequence[bytes]) -> list[tuple[Kind, bytes, Tenure | None, Entry]]:
        """Those that are still there and still nobody's, after reading both sides anew."""
        life = self._comparing.life
        told = []
        for start in range(0, len(keys), ASKED_AT_ONCE):
            some = keys[start : start + ASKED_AT_ONCE]
            values = await self._comparing.index.read(some)
            entries = {key: entry for key, value in zip(some, values, strict=True) if (entry := life.decode(key, value)) is not None}
            tenures = await self._tenures({entry.tenure_id for entry in entries.values()})
            await self._comparing.learn()
            for key, entry in entries.items():
                tenure = tenures.get(entry.tenure_id)
                is_its_own = tenure is not None and life.key(tenure.workspace, tenure.key) == key
                if tenure is not None and is_its_own and tenure.is_open:
                    continue
                is_false = tenure is not None and is_its_own and self._comparing.trusts(tenure, entry)
                told.append((Kind.WRONG if is_false else Kind.EXTRA, key, tenure, entry))
        return told

    async def _list(self, buckets: set[int]) -> list[bytes]:
        """The keys of these buckets that no open tenure has."""
        keys: set[bytes] = set()
        async for page in self._comparing.index.scan():
            keys.update(
                key for key, value in page.items() if bucket_of(key) in buckets and self._comparing.life.decode(key, value) is not None
            )
            await self._pace.took(len(page))
        async for _, chunk in walk(self._comparing.store, self._pace):
            self._comparing.check(chunk.incarnation)
            keys.difference_update(self._comparing.life.key(tenure.workspace, tenure.key) for tenure in chunk.tenures)
        return sorted(keys)

    async def _tenures(self, ids: set[int]) -> dict[int, Tenure]:
        """These tenures, of whatever workspace, ended ones too."""
        store = self._comparing.store
        async with store.connection() as connection:
            slugs = await list_workspaces(connection)
        async with store.transaction(slugs) as connection:
            chunk = await by_id(connection, ids)
        self._comparing.check(chunk.incarnation)
        return {tenure.tenure_id: tenure for tenure in chunk.tenures}


def _lots(buckets: Sequence[int], counts: Sequence[int]) -> Iterator[set[int]]:
    """The buckets in groups that hold no more than MOST_KEYS keys, or a single bucket that alone holds more."""
    lot: set[int] = set()
    size = 0
    for number in buckets:
        if lot and size + counts[number] > MOST_KEYS:
            yield lot
            lot, size = set(), 0
        lot.add(number)
        size += counts[number]
    if lot:
        yield lot
