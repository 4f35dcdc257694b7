"""Dead letters as operators see them: read in a stream, with what was decided on each. Called by the command line and by doctor.

A letter is named by its place on the dead-letter topic, `PARTITION/OFFSET`, and open until it was redriven or dropped.
"""

from __future__ import annotations

import heapq
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from onefold.errors import LetterNotFound
from onefold.messages.dead_letters import CODE_VERSION, ERROR_CODE, ORIGIN_TOPIC, DeadLetter, said, split
from onefold.messages.times import from_milliseconds
from onefold.messages.topics import DEAD_LETTER
from onefold.records.decisions import count_decisions, decisions_of
from onefold.topics.ranges import Span, reading

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from onefold.records.decisions import Decision
    from onefold.records.store import Store
    from onefold.topics.client import KafkaConnection
    from onefold.topics.consumer import Record
    from onefold.topics.ranges import TopicReader

CHUNK = 200


class LetterId(NamedTuple):
    """Where a letter lies on the dead-letter topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter."""

    letter_id: LetterId
    record: Record
    """As it lies there: original key and value, the original headers and ours."""
    said: Mapping[str, str]
    """Our headers."""
    death: DeadLetter | None
    """What they say. None where some are missing, as on letters of our own topics, or damaged."""
    decision: Decision | None

    @property
    def error_code(self) -> str:
        """The stable word for what is wrong."""
        return self.said.get(ERROR_CODE, "unknown")

    @property
    def origin_topic(self) -> str:
        """The topic that it lay on."""
        return self.said.get(ORIGIN_TOPIC, "unknown")

    @property
    def at(self) -> datetime:
        """When it was given up."""
        return from_milliseconds(self.record.timestamp_ms)


class Filters(msgspec.Struct, frozen=True):
    """Which letters are meant. What is None does not matter."""

    error_code: str | None = None
    origin_topic: str | None = None
    code_version: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def admit(self, letter: Letter) -> bool:
        """Whether a letter is meant."""
        return (
            self.error_code in {None, letter.error_code}
            and self.origin_topic in {None, letter.origin_topic}
            and self.code_version in {None, letter.said.get(CODE_VERSION)}
            and (self.since is None or letter.at >= self.since)
            and (self.until is None or letter.at < self.until)
        )


class Stretch(NamedTuple):
    """Letters of one partition of the dead-letter topic, from `first` up to, and without, `end`."""

    partition: int
    first: int
    end: int


@dataclass(slots=True)
class Overview:
    """Letters that were found: the latest ones, and how many there are of each kind."""

    letters: list[Letter] = field(default_factory=list)
    """Newest first."""
    totals: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By error code and origin topic."""


async def find_letters(store: Store, kafka: KafkaConnection, filters: Filters, *, most: int, decided_too: bool) -> Overview:
    """The latest letters that are meant, at most `most`; all are counted, and no more than that is kept in memory."""
    overview = Overview()
    latest: list[tuple[datetime, LetterId, Letter]] = []
    async with reading(kafka, DEAD_LETTER) as reader:
        for stretch in await everything(reader, filters):
            async for chunk in letters_of(store, reader, stretch, CHUNK):
                for letter in chunk:
                    if not filters.admit(letter) or (letter.decision is not None and not decided_too):
                        continue
                    overview.totals[letter.error_code, letter.origin_topic] += 1
                    entry = (letter.at, letter.letter_id, letter)
                    (heapq.heappush if len(latest) < most else heapq.heappushpop)(latest, entry)
    overview.letters = [letter for _, _, letter in sorted(latest, reverse=True)]
    return overview


async def find_letter(store: Store, kafka: KafkaConnection, letter_id: LetterId) -> Letter:
    """One letter. Raises LetterNotFound."""
    async with reading(kafka, DEAD_LETTER) as reader:
        (stretch,) = await named(reader, [letter_id])
        found = [letter async for chunk in letters_of(store, reader, stretch, 1) for letter in chunk]
    if not found:
        raise _not_found(letter_id)
    return found[0]


async def count_open(store: Store, kafka: KafkaConnection, *, most: int) -> int:
    """How many letters are open; counting ends at `most`."""
    found = 0
    async with reading(kafka, DEAD_LETTER) as reader:
        for stretch in await everything(reader, Filters()):
            async with store.connection() as connection:
                decided = await count_decisions(connection, *stretch)
            if decided == stretch.end - stretch.first:
                continue  # mostly so, without reading a record
            async with aclosing(letters_of(store, reader, stretch, CHUNK)) as chunks:
                async for chunk in chunks:
                    found += sum(letter.decision is None for letter in chunk)
                    if found >= most:
                        return most
    return found


async def everything(reader: TopicReader, filters: Filters) -> list[Stretch]:
    """Where the letters that are meant can lie, up to what is the end now."""
    held = await reader.held()
    first: Mapping[int, int | None] = {partition: span.first for partition, span in held.items()}
    if filters.since is not None:
        first = await reader.offsets_at(filters.since, held)
    found = [(partition, first[partition], span.end) for partition, span in held.items()]
    return [Stretch(partition, begin, end) for partition, begin, end in found if begin is not None and begin < end]


async def named(reader: TopicReader, letter_ids: Sequence[LetterId]) -> list[Stretch]:
    """A stretch for each of these letters, in the order of the topic. Raises LetterNotFound for one that the topic does not hold."""
    held = await reader.held()
    for letter_id in letter_ids:
        span = held.get(letter_id.partition, Span(0, 0))
        if not span.first <= letter_id.offset < span.end:
            raise _not_found(letter_id)
    return [Stretch(partition, offset, offset + 1) for partition, offset in sorted(set(letter_ids))]


async def letters_of(store: Store, reader: TopicReader, stretch: Stretch, most: int) -> AsyncGenerator[list[Letter], None]:
    """The letters of a stretch in their order, up to `most` at once, with what was decided on each by now."""
    async for records in reader.read(stretch.partition, Span(stretch.first, stretch.end), most):
        async with store.connection() as connection:
            decided = await decisions_of(connection, stretch.partition, [record.offset for record in records])
        yield [
            Letter(
                LetterId(record.partition, record.offset),
                record,
                said(record.headers),
                split(record.headers)[0],
                decided.get(record.offset),
            )
            for record in records
        ]


def _not_found(letter_id: LetterId) -> LetterNotFound:
    return LetterNotFound(f"there is no dead letter {letter_id}. `onefold dead-letters list` shows those that are open.")
