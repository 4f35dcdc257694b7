"""The timeline: from the lines of `interactions.resolved` to what each contact did (architecture, sections 4 and 5).

Its path, for one batch of one partition: decode → leave out what retention has passed → see that the weeks are there → in one transaction:
store the entries, bury what cannot be read, store progress under this worker's epoch, commit. Progress commits with its effects, so a
restart goes on where it was and a zombie is fenced; and whatever comes again all the same (a repeated emission, a replay, a topic that is
read from its beginning) loses against, or equals, what is stored (`onefold.records.timeline`).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING

from onefold import bootstrap
from onefold.errors import InvalidMessage, OnefoldError, PermanentError, RejectedByStore, StoreUnavailable, TemporaryError
from onefold.messages.codec import decode
from onefold.messages.dead_letters import DeadLetter
from onefold.messages.resolved import TimelineLine
from onefold.messages.times import from_milliseconds
from onefold.messages.topics import INTERACTIONS_RESOLVED, MAX_WRAPPED_BYTES, TIMELINE_GROUP
from onefold.observe import TimelineMetrics
from onefold.ops.purge import purge_all
from onefold.records import progress
from onefold.records.buried import bury
from onefold.records.store import RACES, REJECTED
from onefold.records.timeline import DAY_MS, MOST_NAME, Entry, event_key, monday_of, store_entries
from onefold.records.timeline_weeks import Weeks
from onefold.topics.breaker import Breaker
from onefold.topics.consumer import PartitionedConsumer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from msgspec import Raw

    from onefold.bootstrap import Role
    from onefold.observe import Health
    from onefold.records.progress import Claim
    from onefold.records.store import Store
    from onefold.topics.consumer import PartitionFeed, Record

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
MOST_RACES = 9
MOST_PROPERTIES_BYTES = 8_192
"""Of an event's properties that the timeline keeps; longer ones lie on the topic only."""
UPKEEP_SECONDS = 3_600.0


@dataclass(slots=True)
class Ownership:
    """A partition under this worker's present epoch."""

    claim: Claim
    stopping: asyncio.Event
    breaker: Breaker = field(default_factory=Breaker)


@dataclass(frozen=True, slots=True)
class Item:
    """One record on its way: an entry, or why it is none; neither for one that retention has passed."""

    record: Record
    entry: Entry | None = None
    error: OnefoldError | None = None


class Timeline:
    """Takes batches of the partitions that it owns: one of each partition at a time, several partitions at once."""

    def __init__(self, role: Role, store: Store, metrics: TimelineMetrics) -> None:
        settings = role.settings.timeline
        self._store = store
        self._metrics = metrics
        self._worker = role.worker
        self._batch_size = settings.batch_size
        self.weeks = Weeks(store, timedelta(days=settings.retention_days))

    async def follow(self, feed: PartitionFeed) -> None:
        """Own a partition until it is revoked: claim it, go where progress says, and take batch after batch.

        What retention took from the topic before the first line was stored is on no timeline; after that, a person must know of a gap.
        """
        key = progress.PartitionKey("timeline", INTERACTIONS_RESOLVED, feed.partition)
        try:
            claim = await progress.claim(self._store, key, self._worker)
            offset = await feed.start_at(claim.next_offset, fresh=claim.next_offset == 0)
            ownership = Ownership(replace(claim, next_offset=offset), feed.stopping)
            while not feed.stopping.is_set():
                records = await feed.take(self._batch_size)
                if records:
                    await self.process(ownership, records)
                    feed.done(ownership.claim.next_offset, records[-1].timestamp_ms)
                self._metrics.ticked(feed.partition, feed.lag_records)
            self._metrics.left(feed.partition)
        except PermanentError:
            self._metrics.blocked(feed.partition)
            raise

    async def process(self, ownership: Ownership, records: Sequence[Record]) -> None:
        """One batch, to its end; waits for Postgres while it is away.

        Raises Fenced when the partition has a newer owner, TooManyDeadLetters when a person must look.
        """
        oldest = self.weeks.oldest(datetime.now(UTC))
        items = [_item(record, oldest) for record in records]
        fates = [item.error is not None for item in items]
        admitted = ownership.breaker.admits(fates)
        await self._settle_patiently(ownership, items[:admitted])
        ownership.breaker.note(fates[:admitted])
        if admitted < len(items):
            raise ownership.breaker.error()

    async def _settle_patiently(self, ownership: Ownership, items: Sequence[Item]) -> None:
        pause = FIRST_PAUSE_SECONDS
        while items and not ownership.stopping.is_set():
            try:
                await self._settle(ownership, items)
            except TemporaryError as error:
                self._metrics.waits.labels(error.code).inc()
                with suppress(TimeoutError):
                    await asyncio.wait_for(ownership.stopping.wait(), pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                items = [item for item in items if item.record.offset >= ownership.claim.next_offset]
            else:
                return

    async def _settle(self, ownership: Ownership, items: Sequence[Item]) -> None:
        """Store these items in one transaction, or in more: bisected down to the one that the store rejects."""
        for _ in range(MOST_RACES):
            try:
                return await self._attempt(ownership, items)
            except RACES:
                continue
            except REJECTED as error:
                if len(items) == 1:
                    items = [replace(items[0], entry=None, error=RejectedByStore(f"the store rejects it: {error}"))]
                    continue
                middle = len(items) // 2
                await self._settle(ownership, items[:middle])
                return await self._settle(ownership, items[middle:])
        raise StoreUnavailable("a batch of the timeline keeps losing races")

    async def _attempt(self, ownership: Ownership, items: Sequence[Item]) -> None:
        entries = [item.entry for item in items if item.entry is not None]
        dead = [(item.record, item.error) for item in items if item.error is not None]
        await self.weeks.make({monday_of(entry.at_ms) for entry in entries if entry.tenure_id is not None})
        next_offset = items[-1].record.offset + 1
        async with self._store.begin() as connection:
            await progress.go_on(connection, ownership.claim, next_offset)
            stored = await store_entries(connection, entries)
            for record, error in dead:
                await bury(connection, _letter(record, error), record.key, record.value or b"", record.headers)
        ownership.claim = replace(ownership.claim, next_offset=next_offset)
        self._metrics.settled(stored, expired=len(items) - len(entries) - len(dead), dead=len(dead))

    async def keep_up(self, role: Role, stopping: asyncio.Event) -> None:
        """Make weeks ahead of time, drop those that retention has passed, and purge what erasures left, every hour.

        A failure is tried again at the next.
        """
        while not stopping.is_set():
            try:
                now = datetime.now(UTC)
                await self.weeks.make_ahead(now)
                parts, events = await self.weeks.forget(now)
                purged = await purge_all(self._store)
                role.log.info("timeline_kept_up", parts_dropped=parts, events_forgotten=events, erasures_purged=purged)
            except Exception as error:  # retention that is late must not end the timeline
                role.log.exception("timeline_upkeep_failed", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), UPKEEP_SECONDS)


def _item(record: Record, oldest: int) -> Item:
    try:
        line = decode(record.value, TimelineLine, max_bytes=MAX_WRAPPED_BYTES)
    except PermanentError as error:
        return Item(record, error=error)
    at_ms = record.timestamp_ms if line.at_ms is None else line.at_ms
    if at_ms > record.timestamp_ms + DAY_MS:
        return Item(record, error=InvalidMessage(f"at_ms is {at_ms}, after the line itself", code="invalid_time"))
    if at_ms < oldest:
        return Item(record)
    return Item(record, _entry(line, at_ms))


def _entry(line: TimelineLine, at_ms: int) -> Entry:
    origin = line.interaction
    return Entry(
        event_key=event_key(origin.workspace, origin.event_id),
        workspace=origin.workspace,
        generation=line.generation,
        partition=line.partition,
        offset=line.offset,
        epoch=line.epoch,
        at_ms=at_ms,
        tenure_id=line.tenure_id,
        event_id=origin.event_id,
        contact_id=line.contact_id,
        type=origin.type,
        channel=origin.channel,
        name=origin.name[:MOST_NAME].replace("\0", "\ufffd") if origin.name else None,
        outcome=line.outcome,
        reason=line.reason,
        properties=_properties(origin.properties),
    )


def _properties(raw: Raw) -> str | None:
    """As they came, if they are not too long. Traits, identifiers and context (addresses, user agents) are not kept here at all."""
    text = bytes(raw)
    return text.decode(errors="replace") if text not in {b"", b"null", b"{}"} and len(text) <= MOST_PROPERTIES_BYTES else None


def _letter(record: Record, error: OnefoldError) -> DeadLetter:
    return DeadLetter(
        reason=str(error),
        error_class=type(error).__name__,
        error_code=error.code,
        attempts=1,
        origin_topic=INTERACTIONS_RESOLVED,
        origin_partition=record.partition,
        origin_offset=record.offset,
        origin_timestamp=from_milliseconds(record.timestamp_ms),
        code_version=version("onefold"),
    )


async def run(role: Role, health: Health, stopping: asyncio.Event) -> None:
    """Keep the timeline until told to stop; then drain, store progress and leave the group."""
    kafka = role.settings.kafka
    async with bootstrap.store(role) as store:
        timeline = Timeline(role, store, TimelineMetrics(role.metrics))
        consumer = PartitionedConsumer(
            connection=role.kafka,
            topic=role.kafka.topic(INTERACTIONS_RESOLVED),
            group=kafka.topic_prefix + TIMELINE_GROUP,
            work=timeline.follow,
            log=role.log,
            session_timeout_ms=kafka.session_timeout_ms,
            client_id=role.worker,
        )
        await consumer.start()
        upkeep = asyncio.create_task(timeline.keep_up(role, stopping))
        health.ready("start")
        try:
            await health.tick_until(stopping)
        finally:
            await consumer.stop()
            upkeep.cancel()
            with suppress(asyncio.CancelledError):
                await upkeep
