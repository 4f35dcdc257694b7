"""Write dead letters: original key, value and headers, and why, acknowledged before anything else goes on.

If one cannot be written, nothing is acknowledged (architecture, section 6): the error says so, and the caller must not go past the
record. Called by consumers of `interactions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from onefold.messages.dead_letters import DeadLetter, split, to_headers
from onefold.messages.times import from_milliseconds
from onefold.messages.topics import DEAD_LETTER, MAX_DEAD_LETTER_BYTES, partition_of
from onefold.topics.producer import IdempotentProducer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onefold.errors import OnefoldError
    from onefold.topics.batches import Headers, Triple
    from onefold.topics.client import KafkaConnection
    from onefold.topics.consumer import Record


class DeadLetters:
    """The dead-letter topic, for writing. Connects at the first letter: most processes never write one."""

    def __init__(self, connection: KafkaConnection, *, code_version: str, timeout_seconds: float = 10.0) -> None:
        self._code_version = code_version
        self._connection = connection
        # Compressed: what was read may have been, and may be larger than any topic takes otherwise.
        self._producer = IdempotentProducer(
            connection, timeout_seconds=timeout_seconds, max_message_bytes=10 * MAX_DEAD_LETTER_BYTES, compression="gzip"
        )

    async def stop(self) -> None:
        """Close the connection, if there is one."""
        await self._producer.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def write(self, dead: Iterable[tuple[Record, OnefoldError]]) -> None:
        """Write a letter for each record, in their order for each key.

        Raises LogUnavailable, or InvalidMessage where the topic takes none so large: that stops the partition until a person looks.
        """
        partitions = await self._producer.partitions(DEAD_LETTER)
        letters: dict[int, list[Triple]] = {}
        for record, error in dead:
            target = partition_of(record.key, partitions) if record.key is not None else record.partition % partitions
            letters.setdefault(target, []).append((record.key, record.value, self._headers(record, error)))
        await self._producer.send_batches(DEAD_LETTER, letters)

    def _headers(self, record: Record, error: OnefoldError) -> Headers:
        earlier, original = split(record.headers)
        letter = DeadLetter(
            reason=str(error),
            error_class=type(error).__name__,
            error_code=error.code,
            attempts=1 + (earlier.attempts if earlier is not None else 0),
            origin_topic=self._connection.plain(record.topic),
            origin_partition=record.partition,
            origin_offset=record.offset,
            origin_timestamp=from_milliseconds(record.timestamp_ms),
            code_version=self._code_version,
            first_origin=(earlier.first_origin or earlier.origin) if earlier is not None else None,
        )
        return to_headers(letter, original)
