"""I17: nothing brings an erased person back, and nothing of them is left in Postgres."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from onefold.ops.check.differences import MOST_KEPT, Found
from onefold.records import checks, erased_checks

if TYPE_CHECKING:
    from onefold.ops.check.look import Look

PATIENCE: Final = timedelta(hours=3)
"""How long a purge may take: the timeline's upkeep looks every hour for what a killed command left."""


async def erasure_sticks(look: Look) -> Found:
    """Husks are empty, and no row hangs on what was theirs."""
    found = Found()
    async with checks.looking(look.examined.store, look.examined.workspaces) as connection:
        found.checked = await erased_checks.count_erased(connection)
        for row in await erased_checks.left_over(connection, PATIENCE, MOST_KEPT):
            found.add(row["place"], row["what"])
    return found
