"""Verify the index against Postgres, online, in bounded memory; and mend what is amiss, in the same pass.

Every open tenure is looked at with its entry, and every entry with its tenure. Missing, damaged, doubted and stale entries cost a read of
Postgres; `wrong` and `gone` must never be (I6).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from onefold.ops.index.comparing import Comparing, Finding
from onefold.ops.index.differences import FALSE, Difference, Kind
from onefold.ops.index.extras import Extras, Sums, bucket_of
from onefold.ops.index.walk import Pace, walk
from onefold.records.incarnations import present

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from onefold.identity.contact import Tenure
    from onefold.index.entries import Entry
    from onefold.index.upkeep import IndexUpkeep
    from onefold.records.store import Store

RECHECK_SECONDS = 2.0
"""After so long whatever was on its way has arrived, or never will."""
MOST_WAITING = 100_000
"""Suspects in memory; at more, the walk waits for them."""
ASKED_AT_ONCE = 2_000
LISTED = 1_000
_NOT_THERE = frozenset({Kind.MISSING, Kind.DAMAGED})


@dataclass(slots=True)
class Verification:
    """What was found."""

    incarnation: str
    identifiers: int = 0
    """Open tenures that were looked at."""
    differences: Counter[Kind] = field(default_factory=Counter)
    buckets: set[int] = field(default_factory=set)
    """Of 4,096 by the Redis key: those that hold a difference."""
    listed: list[Difference] = field(default_factory=list)
    """The first of the differences."""
    other_keys: int = 0
    """Keys of an earlier incarnation, or of somebody else: nobody of this one asks for them."""
    mended: int = 0
    """Entries written or removed."""

    @property
    def is_true(self) -> bool:
        """Whether no entry could make a result wrong."""
        return not any(self.differences[kind] for kind in FALSE)

    @property
    def is_complete(self) -> bool:
        """Whether the index says exactly what Postgres does."""
        return not self.differences.total()


async def verify(
    store: Store,
    index: IndexUpkeep,
    secret: bytes,
    *,
    mend: bool = False,
    pace: Pace | None = None,
    recheck_seconds: float = RECHECK_SECONDS,
    looked: Callable[[int], None] = lambda _: None,
) -> Verification:
    """One pass over everything. `looked` is told how many identifiers were looked at so far.

    With `mend`, what belongs there is written with the xmin of the snapshot that it was read in, and what belongs to nobody is removed.
    Raises BegunAnew when the index begins another incarnation meanwhile, IndexUnavailable, StoreUnavailable.
    """
    comparing = Comparing(store, index, secret, await _incarnation(store))
    verifier = _Pass(comparing, pace or Pace(), recheck_seconds, mend=mend)
    await verifier.look_at_tenures(looked)
    await verifier.look_at_entries()
    comparing.check(await _incarnation(store))
    return verifier.found


async def _incarnation(store: Store) -> str:
    async with store.connection() as connection:
        return (await present(connection)).name


class _Pass:
    """A pass under way."""

    def __init__(self, comparing: Comparing, pace: Pace, recheck_seconds: float, *, mend: bool) -> None:
        self.found = Verification(comparing.life.incarnation)
        self._comparing, self._pace, self._mend, self._recheck_seconds = comparing, pace, mend, recheck_seconds
        self._expected = Sums()
        self._waiting: deque[tuple[float, list[Finding]]] = deque()
        self._waiting_count = 0

    async def look_at_tenures(self, looked: Callable[[int], None]) -> None:
        """Every open tenure, with its entry."""
        async for _, chunk in walk(self._comparing.store, self._pace):
            suspects = await self._comparing.look(chunk)
            for tenure in chunk.tenures:
                self._expected.add(self._comparing.life.key(tenure.workspace, tenure.key))
            if suspects:
                self._waiting.append((time.monotonic() + self._recheck_seconds, suspects))
                self._waiting_count += len(suspects)
            while self._waiting and (self._waiting[0][0] <= time.monotonic() or self._waiting_count > MOST_WAITING):
                await self._look_again()
            self.found.identifiers += len(chunk.tenures)
            looked(self.found.identifiers)
        while self._waiting:
            await self._look_again()

    async def look_at_entries(self) -> None:
        """Every entry that no open tenure has."""
        extras = Extras(self._comparing, self._pace, self._expected)
        for lot in await extras.suspects():
            await asyncio.sleep(self._recheck_seconds)
            told = await extras.told_apart(lot)
            for kind, key, tenure, entry in told:
                self._note(kind, key, tenure, entry)
            if self._mend:
                self.found.mended += await self._comparing.index.remove([key for _, key, _, _ in told])
        self.found.other_keys = max(0, extras.unreadable - (0 if self._mend else self.found.differences[Kind.DAMAGED]))

    async def _look_again(self) -> None:
        """At the oldest suspects, when they are due."""
        due, suspects = self._waiting.popleft()
        self._waiting_count -= len(suspects)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        for start in range(0, len(suspects), ASKED_AT_ONCE):
            confirmed = await self._comparing.look_again(suspects[start : start + ASKED_AT_ONCE])
            for finding in confirmed:
                self._note(finding.kind, finding.key, finding.tenure, finding.entry)
                if finding.kind in _NOT_THERE and not self._mend:
                    self._expected.add(finding.key, -1)
            if self._mend:
                await self._write(confirmed)

    async def _write(self, confirmed: Sequence[Finding]) -> None:
        values = {finding.key: value for finding in confirmed if (value := self._comparing.value(finding)) is not None}
        await self._comparing.index.write(values)
        self.found.mended += len(values)

    def _note(self, kind: Kind, key: bytes, tenure: Tenure | None, entry: Entry | None) -> None:
        found, number = self.found, bucket_of(key)
        found.differences[kind] += 1
        found.buckets.add(number)
        if len(found.listed) < LISTED:
            says = UUID(bytes=entry.contact_id) if entry is not None else None
            if tenure is None:
                found.listed.append(
                    Difference(kind, number, tenure_id=entry.tenure_id if entry is not None else None, found_contact_id=says)
                )
            else:
                owner = tenure.contact_id if tenure.is_open else None
                found.listed.append(
                    Difference(kind, number, tenure.workspace, tenure.semantic_type, tenure.tenure_id, owner, found_contact_id=says)
                )
