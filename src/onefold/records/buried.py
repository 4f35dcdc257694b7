"""Dead letters of workers that consume our own topics: through the outbox, in the transaction that goes past the message.

What cannot be read there is a fault of ours; its bytes are kept all the same. Consumers of `interactions` write theirs to Kafka themselves
(`onefold.topics.dead_letters`), before they acknowledge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from onefold.messages.dead_letters import DeadLetter, to_headers
from onefold.messages.topics import DEAD_LETTER
from onefold.records.outbox import INSERT as INSERT_OUTBOX
from onefold.records.rows import to_json

if TYPE_CHECKING:
    from onefold.messages.dead_letters import Headers
    from onefold.records.store import Connection


async def bury(connection: Connection, letter: DeadLetter, key: bytes | None, value: bytes, headers: Headers) -> None:
    """Send a message that cannot be read to the dead letters, with its own headers and the reason in ours (I13).

    The outbox keeps one text a header: topics of ours have no others.
    """
    shards = await connection.fetchval("select count from relay_shards")
    kept = {name: (text or b"").decode(errors="replace") for name, text in to_headers(letter, headers)}
    await connection.execute(INSERT_OUTBOX, [crc32(key or b"") % shards], [DEAD_LETTER], [key or b""], [value], [to_json(kept)])
