"""Interactions that this installation itself says: into the outbox with the transaction that they belong to, and from there onto the log.

Called by `onefold.visitors`; what waits is looked through by `contacts.waiting_words`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from onefold.messages.codec import decode, encode
from onefold.messages.interactions import InteractionMessage, interaction_key
from onefold.messages.topics import INTERACTIONS
from onefold.records.outbox import INSERT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from onefold.records.store import Connection

NOW = "select clock_timestamp()"

# Keys begin with the workspace and a colon.
WAITING = """
select id, payload from outbox where topic = $1 and substr(key, 1, octet_length($2::bytea)) = $2::bytea and payload is not null order by id
"""
UNSAY = "delete from outbox where id = any($1::bigint[])"


async def now(connection: Connection) -> datetime:
    """The time by the store's clock."""
    found: datetime = await connection.fetchval(NOW)
    return found


async def say(connection: Connection, message: InteractionMessage, shards: int) -> bytes:
    """Put it into the outbox, one visitor's into one shard, so that they keep their order; gives the record's value."""
    key, value = interaction_key(message), encode(message)
    await connection.execute(INSERT, [crc32(key) % shards], [INTERACTIONS], [key], [value], ["{}"])
    return value


async def waiting(connection: Connection, workspace: str) -> AsyncIterator[tuple[int, InteractionMessage]]:
    """Number and text of what the relay has not put onto the log yet."""
    async for row in connection.cursor(WAITING, INTERACTIONS, f"{workspace}:".encode(), prefetch=500):
        yield row["id"], decode(row["payload"], InteractionMessage)


async def unsay(connection: Connection, numbers: Sequence[int]) -> None:
    """Take it back. What a relay has just sent is on the log all the same."""
    await connection.execute(UNSAY, numbers)
