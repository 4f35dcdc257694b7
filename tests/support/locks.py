"""Whether somebody waits for a lock in a test's own database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onefold.records.store import Store

_WAITING = "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')"


async def until_somebody_waits(store: Store) -> None:
    """Look until a transaction waits for another one's lock. Raises TimeoutError."""
    async with store.connection() as connection, asyncio.timeout(20):
        while not await connection.fetchval(_WAITING):
            await asyncio.sleep(0.01)
