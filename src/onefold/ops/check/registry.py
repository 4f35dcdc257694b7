"""The checks, in the order in which they run. One more is one more line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from onefold.ops.check import erasure, index, letters, membership, outbox, partitions, people, positions, versions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from onefold.ops.check.differences import Found
    from onefold.ops.check.look import Look


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant of reliability.md, and how to look whether it holds."""

    invariant: str
    title: str
    look: Callable[[Look], Awaitable[Found]]


CHECKS = (
    Check("I1", "Nothing lost", positions.nothing_lost),
    Check("I2", "Nothing twice", positions.nothing_twice),
    Check("I3", "One owner", people.one_owner),
    Check("I4", "Redirects sound", people.redirects_sound),
    Check("I5", "Same people", people.same_people),
    Check("I6", "Index equals truth", index.index_equals_truth),
    Check("I7", "Changes gapless", versions.changes_gapless),
    Check("I8", "Outbox drains", outbox.outbox_drains),
    Check("I9", "Segments right", membership.segments_right),
    Check("I11", "Order per key", positions.order_per_key),
    Check("I12", "Heals", partitions.heals),
    Check("I13", "Dead letters conserved", letters.dead_letters_conserved),
    Check("I15", "Progress never ahead", partitions.progress_never_ahead),
    Check("I16", "Fenced", positions.fenced),
    Check("I17", "Erasure sticks", erasure.erasure_sticks),
)


def chosen(invariants: Sequence[str]) -> tuple[Check, ...]:
    """The checks of these invariants, all of them where none is named. Raises LookupError."""
    if not invariants:
        return CHECKS
    known = {check.invariant for check in CHECKS}
    unknown = [each for each in invariants if each not in known]
    if unknown:
        raise LookupError(f"there is no check of {', '.join(unknown)}; there are {', '.join(check.invariant for check in CHECKS)}")
    return tuple(check for check in CHECKS if check.invariant in invariants)
