"""What lies in the outbox for `outreach.requested`, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.messages.codec import decode
from onefold.messages.outreach import OutreachRequested
from onefold.messages.topics import OUTREACH_REQUESTED

if TYPE_CHECKING:
    from onefold.records.store import Store


async def requested(store: Store) -> list[OutreachRequested]:
    """What was asked for and is not yet in Kafka, the oldest first."""
    async with store.connection() as connection:
        rows = await connection.fetch("select payload from outbox where topic = $1 order by id", OUTREACH_REQUESTED)
    return [decode(row["payload"], OutreachRequested) for row in rows]
