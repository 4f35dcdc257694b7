"""I1, I2 and I16 on the timeline: each line that it has passed is there, once, and is credited as the greatest epoch says.

Called by `positions`, which holds the lines themselves against the log. Where no timeline ever ran there is nothing to look at.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from onefold.messages.dead_letters import origin_of
from onefold.messages.resolved import CheckedLine
from onefold.messages.times import to_milliseconds
from onefold.messages.topics import DEAD_LETTER, INTERACTIONS_RESOLVED
from onefold.ops.check.differences import MOST_KEPT
from onefold.records import checks, timeline_checks
from onefold.records.erased import erased_among
from onefold.records.timeline import event_key
from onefold.topics.ranges import reading
from onefold.topics.tail import follow_topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from onefold.ops.check.differences import Found
    from onefold.ops.check.look import Look
    from onefold.records.timeline_checks import Event
    from onefold.topics.consumer import Record

BATCH = 5_000
_decode = msgspec.json.Decoder(CheckedLine).decode


class Due(NamedTuple):
    """A line that must be on the timeline, and where it lies."""

    where: str
    line: CheckedLine


async def on_the_timeline(look: Look, found: Found) -> None:
    """I1, I16: every line that the timeline has passed has its event there, under an epoch and a position no later than its own."""
    passed = await timeline_checks.passed(look.examined.store)
    buried = await _buried(look) if passed else set()
    async with checks.looking(look.examined.store, look.examined.workspaces) as connection:
        async for batch in _due(look, passed):
            known = await timeline_checks.events_of(connection, {_key(due.line) for due in batch})
            erased = await erased_among(connection, {due.line.tenure_id for due in batch if due.line.tenure_id is not None})
            for due in batch:
                trouble = judge(due.line, known.get(_key(due.line)), is_erased=due.line.tenure_id in erased)
                if trouble is not None and due.where not in buried:
                    found.add(due.where, trouble)


async def once_on_the_timeline(look: Look, found: Found) -> None:
    """I2: an event has one row on the timeline, and the counts of days are those of the rows."""
    if not await timeline_checks.passed(look.examined.store):
        return
    day = (datetime.now(UTC) - look.examined.timeline_kept).date() + timedelta(days=1)
    since = datetime.combine(day, time(), UTC)
    async with checks.looking(look.examined.store, look.examined.workspaces) as connection:
        found.checked += await timeline_checks.count_since(connection, since)
        for row in await timeline_checks.apart(connection, since, MOST_KEPT):
            what = "has no row" if row["is_row"] is None else "is not known" if row["is_event"] is None else "names another position there"
            found.add(f"timeline of tenure {row['tenure_id']}", f"event {row['event_key'].hex()} {what}")
        for row in await timeline_checks.miscounted(connection, since, MOST_KEPT):
            which = f"{row['day']:%Y-%m-%d} {row['type']} {row['name']}".rstrip()
            found.add(f"timeline of tenure {row['tenure_id']}", f"{which}: counted as {row['told']}, there are {row['counted']}")


def judge(line: CheckedLine, event: Event | None, *, is_erased: bool = False) -> str | None:
    """What is wrong with what the timeline says of a line's event, if anything: it may say an earlier position, or a greater epoch."""
    if event is None:
        return "was passed by the timeline, and is not on it"
    mine = line.generation, line.partition, line.offset
    theirs = event.generation, event.partition, event.offset
    if theirs > mine:
        return f"the timeline has its event at the later {event.partition}/{event.offset}"
    if theirs == mine and event.epoch < line.epoch:
        return f"the timeline says what epoch {event.epoch} said, and {line.epoch} is greater"
    if theirs == mine and event.epoch == line.epoch and event.tenure_id not in ({None, line.tenure_id} if is_erased else {line.tenure_id}):
        return f"the timeline credits tenure {event.tenure_id}, the line {line.tenure_id}"
    return None


async def _due(look: Look, passed: Mapping[int, int]) -> AsyncIterator[list[Due]]:
    """The lines of our workspaces that the timeline has passed and keeps, some at a time."""
    oldest = to_milliseconds(datetime.now(UTC) - look.examined.timeline_kept)
    batch: list[Due] = []
    async with reading(look.examined.kafka, INTERACTIONS_RESOLVED) as reader:
        ranges = {partition: [(0, end)] for partition, end in passed.items()}
        async for record in reader.records_in(ranges):
            line = _line(record)
            if line is None or not look.examined.sees(line.interaction.workspace):
                continue
            if (record.timestamp_ms if line.at_ms is None else line.at_ms) < oldest:
                continue
            batch.append(Due(f"{INTERACTIONS_RESOLVED}/{record.partition} offset {record.offset}", line))
            if len(batch) == BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def _line(record: Record) -> CheckedLine | None:
    """What cannot be read is I1's to tell already."""
    try:
        return _decode(record.value or b"")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


async def _buried(look: Look) -> set[str]:
    """Lines that the timeline gave up: they lie in the dead letters."""
    found = set()
    async for record in follow_topic(look.examined.kafka, DEAD_LETTER, from_start=True, to_end=True):
        origin = origin_of(record.headers)
        if origin is not None and look.examined.kafka.plain(origin.topic) == INTERACTIONS_RESOLVED:
            found.add(f"{INTERACTIONS_RESOLVED}/{origin.partition} offset {origin.offset}")
    return found


def _key(line: CheckedLine) -> bytes:
    return event_key(line.interaction.workspace, line.interaction.event_id)
