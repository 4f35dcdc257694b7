"""How many shards the outbox has: fixed in the database, so that every writer and every relay agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onefold.records.store import Store


async def shard_count(store: Store) -> int:
    """The number of shards; a contact's changes lie in shard `id modulo count`."""
    async with store.connection() as connection:
        found: int = await connection.fetchval("select count from relay_shards")
    return found
