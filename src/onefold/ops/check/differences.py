"""What a look finds: differences, of which as many are kept as anybody reads, and how much was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_KEPT = 10_000
"""Differences of one check and look that are kept; the others are only counted."""


class Difference(NamedTuple):
    """One thing that is not as it must be. Two looks saw the same if both texts are the same, so figures that move belong into them."""

    where: str
    """Position, contact, tenure, segment or partition."""
    what: str


class Found:
    """What one look of one check found."""

    def __init__(self) -> None:
        self.checked = 0
        """Things looked at: positions, rows, messages."""
        self.count = 0
        self._kept: dict[Difference, None] = {}

    def add(self, where: str, what: str) -> None:
        """Note a difference, once."""
        difference = Difference(where, what)
        if difference in self._kept:
            return
        self.count += 1
        if len(self._kept) < MOST_KEPT:
            self._kept[difference] = None

    @property
    def differences(self) -> Sequence[Difference]:
        """Those that are kept, in the order in which they were found."""
        return tuple(self._kept)

    def confirmed(self, again: Found) -> Found:
        """Only what a later look found as well: the rest was in flight."""
        both = Found()
        both.checked = again.checked
        for difference in self._kept:
            if difference in again._kept:
                both.add(*difference)
        if both.count == MOST_KEPT:
            both.count = min(self.count, again.count)
        return both


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one invariant."""

    invariant: str
    title: str
    checked: int
    differing: int
    differences: Sequence[Difference]

    @property
    def clean(self) -> bool:
        """Whether nothing differs."""
        return self.differing == 0
