"""Records packed by hand into batches: three times as many a CPU second as one by one. Shared by both producers."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from aiokafka.partitioner import murmur2

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Headers = tuple[tuple[str, bytes | None], ...]
Pair = tuple[bytes | None, bytes | None]
"""Key and value."""
Triple = tuple[bytes | None, bytes | None, Headers]
"""Key, value and headers."""


def default_partition(key: bytes, partitions: int) -> int:
    """Where producers put a key by default, as Java's and the collector's do: murmur2 without its sign."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


class BatchWriter:
    """Writes batches through one aiokafka producer."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        # Concurrent send_batch calls to one partition wait for one another's draining, and time out: one at a time.
        self._locks: defaultdict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def write(self, topic: str, by_partition: Mapping[int, Sequence[Pair | Triple]]) -> None:
        """Write the records in their order and wait for all acknowledgements. Raises what aiokafka raises."""
        enqueued = await asyncio.gather(
            *(self._enqueue(topic, partition, records) for partition, records in by_partition.items() if records)
        )
        await acknowledged([future for futures in enqueued for future in futures])

    async def _enqueue(self, topic: str, partition: int, records: Iterable[Pair | Triple]) -> list[asyncio.Future[Any]]:
        """Hand the records over in as few batches as they fit into; gives the futures of their acknowledgements."""
        futures: list[asyncio.Future[Any]] = []
        async with self._locks[topic, partition]:
            batch = self._producer.create_batch()
            append = batch.append
            for record in records:
                headers = list(record[2]) if len(record) == 3 else []  # noqa: PLR2004 - a triple
                if append(timestamp=None, key=record[0], value=record[1], headers=headers) is None:
                    futures.append(await self._producer.send_batch(batch, topic, partition=partition))
                    batch = self._producer.create_batch()
                    append = batch.append
                    append(timestamp=None, key=record[0], value=record[1], headers=headers)
            # Closed, or a single message could slip in between.
            batch.close()
            futures.append(await self._producer.send_batch(batch, topic, partition=partition))
        return futures


async def acknowledged(futures: list[asyncio.Future[Any]]) -> None:
    """Wait for all; raise the first failure, having looked at each, so that none is reported as forgotten."""
    looked_at(futures)
    for outcome in await asyncio.gather(*futures, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def looked_at(futures: list[asyncio.Future[Any]]) -> None:
    """Let none be reported as forgotten, whoever stops waiting."""
    for future in futures:
        future.add_done_callback(_look_at)


def _look_at(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
