"""The relay's producer: a Kafka transaction each time, under an id that fences whoever used it before.

After any failure the client is given up: a fenced one is dead, and what a broken one left open is aborted when the id is taken anew.
The caller takes it anew only while it still owns what the id stands for, or it would fence its rightful successor.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

from aiokafka import AIOKafkaProducer

from onefold.messages.topics import MAX_WRAPPED_BYTES
from onefold.topics.batches import BatchWriter
from onefold.topics.client import FAILURES, let_go, translate, translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from onefold.topics.batches import Pair, Triple
    from onefold.topics.client import KafkaConnection

_BATCH_BYTES = 262_144


class Transaction:
    """An open transaction."""

    def __init__(self, writer: BatchWriter, connection: KafkaConnection) -> None:
        self._writer = writer
        self._connection = connection

    async def send_batches(self, topic: str, by_partition: Mapping[int, Sequence[Pair | Triple]]) -> None:
        """Send records, in their order within each partition, and wait for all acknowledgements."""
        await self._writer.write(self._connection.topic(topic), by_partition)


class TransactionalProducer:
    """Produces in transactions under `transactional_id`. `open` fences every other holder of the id."""

    def __init__(
        self,
        connection: KafkaConnection,
        transactional_id: str,
        *,
        timeout_seconds: float = 10.0,
        max_message_bytes: int = MAX_WRAPPED_BYTES,
    ) -> None:
        self.transactional_id = transactional_id
        self._connection = connection
        self._timeout = timeout_seconds
        self._options = {
            "transactional_id": transactional_id,
            # What a holder that died left open blocks readers until the next holder comes, or this passes.
            "transaction_timeout_ms": int(timeout_seconds * 2000),
            "max_batch_size": _BATCH_BYTES,
            "max_request_size": max_message_bytes,
        }
        self._current: tuple[Any, BatchWriter] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it may be used; False before `open` and after any failure."""
        return self._current is not None

    async def open(self) -> None:
        """Take the id: fence its other holders and abort what they left open. Raises LogUnavailable or ConfigurationError."""
        await self.close()
        producer = AIOKafkaProducer(**self._connection.options(), **self._options)
        try:
            async with translated(f"taking {self.transactional_id}", self._timeout):
                await producer.start()
        except BaseException:
            await let_go(producer)
            raise
        self._current = producer, BatchWriter(producer)

    async def close(self) -> None:
        """Close; an open transaction is left to whoever takes the id next."""
        current, self._current = self._current, None
        if current is not None:
            await let_go(current[0])

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has. Raises LogUnavailable."""
        producer, _ = self._opened()
        async with translated(f"looking {topic} up", self._timeout):
            return len(await producer.partitions_for(self._connection.topic(topic)))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """One transaction: committed with the block, never seen by readers if it raises.

        Raises Fenced when another holder took the id, LogUnavailable when it is in doubt whether the commit came through, and
        InvalidMessage where a record is too large. After each of them, and after any error of the block, `open` comes first.
        """
        producer, writer = self._opened()
        doing = f"transaction of {self.transactional_id}"
        try:
            async with asyncio.timeout(self._timeout):
                await producer.begin_transaction()
                yield Transaction(writer, self._connection)
                await producer.commit_transaction()
        except FAILURES as error:
            await self.close()
            raise translate(error, doing) from error
        except BaseException:
            await self.close()
            raise

    def _opened(self) -> tuple[Any, BatchWriter]:
        if self._current is None:
            raise RuntimeError(f"{self.transactional_id} is not open")
        return self._current
