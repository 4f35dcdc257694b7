"""Dead letters of workers that consume our own topics: through the outbox, in the transaction that goes past the message.

What cannot be read there is a fault of ours; its bytes are kept all the same. Consumers of `interactions` write theirs to Kafka themselves
(`onefold.topics.dead_letters`), before they acknowledge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from onefold.messages.dead_letters import ERROR_CLASS, ERROR_CODE, ORIGIN_TOPIC, REASON
from onefold.messages.topics import DEAD_LETTER
from onefold.records.apply import INSERT_OUTBOX
from onefold.records.rows import to_json

if TYPE_CHECKING:
    from onefold.errors import OnefoldError
    from onefold.records.store import Connection


async def bury(connection: Connection, topic: str, key: bytes | None, value: bytes, error: OnefoldError) -> None:
    """Send a message of `topic` that cannot be read to the dead letters, with the reason in its headers."""
    shards = await connection.fetchval("select count from relay_shards")
    headers = {REASON: str(error), ERROR_CLASS: type(error).__name__, ERROR_CODE: error.code, ORIGIN_TOPIC: topic}
    await connection.execute(INSERT_OUTBOX, [crc32(key or b"") % shards], [DEAD_LETTER], [key or b""], [value], [to_json(headers)])
