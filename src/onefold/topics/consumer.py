"""Consume a topic as one member of a group, one task a partition, from where the caller's own progress says.

aiokafka shows an assignment before the rebalance listener is done, starts at offsets of its own and swallows what a listener raises
(docs/decisions). So nothing happens in the listener but starting and stopping tasks: each task claims its partition, seeks, and only
then takes records, from its own partition alone. Kafka's committed offsets are written for lag tools and never read.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    UnsupportedCodecError,
)

from onefold.errors import Fenced, LogUnavailable, PermanentError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    import structlog

    from onefold.topics.client import KafkaConnection

TAKE_SECONDS = 0.5
COMMIT_SECONDS = 1.0
JOIN_MS = 40_000
"""How long an answer may take: to one that joins, it comes when the whole group has, which may take its 30 s."""
LONGEST_IDLE_MS = 1_800_000
"""A member that polls nothing for so long leaves its group. Long, because a wait for Postgres is no reason to leave."""


class Record(NamedTuple):
    """One record. `timestamp_ms` is the broker's append time where the topic says LogAppendTime."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class OffsetGone(PermanentError):
    """The stored progress lies outside the log: retention passed it (F39), or the log went backwards (F40). A person must decide."""

    code = "offset_gone"


class LogDamaged(PermanentError):
    """What the broker gave cannot be read: a wrong checksum, an unknown compression (poison 33), a header name that is no UTF-8 (26)."""

    code = "log_damaged"


class PartitionFeed:
    """One assigned partition, as its task sees it."""

    def __init__(self, consumer: PartitionedConsumer, partition: int) -> None:
        self._consumer = consumer
        self._target = TopicPartition(consumer.topic, partition)
        self.partition = partition
        self.stopping = asyncio.Event()
        self.done_offset: int | None = None
        self.last_timestamp_ms: int | None = None
        self.blocked: str | None = None
        """Why the partition is stopped for good, if it is."""

    async def start_at(self, offset: int, *, fresh: bool) -> int:
        """Seek. `fresh`: there is no progress yet, so begin where the log begins. Raises OffsetGone, LogUnavailable."""
        kafka = self._consumer.kafka
        try:
            first = (await kafka.beginning_offsets([self._target]))[self._target]
            end = (await kafka.end_offsets([self._target]))[self._target]
        except KafkaError as error:
            raise LogUnavailable(f"Kafka does not tell the bounds of partition {self.partition}: {error}") from error
        if fresh:
            offset = max(offset, first)
        if not first <= offset <= end:
            raise OffsetGone(
                f"progress of {self._target.topic}/{self.partition} is at offset {offset}, the log holds {first} to {end}:"
                " retention passed it, or the topic was made anew. Nothing is skipped until an operator accepts it"
            )
        if not self.stopping.is_set():
            kafka.seek(self._target, offset)
        self.done_offset = offset
        return offset

    async def take(self, most: int) -> list[Record]:
        """Up to `most` records, or none after half a second or when stopping. Raises LogUnavailable, OffsetGone."""
        polling = asyncio.ensure_future(self._consumer.kafka.getmany(self._target, timeout_ms=int(TAKE_SECONDS * 1000), max_records=most))
        stopping = asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait((polling, stopping), return_when=asyncio.FIRST_COMPLETED)
            if self.stopping.is_set():
                return []
            found = polling.result()
        except (OffsetOutOfRangeError, NoOffsetForPartitionError) as error:
            raise OffsetGone(f"offset {self.done_offset} of {self._target.topic}/{self.partition} is not in the log any more") from error
        except (CorruptRecordException, UnsupportedCodecError, UnicodeDecodeError) as error:
            raise LogDamaged(f"what follows offset {self.done_offset} of {self._target.topic}/{self.partition}: {error}") from error
        except (KafkaError, ConsumerStoppedError) as error:
            raise LogUnavailable(f"Kafka does not answer: {error}") from error
        finally:
            stopping.cancel()
            if not polling.done():
                polling.cancel()
                with suppress(asyncio.CancelledError):
                    await polling
        return [
            Record(each.topic, each.partition, each.offset, each.timestamp, each.key, each.value, each.headers)
            for each in found.get(self._target, ())
        ]

    def rewind(self, offset: int) -> None:
        """Take again from `offset`."""
        self._consumer.kafka.seek(self._target, offset)

    def done(self, next_offset: int, timestamp_ms: int) -> None:
        """Note how far the partition is decided; told to Kafka within a second, for lag tools."""
        self.done_offset, self.last_timestamp_ms = next_offset, timestamp_ms

    @property
    def lag_records(self) -> int | None:
        """Records between progress and the end of the partition; None until a fetch told the end."""
        end = self._consumer.kafka.highwater(self._target) if self._consumer.is_assigned(self._target) else None
        return None if end is None or self.done_offset is None else max(0, end - self.done_offset)

    @property
    def lag_seconds(self) -> float:
        """How old the newest decided record is, while there are newer ones; else zero."""
        if not self.lag_records or self.last_timestamp_ms is None:
            return 0.0
        return max(0.0, time.time() - self.last_timestamp_ms / 1000)


class PartitionedConsumer:
    """A member of a consumer group that runs one task for each partition that it is given."""

    def __init__(
        self,
        *,
        connection: KafkaConnection,
        topic: str,
        group: str,
        work: Callable[[PartitionFeed], Awaitable[None]],
        log: structlog.typing.FilteringBoundLogger,
        session_timeout_ms: int = 10_000,
        client_id: str | None = None,
    ) -> None:
        self.topic = topic
        self._work = work
        self._log = log
        self._session_seconds = session_timeout_ms / 1000
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.feeds: dict[int, PartitionFeed] = {}
        self._committing: asyncio.Task[None] | None = None
        self.kafka: Any = AIOKafkaConsumer(
            **{**connection.options(), "client_id": client_id or connection.client_id, "request_timeout_ms": JOIN_MS},
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=session_timeout_ms,
            heartbeat_interval_ms=max(300, session_timeout_ms // 4),
            rebalance_timeout_ms=max(30_000, session_timeout_ms),
            max_poll_interval_ms=LONGEST_IDLE_MS,
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=4 * 1024 * 1024,
            isolation_level="read_committed",
        )

    async def start(self) -> None:
        """Join the group. Raises LogUnavailable."""
        self.kafka.subscribe([self.topic], listener=_Listener(self))
        try:
            await self.kafka.start()
        except (KafkaError, OSError) as error:
            await self.kafka.stop()
            raise LogUnavailable(f"Kafka does not answer: {error}. Is it running where ONEFOLD_KAFKA__SERVERS points?") from error
        self._committing = asyncio.create_task(self._commit_regularly())

    async def stop(self) -> None:
        """Finish what is in flight, tell Kafka how far we are, leave the group."""
        await self._end(list(self._tasks))
        if self._committing is not None:
            self._committing.cancel()
            with suppress(asyncio.CancelledError):
                await self._committing
        await self.kafka.stop()

    def is_assigned(self, target: TopicPartition) -> bool:
        """Whether the group gives us this partition now."""
        return target in self.kafka.assignment()

    def begin(self, partitions: Iterable[int]) -> None:
        """Start a task for each new partition."""
        for partition in partitions:
            feed = self.feeds[partition] = PartitionFeed(self, partition)
            self._tasks[partition] = asyncio.create_task(self._supervise(feed), name=f"{self.topic}/{partition}")

    async def end(self, partitions: Iterable[int]) -> None:
        """Stop these partitions' tasks and wait for what they have in flight."""
        await self._end(list(partitions))

    async def _end(self, partitions: list[int]) -> None:
        leaving = [partition for partition in partitions if partition in self._tasks]
        for partition in leaving:
            self.feeds[partition].stopping.set()
        await asyncio.gather(*(self._tasks[partition] for partition in leaving), return_exceptions=True)
        await self._commit([self.feeds[partition] for partition in leaving if partition in self.feeds])
        for partition in leaving:
            self._tasks.pop(partition, None)
            self.feeds.pop(partition, None)

    async def _supervise(self, feed: PartitionFeed) -> None:
        """Run the partition's work for as long as it is ours, whatever it raises."""
        pause = 0.2
        while not feed.stopping.is_set():
            try:
                await self._work(feed)
                pause = 0.2
            except Fenced as error:
                self._log.warning("partition_fenced", partition=feed.partition, reason=str(error))
                pause = self._session_seconds / 2
            except PermanentError as error:
                feed.blocked = str(error)
                self._log.exception("partition_stopped", partition=feed.partition, code=error.code, reason=str(error))
                await feed.stopping.wait()
            except Exception as error:  # noqa: BLE001 - one partition's failure, whatever it is, must not end the others
                self._log.exception("partition_failed", partition=feed.partition, error=type(error).__name__)
                pause = min(pause * 2, 30.0)
            with suppress(TimeoutError):
                await asyncio.wait_for(feed.stopping.wait(), pause)

    async def _commit_regularly(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            await self._show_activity()
            await self._commit(list(self.feeds.values()))

    async def _show_activity(self) -> None:
        """Poll for nothing: a member that waits for a partition, or with all of them for Postgres, would leave its group otherwise."""
        with suppress(KafkaError, ConsumerStoppedError, TimeoutError):
            await asyncio.wait_for(self.kafka.getmany(TopicPartition(self.topic, -1)), COMMIT_SECONDS)

    async def _commit(self, feeds: list[PartitionFeed]) -> None:
        offsets = {
            TopicPartition(self.topic, feed.partition): feed.done_offset
            for feed in feeds
            if feed.done_offset is not None and self.is_assigned(TopicPartition(self.topic, feed.partition))
        }
        if offsets:
            with suppress(KafkaError, asyncio.TimeoutError):
                await asyncio.wait_for(self.kafka.commit(offsets), 5.0)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    def __init__(self, consumer: PartitionedConsumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._consumer.end([each.partition for each in revoked])

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._consumer.begin([each.partition for each in assigned])
