"""I8: the outbox drains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.ops.check.differences import Found
from onefold.records import checks

if TYPE_CHECKING:
    from onefold.ops.check.look import Look


async def outbox_drains(look: Look) -> Found:
    """I8: no row is older than the limit. A relay that is behind, but at work, has sent it by the second look."""
    found = Found()
    limit = look.examined.max_outbox_age_seconds
    async with checks.looking(look.examined.store, ()) as connection:
        found.checked = await connection.fetchval(checks.COUNT_OUTBOX)
        async for row in checks.old_rows(connection, limit):
            text = f"for {row['topic']} waits since {row['created_at'].isoformat(timespec='seconds')}, longer than {limit:g} s"
            found.add(f"outbox row {row['id']} of shard {row['shard']}", text)
    return found
