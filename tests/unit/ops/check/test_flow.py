"""I9, I12, I13, I15: transitions, progress and dead letters, clean and each broken."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from onefold.messages.dead_letters import ERROR_CODE, ORIGIN_OFFSET, DeadLetter, origin_of, to_headers
from onefold.messages.segments import SegmentMembership, SegmentReference
from onefold.ops.check.differences import Found
from onefold.ops.check.letters import check_headers, compare_letter
from onefold.ops.check.membership import Transitions
from onefold.ops.check.partitions import ahead, behind
from onefold.records.checks import Progress
from onefold.topics.consumer import Record
from onefold.topics.ranges import Span
from tests.unit.ops.check.test_lines import said

AT = datetime(2026, 11, 1, 9, 30, 0, 123_000, tzinfo=UTC)
AT_MS = round(AT.timestamp() * 1000)


def transitions(*told: tuple[int, int, str], is_cut: bool = False) -> list[str]:
    """What is said of (rule's version, contact's version, word)."""
    found = Found()
    taking = Transitions(found)
    for number, (rule, version, word) in enumerate(told):
        segment = SegmentReference(UUID(int=1), "pro", rule)
        message = SegmentMembership(f"e{number}", "acme", segment, UUID(int=2), version, word, "2026-11-01T09:30:00.000Z")  # type: ignore[arg-type]
        taking.take(message, str(number), is_cut=is_cut)
    assert found.checked == len(told)
    return [each.where for each in found.differences]


def test_entered_and_left_alternate() -> None:
    """I9: the relay may repeat, an edit of the rule may turn it with the contact as it was."""
    first, second, third = (1, 1, "entered"), (1, 2, "left"), (1, 4, "entered")
    assert transitions(first, second, third) == transitions(first, second, first, second, third, third) == []
    assert transitions(first, (2, 1, "left"), (2, 2, "entered")) == []
    assert transitions(first, third) == transitions(first, (1, 2, "entered"), second) == ["1"]
    assert transitions(second) == ["0"]
    assert transitions(second, third, is_cut=True) == []


def test_a_partition_is_at_its_end_or_behind() -> None:
    """I12."""
    held = {0: Span(0, 10), 1: Span(5, 9), 2: Span(3, 3)}
    assert behind(held, {0: Progress(1, 10), 1: Progress(1, 9)}) == []
    assert behind(held, {0: Progress(1, 7)}) == [(0, 7, 10), (1, 5, 9)]


def test_kafka_never_knows_more_than_progress_and_progress_no_more_than_the_log() -> None:
    """I15, F40."""
    progress, ends = {0: Progress(1, 7), 1: Progress(1, 3)}, {0: 7, 1: 9}
    assert said(ahead({0: 7, 1: 2}, progress, ends)) == said(ahead({}, {}, {})) == []
    assert said(ahead({0: 8, 2: 1}, progress, ends)) == [
        "interactions/0: Kafka's committed offset is 8, progress is at 7",
        "interactions/2: Kafka's committed offset is 1, progress is at 0",
    ]
    assert said(ahead({}, progress, {0: 6, 1: 9})) == ["interactions/0: progress is at 7, the log ends at 6"]


SOURCE = Record("interactions", 1, 41, AT_MS, b"acme:x", b"{", (("trace", b"\xff"), ("trace", b"2")))


def letter(**changed: object) -> Record:
    died = DeadLetter("why", "InvalidMessage", "truncated", 1, "interactions", 1, 41, AT, "1.0")
    return Record("interactions.dead-letter", 0, 3, 0, SOURCE.key, SOURCE.value, to_headers(died, SOURCE.headers))._replace(**changed)  # type: ignore[arg-type]


def compared(dead: Record, source: Record = SOURCE, *, is_first_life: bool = True) -> list[str]:
    found = Found()
    check_headers(dead, found)
    origin = origin_of(dead.headers)
    if origin is not None:
        compare_letter(dead, origin, source, found, is_first_life=is_first_life)
    return [each.what for each in found.differences]


def test_a_dead_letter_holds_what_died() -> None:
    """I13: also of a record that had died before and was redriven."""
    assert compared(letter()) == []
    assert compared(letter(), SOURCE._replace(headers=letter().headers)) == []


@pytest.mark.parametrize("part", ["key", "value", "headers"])
def test_a_dead_letter_that_was_changed_is_found(part: str) -> None:
    """I13: null and empty differ."""
    changed = {"key": None, "value": b"", "headers": letter().headers[1:]}[part]
    assert compared(letter(**{part: changed})) == [f"is not as the record of interactions/1 offset 41, which it came from: {part}"]


def test_headers_that_are_missing_or_damaged_are_found() -> None:
    """I13."""
    without = tuple(each for each in letter().headers if each[0] not in {ERROR_CODE, ORIGIN_OFFSET})
    assert compared(letter(headers=without)) == ["lacks the headers dead_letter_error_code, dead_letter_origin_offset"]
    damaged = tuple((name, b"many" if name == ORIGIN_OFFSET else value) for name, value in letter().headers)
    assert compared(letter(headers=damaged)) == ["has headers that cannot be read"]


def test_another_record_at_the_origin_is_damage_in_the_first_life_of_the_topic_only() -> None:
    """I13."""
    other = SOURCE._replace(timestamp_ms=AT_MS + 1, value=b"other")
    assert compared(letter(), other) == ["names a time at which the record at its origin was not appended"]
    assert compared(letter(), other, is_first_life=False) == []
