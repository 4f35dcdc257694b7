"""Dead letters keep what died, byte by byte, and say why."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from onefold.messages.dead_letters import ERROR_CODE, HEADER_TITLES, DeadLetter, split, to_headers
from onefold.messages.times import from_milliseconds, parse_time, time_text

AT = datetime(2026, 11, 1, 9, 30, 0, 120_000, UTC)
LETTER = DeadLetter("not UTF-8", "InvalidMessage", "invalid_utf8", 1, "interactions", 3, 41, AT, "0.1.0")

originals = st.lists(st.tuples(st.text().filter(lambda name: name not in HEADER_TITLES), st.none() | st.binary()), max_size=20).map(tuple)


@given(originals)
def test_original_headers_come_back_as_they_were(original: tuple[tuple[str, bytes], ...]) -> None:
    """Poison 26: repeated names and values that are no UTF-8 too."""
    assert split(to_headers(LETTER, original)) == (LETTER, original)


def test_a_second_death_replaces_the_story_of_the_first() -> None:
    first = to_headers(LETTER, [("traceparent", b"00")])
    second = to_headers(LETTER._replace(error_code="unsupported_version", attempts=2), first)
    assert len(second) == len(first)
    assert dict(second)[ERROR_CODE] == b"unsupported_version"


def test_a_record_that_never_died_has_no_letter() -> None:
    assert split([("a", b"1")]) == (None, (("a", b"1"),))
    assert split([(ERROR_CODE, b"damaged")]) == (None, ())


def test_a_reason_that_cannot_be_written_is_written_as_far_as_it_can() -> None:
    letter, _ = split(to_headers(LETTER._replace(reason="\ud800" + "x" * 5_000)))
    assert letter is not None
    assert letter.reason.startswith("?xxx")
    assert len(letter.reason) == 2_000


def test_times_are_written_with_milliseconds_and_z() -> None:
    assert time_text(AT) == "2026-11-01T09:30:00.120Z"
    assert time_text(AT.replace(microsecond=0)) == "2026-11-01T09:30:00.000Z"
    assert parse_time("2026-11-01T10:30:00.120+01:00") == AT
    assert from_milliseconds(1_793_525_400_120) == AT
