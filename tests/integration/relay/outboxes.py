"""Rows for the outbox, as changes of contacts leave them, and what must be true of what came out."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

import structlog

from onefold.messages.topics import CONTACTS_CHANGED
from onefold.observe import Health, Metrics, RelayMetrics
from onefold.records.shards import shard_count
from streams.relay import Parts, Relay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from onefold.observe import Log
    from onefold.records.store import Connection, Store
    from onefold.topics.client import KafkaConnection
    from tests.integration.topics.reading import Read

INSERT = "insert into outbox (shard, topic, key, payload, headers) values ($1, $2, $3, $4, $5)"


def contact(number: int) -> UUID:
    return uuid5(UUID(int=7), str(number))


async def insert(connection: Connection, changes: Iterable[tuple[UUID, int | None]], *, shards: int = 4) -> None:
    """Rows for (contact, version); None is a tombstone."""
    await connection.executemany(
        INSERT,
        [
            (
                who.int % shards,
                CONTACTS_CHANGED,
                str(who).encode(),
                json.dumps({"version": version}).encode() if version is not None else None,
                json.dumps({"ce_id": f"{who}/{version}"}),
            )
            for who, version in changes
        ],
    )


def versions(records: Sequence[Read]) -> dict[str, list[int | None]]:
    """Versions of each contact, in the order of the log."""
    found: dict[str, list[int | None]] = defaultdict(list)
    for record in records:
        found[(record.key or b"").decode()].append(json.loads(record.value)["version"] if record.value else None)
    return found


def assert_repeats_but_no_gap(seen: Sequence[int | None], last: int) -> None:
    """I7: each version appears first in order; a repeat begins again with an earlier one; the last record is the last version."""
    highest = 0
    for version in seen:
        assert version is not None
        assert version <= highest + 1, f"{version} after {highest}: a gap"
        highest = max(highest, version)
    assert highest == last
    assert seen[-1] == last, "a compacted topic would keep an old version"


@dataclass
class RunningRelay:
    """A relay in this process."""

    relay: Relay
    metrics: RelayMetrics
    health: Health
    stopping: asyncio.Event

    async def owns(self, count: int, timeout_seconds: float = 20.0) -> None:
        """Wait until it owns that many shards."""
        async with asyncio.timeout(timeout_seconds):
            while len(self.relay.owned) != count:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def relaying(
    store: Store, kafka: KafkaConnection, *, silence_seconds: float = 15.0, batch_size: int = 1_000
) -> AsyncIterator[RunningRelay]:
    """A relay at work on the store while the block runs."""
    metrics = Metrics()
    log: Log = structlog.get_logger()
    health, counted, stopping = Health("relay", metrics.registry), RelayMetrics(metrics), asyncio.Event()
    relay = Relay(Parts(store, kafka, await shard_count(store), counted, health, log, batch_size, silence_seconds))
    task = asyncio.create_task(relay.run(stopping))
    try:
        yield RunningRelay(relay, counted, health, stopping)
    finally:
        stopping.set()
        await task
