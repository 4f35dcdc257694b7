"""One look at an installation: what every check may read, and what several share, read once a look."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from onefold.messages.dead_letters import Origin, origin_of
from onefold.messages.times import to_milliseconds
from onefold.messages.topics import DEAD_LETTER, INTERACTIONS, INTERACTIONS_RESOLVED
from onefold.ops.check.lines import Lines, Span
from onefold.records import checks
from onefold.topics.ranges import reading
from onefold.topics.tail import follow_topic

if TYPE_CHECKING:
    from onefold.index.upkeep import IndexUpkeep
    from onefold.records.store import Store
    from onefold.topics.client import KafkaConnection


@dataclass(frozen=True, slots=True)
class Examined:
    """The installation that is looked at."""

    store: Store
    kafka: KafkaConnection
    workspaces: frozenset[str]
    resolver_group: str
    """The resolvers' consumer group, as the broker knows it."""
    index: IndexUpkeep
    index_secret: bytes
    timeline_kept: timedelta
    """How long the timeline keeps what happened, by event time."""
    max_outbox_age_seconds: float = 60.0

    def sees(self, workspace: str) -> bool:
        """Whether rows and messages of a workspace are looked at."""
        return workspace in self.workspaces


class Replayed(NamedTuple):
    """Positions whose epochs are those of replays."""

    ranges: list[tuple[int, int, int]]
    """(partition, first, end): end itself is not covered."""

    def covers(self, partition: int, offset: int) -> bool:
        """Whether a replay decided the position anew."""
        return any(each == partition and first <= offset < end for each, first, end in self.ranges)


@dataclass(slots=True)
class Look:
    """One look. What it has read, it keeps for the checks that follow."""

    examined: Examined
    is_second: bool = False
    _lines: Lines | None = None
    _letters: dict[tuple[int, int], set[int]] | None = field(default=None)

    async def lines(self) -> Lines:
        """The lines of every position that was decided when the look began."""
        if self._lines is None:
            found = Lines(await self._spans(), self.examined.sees)
            async for record in follow_topic(self.examined.kafka, INTERACTIONS_RESOLVED, from_start=True, to_end=True):
                found.take(record)
            self._lines = found
        return self._lines

    async def letters(self) -> dict[tuple[int, int], set[int]]:
        """By position of `interactions`, when the records were appended there that became dead letters; milliseconds since 1970."""
        if self._letters is None:
            await self.lines()  # bounds before letters: what was decided by then has its letter
            found: dict[tuple[int, int], set[int]] = {}
            async for record in follow_topic(self.examined.kafka, DEAD_LETTER, from_start=True, to_end=True):
                origin = origin_of(record.headers)
                if origin is not None and self.examined.kafka.plain(origin.topic) == INTERACTIONS:
                    found.setdefault((origin.partition, origin.offset), set()).add(milliseconds(origin))
            self._letters = found
        return self._letters

    async def replayed(self) -> Replayed:
        """What replays cover."""
        return Replayed(await checks.replayed_ranges(self.examined.store))

    async def _spans(self) -> dict[int, Span]:
        """From where on lines must be there to where progress is: progress is read first, so everything before it was emitted."""
        kafka = self.examined.kafka
        progress = await checks.progress(self.examined.store)
        since = await self._lines_since()
        async with reading(kafka, INTERACTIONS) as reader:
            held = await reader.held()
            kept = await reader.offsets_at(since, held) if since is not None else dict.fromkeys(held, 0)
        spans = {}
        for partition, each in progress.items():
            if partition not in held:
                continue
            first = kept[partition]
            # Without a record of that time, all lines of this partition may be gone.
            first = max(held[partition].first, first) if first is not None else each.next_offset
            spans[partition] = Span(each.generation, min(first, each.next_offset), each.next_offset)
        return spans

    async def _lines_since(self) -> datetime | None:
        """Where retention cut `interactions.resolved`, the time from which on its partitions are whole; None: they always were.

        A line is younger than its record, so records from then on have theirs. (A topic keeps a segment until its youngest record is
        old enough, so an old record may be there still when its line is not.)
        """
        async with reading(self.examined.kafka, INTERACTIONS_RESOLVED) as reader:
            cut = {partition: [(span.first, span.first + 1)] for partition, span in (await reader.held()).items() if span.first > 0}
            times = [record.timestamp_ms async for record in reader.records_in(cut)]
        return datetime.fromtimestamp(max(times) / 1000, UTC) if times else None


def milliseconds(origin: Origin) -> int:
    """When a record was appended, as Kafka counts."""
    return to_milliseconds(origin.at)
