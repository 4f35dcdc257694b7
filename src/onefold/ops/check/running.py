"""Run checks on an installation that works meanwhile: look, wait, look again at what differed, and believe only what both looks saw.

Every check takes its bounds (progress, ends, a snapshot of Postgres) before it reads, so that what comes later is no difference; what
was in flight all the same is gone, or has moved on, by the second look.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from onefold.ops.check.differences import Finding
from onefold.ops.check.look import Look

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from onefold.ops.check.differences import Found
    from onefold.ops.check.look import Examined
    from onefold.ops.check.registry import Check


async def run(
    examined: Examined,
    checks: Sequence[Check],
    *,
    again_after_seconds: float = 2.0,
    told: Callable[[str], None] = lambda _text: None,
) -> list[Finding]:
    """What each check found, in their order. `told` hears what is being done. Raises LogUnavailable, StoreUnavailable."""
    found = await _look(Look(examined), checks, told)
    suspects = [check for check in checks if found[check.invariant].count]
    if suspects:
        told(f"looking again at {', '.join(check.invariant for check in suspects)} in {again_after_seconds:g} s")
        await asyncio.sleep(again_after_seconds)
        again = await _look(Look(examined, is_second=True), suspects, told)
        found.update({invariant: found[invariant].confirmed(later) for invariant, later in again.items()})
    return [_finding(check, found[check.invariant]) for check in checks]


async def _look(look: Look, checks: Sequence[Check], told: Callable[[str], None]) -> dict[str, Found]:
    found = {}
    for check in checks:
        told(f"{check.invariant} {check.title}")
        found[check.invariant] = await check.look(look)
    return found


def _finding(check: Check, found: Found) -> Finding:
    return Finding(check.invariant, check.title, found.checked, found.count, found.differences)
