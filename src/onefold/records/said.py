"""Interactions that this installation itself says: into the outbox with the transaction that they belong to, and from there onto the log.

Called by `onefold.visitors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from onefold.messages.codec import encode
from onefold.messages.interactions import interaction_key
from onefold.messages.topics import INTERACTIONS
from onefold.records.outbox import INSERT

if TYPE_CHECKING:
    from datetime import datetime

    from onefold.messages.interactions import InteractionMessage
    from onefold.records.store import Connection

NOW = "select clock_timestamp()"


async def now(connection: Connection) -> datetime:
    """The time by the store's clock."""
    found: datetime = await connection.fetchval(NOW)
    return found


async def say(connection: Connection, message: InteractionMessage, shards: int) -> bytes:
    """Put it into the outbox, one visitor's into one shard, so that they keep their order; gives the record's value."""
    key, value = interaction_key(message), encode(message)
    await connection.execute(INSERT, [crc32(key) % shards], [INTERACTIONS], [key], [value], ["{}"])
    return value
