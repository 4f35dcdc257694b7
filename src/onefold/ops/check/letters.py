"""I13: a dead letter holds what died, byte by byte, and says all about it. Memory: a chunk of letters at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.messages.dead_letters import HEADER_TITLES, SOMETIMES, origin_of, split
from onefold.messages.topics import DEAD_LETTER, INTERACTIONS, SPECS
from onefold.ops.check.differences import Found
from onefold.ops.check.look import milliseconds
from onefold.records import checks
from onefold.topics.ranges import reading
from onefold.topics.tail import follow_topic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onefold.messages.dead_letters import Origin
    from onefold.ops.check.look import Look
    from onefold.records.checks import Progress
    from onefold.topics.consumer import Record

TOPICS = frozenset(spec.name for spec in SPECS)
CHUNK_BYTES = 32 * 1024 * 1024
"""Of values that are held at once."""


async def dead_letters_conserved(look: Look) -> Found:
    """I13."""
    found = Found()
    progress = await checks.progress(look.examined.store)
    chunk: list[Record] = []
    size = 0
    async for letter in follow_topic(look.examined.kafka, DEAD_LETTER, from_start=True, to_end=True):
        found.checked += 1
        chunk.append(letter)
        size += len(letter.value or b"")
        if size > CHUNK_BYTES:
            await _compare(look, chunk, progress, found)
            chunk, size = [], 0
    await _compare(look, chunk, progress, found)
    return found


async def _compare(look: Look, letters: Sequence[Record], progress: Mapping[int, Progress], found: Found) -> None:
    by_origin: dict[tuple[str, int, int], list[tuple[Record, Origin]]] = {}
    for letter in letters:
        check_headers(letter, found)
        origin = origin_of(letter.headers)
        if origin is not None:
            by_origin.setdefault((look.examined.kafka.plain(origin.topic), origin.partition, origin.offset), []).append((letter, origin))
    for topic in sorted({topic for topic, _, _ in by_origin}):
        if topic not in TOPICS:
            for letter, _ in (each for (name, _, _), those in by_origin.items() if name == topic for each in those):
                found.add(_where(letter), f"names {topic} as its origin, which is no topic of ours")
            continue
        ranges: dict[int, list[tuple[int, int]]] = {}
        for _, partition, offset in sorted(key for key in by_origin if key[0] == topic):
            ranges.setdefault(partition, []).append((offset, offset + 1))
        async with reading(look.examined.kafka, topic) as reader:
            async for source in reader.records_in(ranges):
                for letter, origin in by_origin[topic, source.partition, source.offset]:
                    is_first_life = topic != INTERACTIONS or source.partition not in progress or progress[source.partition].generation == 1
                    compare_letter(letter, origin, source, found, is_first_life=is_first_life)


def check_headers(letter: Record, found: Found) -> None:
    """All of ours are there and can be read."""
    names = {name for name, _ in letter.headers}
    missing = [name for name in HEADER_TITLES if name not in names and name not in SOMETIMES]
    if missing:
        found.add(_where(letter), f"lacks the headers {', '.join(missing)}")
    elif split(letter.headers)[0] is None:
        found.add(_where(letter), "has headers that cannot be read")


def compare_letter(letter: Record, origin: Origin, source: Record, found: Found, *, is_first_life: bool) -> None:
    """A letter against the record that it came from. Where the topic was made anew, another record may lie at its position."""
    if milliseconds(origin) != source.timestamp_ms:
        if is_first_life:
            found.add(_where(letter), "names a time at which the record at its origin was not appended")
        return
    pairs = {
        "key": (letter.key, source.key),
        "value": (letter.value, source.value),
        "headers": (split(letter.headers)[1], split(source.headers)[1]),
    }
    different = [name for name, (kept, original) in pairs.items() if kept != original]
    if different:
        where = f"{origin.topic}/{origin.partition} offset {origin.offset}"
        found.add(_where(letter), f"is not as the record of {where}, which it came from: {', '.join(different)}")


def _where(letter: Record) -> str:
    return f"{DEAD_LETTER}/{letter.partition} offset {letter.offset}"
