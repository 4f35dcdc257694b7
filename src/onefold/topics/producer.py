"""The producer of everything but the relay: idempotent, acknowledged by all replicas, with an answer within a time.

aiokafka retries an idempotent send for ever; whoever waits here is told LogUnavailable instead, while the record may still arrive:
repeating it is safe for every topic that we write. Called by the collector, the resolver, the dead letters, the command line.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka

from onefold.errors import Fenced, LogUnavailable
from onefold.messages.topics import MAX_WRAPPED_BYTES
from onefold.topics.batches import BatchWriter, acknowledged, looked_at
from onefold.topics.client import FAILURES, let_go, translate, translated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onefold.topics.batches import Headers, Pair, Triple
    from onefold.topics.client import KafkaConnection

_BATCH_BYTES = 262_144
"""Of a hand-built batch. Larger ones were no faster; each counts against a topic's `max.message.bytes`."""


class Written(NamedTuple):
    """Where a record lies."""

    partition: int
    offset: int


class Placed(NamedTuple):
    """A record and the partition that it goes to, whatever its key."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class IdempotentProducer:
    """Sends records, one or many, and waits for their acknowledgement."""

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        timeout_seconds: float = 10.0,
        max_message_bytes: int = MAX_WRAPPED_BYTES,
        linger_ms: int = 0,
        compression: str | None = None,
    ) -> None:
        self._connection = connection
        self._timeout = timeout_seconds
        self._options = {
            "acks": "all",
            "enable_idempotence": True,
            "max_batch_size": _BATCH_BYTES,
            "max_request_size": max_message_bytes,
            "linger_ms": linger_ms,
            "compression_type": compression,
        }
        self._current: tuple[Any, BatchWriter] | None = None
        self._making = asyncio.Lock()
        self._farewells: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect. Raises LogUnavailable or ConfigurationError. A producer that was not started connects at its first send."""
        async with translated("connecting to Kafka", self._timeout):
            await self._ready()

    async def stop(self) -> None:
        """Wait for what is under way, as long as a broker answers, and close."""
        current, self._current = self._current, None
        if current is not None:
            await let_go(current[0])
        if self._farewells:
            await asyncio.wait(self._farewells)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> Written:
        """Send one record, to the partition that Java's producers would choose for its key, and wait for its acknowledgement.

        Raises LogUnavailable, ConfigurationError, or InvalidMessage where it is too large.
        """
        producer = None
        try:
            async with asyncio.timeout(self._timeout):
                producer, _ = await self._ready()
                future = await producer.send(self._connection.topic(topic), value=value, key=key, headers=list(headers))
                found = await asyncio.shield(future)
        except FAILURES as error:
            raise self._failed(producer, error, f"producing to {topic}") from error
        return Written(found.partition, found.offset)

    async def send_placed(self, topic: str, records: Sequence[Placed]) -> list[Written]:
        """Send records to the partitions that they name, in their order within each; gives where they lie. Raises as `send` does."""
        producer = None
        futures: list[asyncio.Future[Any]] = []
        try:
            async with asyncio.timeout(self._timeout):
                producer, _ = await self._ready()
                for each in records:
                    futures.append(  # noqa: PERF401 -- if one fails halfway, the others must be known
                        await producer.send(
                            self._connection.topic(topic),
                            value=each.value,
                            key=each.key,
                            partition=each.partition,
                            headers=list(each.headers),
                        )
                    )
                await acknowledged(futures)
        except FAILURES as error:
            looked_at(futures)
            raise self._failed(producer, error, f"producing to {topic}") from error
        return [Written(each.partition, each.offset) for each in (future.result() for future in futures)]

    async def send_many(self, topic: str, records: Sequence[Pair]) -> None:
        """Send records one after the other as `send` does, and wait for all acknowledgements at once. Raises as `send` does."""
        producer = None
        futures: list[asyncio.Future[Any]] = []
        try:
            async with asyncio.timeout(self._timeout):
                producer, _ = await self._ready()
                for key, value in records:
                    futures.append(await producer.send(self._connection.topic(topic), value=value, key=key))
                await acknowledged(futures)
        except FAILURES as error:
            looked_at(futures)
            raise self._failed(producer, error, f"producing to {topic}") from error

    async def send_batches(self, topic: str, by_partition: Mapping[int, Sequence[Pair | Triple]]) -> None:
        """Send many records, in their order within each partition, and wait for all acknowledgements. Raises as `send` does."""
        producer = None
        try:
            async with asyncio.timeout(self._timeout):
                producer, writer = await self._ready()
                await writer.write(self._connection.topic(topic), by_partition)
        except FAILURES as error:
            raise self._failed(producer, error, f"producing to {topic}") from error

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has. Raises LogUnavailable."""
        async with translated(f"looking {topic} up", self._timeout):
            producer, _ = await self._ready()
            return len(await producer.partitions_for(self._connection.topic(topic)))

    async def _ready(self) -> tuple[Any, BatchWriter]:
        if self._current is not None:
            return self._current
        async with self._making:
            if self._current is None:
                producer = AIOKafkaProducer(**self._connection.options(), **self._options)
                try:
                    await producer.start()
                except BaseException:
                    await let_go(producer)
                    raise
                self._current = producer, BatchWriter(producer)
        return self._current

    def _failed(self, producer: Any, error: BaseException, doing: str) -> Exception:
        """Give the error to raise, and replace the producer where it is of no more use.

        After an error that is final to aiokafka the sequence numbers have a gap, and no later send to that partition would succeed.
        A producer that waits for a broker goes on waiting.
        """
        final = isinstance(error, (kafka.KafkaError, AssertionError)) and not getattr(error, "retriable", False)
        never_sent = isinstance(error, (kafka.MessageSizeTooLargeError, kafka.KafkaTimeoutError)) and not _from_broker(error)
        if final and not never_sent and self._current is not None and self._current[0] is producer:
            self._current = None
            farewell = asyncio.create_task(let_go(producer))
            self._farewells.add(farewell)
            farewell.add_done_callback(self._farewells.discard)
        translated_error = translate(error, doing)
        return LogUnavailable(str(translated_error)) if isinstance(translated_error, Fenced) else translated_error


def _from_broker(error: BaseException) -> bool:
    """Whether the broker refused a batch: it does without words, aiokafka refuses a single message with words, before it is sent."""
    return isinstance(error, kafka.MessageSizeTooLargeError) and not error.args
