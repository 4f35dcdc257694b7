"""When dead letters stop a partition: one is a bad record, a row of them is a bad producer or a bad build (reference/reliability.md, A6).

Pure. Called by whoever consumes a partition, one breaker for each.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from onefold.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Sequence


class TooManyDeadLetters(PermanentError):
    """The partition stops, and a person is called. Nothing of it is acknowledged beyond the limit."""

    code = "too_many_dead_letters"


class Breaker:
    """Counts the fates of a partition's records, in their order."""

    def __init__(self, *, in_a_row: int = 20, window: int = 1_000, share: float = 0.05) -> None:
        self._in_a_row = in_a_row
        self._most = int(window * share)
        self._recent: deque[bool] = deque(maxlen=window)
        self._dead = 0
        self._row = 0

    def note(self, fates: Sequence[bool]) -> None:
        """Count records that are done for good; True is a dead letter."""
        for dead in fates:
            if len(self._recent) == self._recent.maxlen and self._recent[0]:
                self._dead -= 1
            self._recent.append(dead)
            self._dead += dead
            self._row = self._row + 1 if dead else 0

    def admits(self, fates: Sequence[bool]) -> int:
        """How many of the records that come next may be handled before the partition has to stop. Counts nothing."""
        if True not in fates:
            return len(fates)
        trial = Breaker(in_a_row=self._in_a_row, window=self._recent.maxlen or 1)
        trial._most, trial._recent, trial._dead, trial._row = self._most, self._recent.copy(), self._dead, self._row
        for index, dead in enumerate(fates):
            trial.note((dead,))
            if trial.has_tripped:
                return index
        return len(fates)

    @property
    def has_tripped(self) -> bool:
        """Whether what was counted is over a limit."""
        return self._row >= self._in_a_row or self._dead > self._most

    def error(self) -> TooManyDeadLetters:
        """What to stop the partition with."""
        last = sum(islice(reversed(self._recent), self._in_a_row))
        return TooManyDeadLetters(
            f"{self._dead} of the last {len(self._recent)} records are dead letters, {last} of the last {self._in_a_row};"
            f" the partition stops at {self._in_a_row} in a row or over {self._most}. `onefold dead-letters list` tells them apart"
        )
