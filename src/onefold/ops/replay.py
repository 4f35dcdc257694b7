"""What a replay would decide again: ranges of `interactions` that were decided before, as far as the log still holds them.

The work itself is done by `streams.replay`. Called by the command line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from onefold.errors import InvalidRange
from onefold.messages.topics import INTERACTIONS
from onefold.records import jobs, replays
from onefold.topics.ranges import Span, reading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from onefold.records.jobs import Job
    from onefold.records.store import Store
    from onefold.topics.client import KafkaConnection


class Range(msgspec.Struct, frozen=True):
    """Offsets of a partition, from `first` up to, and without, `end`."""

    partition: int
    first: int = msgspec.field(name="from")
    end: int = msgspec.field(name="to")


class Plan(msgspec.Struct, frozen=True):
    """What a replay is to decide again; never changed once it began."""

    ranges: list[Range]
    notes: list[str]
    """What was asked for and is left out, with the reason: sentences for people."""

    @property
    def records(self) -> int:
        """How many offsets that is; records may be fewer."""
        return sum(each.end - each.first for each in self.ranges)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for. By offsets, or by partitions (None: all) and append time."""

    spans: Mapping[int, Span] = field(default_factory=dict)
    partitions: frozenset[int] | None = None
    since: datetime | None = None
    until: datetime | None = None


async def plan(store: Store, kafka: KafkaConnection, wanted: Wanted) -> Plan:
    """The ranges that a replay would take now. Raises InvalidRange where a partition does not exist."""
    decided = await replays.decided(store, INTERACTIONS)
    async with reading(kafka, INTERACTIONS) as reader:
        held = await reader.held()
        chosen = sorted(wanted.spans or (wanted.partitions if wanted.partitions is not None else held))
        unknown = [partition for partition in chosen if partition not in held]
        if unknown:
            raise InvalidRange(f"interactions has no partition {unknown[0]}; it has 0 to {len(held) - 1}")
        firsts = await reader.offsets_at(wanted.since, chosen) if wanted.since is not None else {}
        ends = await reader.offsets_at(wanted.until, chosen) if wanted.until is not None else {}
    ranges, notes = [], []
    for partition in chosen:
        log = held[partition]
        asked = wanted.spans.get(partition) or _asked(log, firsts.get(partition, 0), ends.get(partition, log.end))
        found = Range(partition, max(asked.first, log.first), min(asked.end, decided.get(partition, 0)))
        notes += _left_out(asked, log, found, since=wanted.since)
        if found.first < found.end:
            ranges.append(found)
    return Plan(ranges, notes)


async def begin(store: Store, todo: Plan, *, actor: str, reason: str | None) -> Job:
    """Make the job, its progress and a new incarnation of the index, in one transaction. For who has the replays' turn."""
    async with store.begin() as connection:
        job = await jobs.create(connection, "replay", msgspec.to_builtins(todo), actor=actor, reason=reason)
        await replays.begin(connection, job.job_id, INTERACTIONS, {each.partition: each.first for each in todo.ranges})
    return job


def _asked(log: Span, first: int | None, end: int | None) -> Span:
    """What times come to: None is a time that no record is as young as."""
    return Span(first if first is not None else log.end, end if end is not None else log.end)


def _left_out(asked: Span, log: Span, found: Range, *, since: datetime | None) -> list[str]:
    where, notes = f"partition {found.partition}", []
    if asked.first < log.first:
        notes.append(f"{where}: offsets {asked.first} to {log.first - 1} are beyond retention, the log begins at {log.first}")
    elif since is not None and 0 < log.first == asked.first:
        notes.append(f"{where}: the log begins at offset {log.first}; what is older is beyond retention")
    if asked.end > log.end:
        notes.append(f"{where}: the log ends before offset {log.end}")
    waiting = min(asked.end, log.end) - max(found.end, asked.first, log.first)
    if waiting > 0:
        notes.append(f"{where}: {waiting} records are not decided yet; resolvers take them in their turn")
    return notes
