"""The relay: from the outbox to Kafka, each row at least once, in the order of each contact's versions (architecture, section 5).

Its path, for one shard: own it → take its transactional id, which fences whoever had it → read the first rows → produce them in one
Kafka transaction → delete exactly those rows → again. After any failure it begins with the first row. Several relays share the shards;
when one falls silent, the others take over what it had, and what it still has in flight is fenced.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onefold import bootstrap
from onefold.errors import Fenced, OnefoldError, StoreUnavailable, TemporaryError
from onefold.failpoints import reach
from onefold.messages.topics import INTERACTIONS, RELAYS, partition_of
from onefold.observe import RelayMetrics
from onefold.records.outbox import own, presence
from onefold.records.separations import collapse
from onefold.records.shards import shard_count
from onefold.topics.batches import default_partition
from onefold.topics.transactions import TransactionalProducer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.bootstrap import Role
    from onefold.observe import Health, Log
    from onefold.records.outbox import OwnedShard, Presence, Row
    from onefold.records.store import Store
    from onefold.topics.batches import Triple
    from onefold.topics.client import KafkaConnection

FIRST_IDLE_SECONDS, LONGEST_IDLE_SECONDS = 0.005, 0.05
"""Between looks into an empty shard, twice as long each time; one that had rows is looked into at once again."""
SHARE_SECONDS = 0.5
"""Between looks at who is there and what is free."""
MEASURE_SECONDS = 5.0
COLLAPSE_SECONDS = 60.0
"""Between looks for separations that a later one of their bucket makes superfluous."""
SILENCE_SECONDS = 15.0
"""A relay that says nothing to Postgres for so long loses its shards. Longer than any transaction may take."""
TRANSACTION_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 5.0


async def run(role: Role, health: Health, stopping: asyncio.Event) -> None:
    """Relay until told to stop; what is in flight is finished."""
    async with bootstrap.store(role, pool_size=2) as store:
        shards = await shard_count(store)
    # One connection a shard, for its lock; one to be counted by; one to spare.
    async with bootstrap.store(role, pool_size=shards + 2) as store:
        parts = Parts(store, role.kafka, shards, RelayMetrics(role.metrics), health, role.log, role.settings.relay.batch_size)
        await Relay(parts).run(stopping)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a relay works with."""

    store: Store
    kafka: KafkaConnection
    shards: int
    metrics: RelayMetrics
    health: Health
    log: Log
    batch_size: int = 1_000
    silence_seconds: float = SILENCE_SECONDS


@dataclass(slots=True)
class Running:
    """The task of one shard, which may be asked to end."""

    task: asyncio.Task[None]
    ending: asyncio.Event


class Relay:
    """Shares the shards fairly with the other relays and works on its own, all at once."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._running: dict[int, Running] = {}
        self._owned: set[int] = set()
        self._share = parts.shards
        self._pauses: dict[int, float] = {}
        self._not_before: dict[int, float] = {}
        self._collapse_at = time.monotonic()

    @property
    def owned(self) -> frozenset[int]:
        """The shards that this relay owns now."""
        return frozenset(self._owned)

    async def run(self, stopping: asyncio.Event) -> None:
        """Relay until `stopping`, whatever servers go away meanwhile."""
        try:
            while not stopping.is_set():
                try:
                    async with presence(self._parts.store, silence_seconds=self._parts.silence_seconds) as here:
                        self._parts.health.ready("start")
                        self._parts.health.ready("store")
                        await self._share_out(here, stopping)
                except TemporaryError as error:
                    self._parts.health.waiting("store", str(error))
                    self._parts.log.warning("relay_waits_for_store", reason=str(error))
                    self._parts.health.tick()
                    await _wait(stopping, SHARE_SECONDS)
        finally:
            await self._end(list(self._running))

    async def _share_out(self, here: Presence, stopping: asyncio.Event) -> None:
        measured = 0.0
        while not stopping.is_set():
            self._share = -(-self._parts.shards // await here.relays())
            self._start_missing()
            surplus = sorted(self._owned)[self._share :]
            await self._end(surplus)
            if time.monotonic() - measured > MEASURE_SECONDS:
                measured = time.monotonic()
                backlog = await here.backlog()
                self._parts.metrics.outbox_rows.set(backlog.rows)
                self._parts.metrics.outbox_age.set(backlog.age_seconds)
            if time.monotonic() >= self._collapse_at:
                await self._collapse_separations()
            self._parts.health.tick()
            await _wait(stopping, SHARE_SECONDS)

    async def _collapse_separations(self) -> None:
        """A bounded part of them; what is left waits for the next time. No relaying depends on it, so it fails by itself."""
        self._collapse_at = time.monotonic() + COLLAPSE_SECONDS
        try:
            await collapse(self._parts.store)
        except StoreUnavailable as error:
            self._parts.log.warning("separations_not_collapsed", reason=str(error))

    def _start_missing(self) -> None:
        """Try every shard that is not worked on; whoever owns it already turns us away at once."""
        self._running = {shard: running for shard, running in self._running.items() if not running.task.done()}
        if len(self._owned) >= self._share:
            return
        for shard in range(self._parts.shards):
            if shard not in self._running and time.monotonic() >= self._not_before.get(shard, 0.0):
                ending = asyncio.Event()
                self._running[shard] = Running(asyncio.create_task(self._supervise(shard, ending), name=f"relay-{shard}"), ending)

    async def _end(self, shards: Sequence[int]) -> None:
        """Let these shards go, after what is in flight."""
        leaving = [self._running[shard] for shard in shards if shard in self._running]
        for running in leaving:
            running.ending.set()
        await asyncio.gather(*(running.task for running in leaving))

    async def _supervise(self, shard: int, ending: asyncio.Event) -> None:
        """Work on one shard; on any failure let it go, and leave it alone for a while."""
        parts = self._parts
        try:
            await self._work(shard, ending)
        except Fenced as error:
            parts.metrics.fenced.inc()
            parts.log.warning("shard_fenced", shard=shard, reason=str(error))
            # Its new owner holds the lock. If there is none, nobody loses by the wait.
            self._not_before[shard] = time.monotonic() + 2 * SHARE_SECONDS
        except OnefoldError as error:
            parts.metrics.failures.labels(error.code).inc()
            parts.log.warning("shard_failed", shard=shard, code=error.code, reason=str(error))
            self._back_off(shard)
            if isinstance(error, TemporaryError):
                parts.health.waiting("log" if error.code == "log_unavailable" else "store", str(error))
        except Exception as error:  # one shard's failure, whatever it is, must not end the others
            parts.metrics.failures.labels("unexpected").inc()
            parts.log.exception("shard_failed", shard=shard, code="unexpected", error=type(error).__name__)
            self._back_off(shard)
        finally:
            self._owned.discard(shard)
            parts.metrics.shards.set(len(self._owned))

    def _back_off(self, shard: int) -> None:
        pause = min(2 * self._pauses.get(shard, SHARE_SECONDS / 4), LONGEST_PAUSE_SECONDS)
        self._pauses[shard] = pause
        self._not_before[shard] = time.monotonic() + pause

    async def _work(self, shard: int, ending: asyncio.Event) -> None:
        """Own the shard, unless somebody does, and move its rows until asked to end."""
        parts = self._parts
        async with own(parts.store, shard, silence_seconds=parts.silence_seconds) as outbox:
            if outbox is None or len(self._owned) >= self._share or ending.is_set():
                return
            self._owned.add(shard)
            # Only an owner takes the id: anybody else would fence the owner.
            transactional_id = parts.kafka.topic(f"{RELAYS}{shard}")
            async with TransactionalProducer(parts.kafka, transactional_id, timeout_seconds=TRANSACTION_SECONDS) as producer:
                parts.metrics.shards.set(len(self._owned))
                parts.log.info("shard_owned", shard=shard)
                idle = FIRST_IDLE_SECONDS
                while not ending.is_set():
                    moved = await self._move(outbox, producer)
                    self._pauses.pop(shard, None)
                    parts.health.ready("log")
                    if moved:
                        idle = FIRST_IDLE_SECONDS
                    else:
                        await _wait(ending, idle)
                        idle = min(2 * idle, LONGEST_IDLE_SECONDS)

    async def _move(self, outbox: OwnedShard, producer: TransactionalProducer) -> int:
        """Move the first rows of the shard in one transaction; gives their number.

        Rows are read after the id was taken, so they are never older than those that a former owner sent.
        """
        began = time.monotonic()
        rows = await outbox.read(self._parts.batch_size)
        if not rows:
            return 0
        await reach("relay.read")
        async with producer.transaction() as transaction:
            for topic, of_topic in _by_topic(rows).items():
                partitions = await producer.partitions(topic)
                await transaction.send_batches(topic, _by_partition(of_topic, topic, partitions))
            await reach("relay.sent")
        await reach("relay.acknowledged")
        await outbox.delete(rows)
        self._parts.metrics.batch_seconds.observe(time.monotonic() - began)
        for topic, of_topic in _by_topic(rows).items():
            self._parts.metrics.relayed.labels(topic).inc(len(of_topic))
        return len(rows)


def _by_topic(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.topic, []).append(row)
    return found


def _by_partition(rows: Sequence[Row], topic: str, partitions: int) -> dict[int, list[Triple]]:
    """On the topic that collectors produce to as well, a visitor's records of both lie in one partition, in order."""
    find = default_partition if topic == INTERACTIONS else partition_of
    found: dict[int, list[Triple]] = {}
    for row in rows:
        found.setdefault(find(row.key, partitions), []).append((row.key, row.payload, row.headers))
    return found


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, or as long as that."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
