"""A dead letter: the original key, value and headers untouched, and why it died in headers of ours.

Written by `onefold.topics.dead_letters`; read by operators and by redrive. A redriven record carries all headers of its letter, so that
whoever gives it up once more counts the attempts on and still says where it lay at first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from onefold.messages.times import parse_time, time_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

Headers = tuple[tuple[str, bytes | None], ...]
"""As on a record: names may repeat, a value may be null."""

REASON: Final = "dead_letter_reason"
ERROR_CLASS: Final = "dead_letter_error_class"
ERROR_CODE: Final = "dead_letter_error_code"
ATTEMPTS: Final = "dead_letter_attempts"
ORIGIN_TOPIC: Final = "dead_letter_origin_topic"
ORIGIN_PARTITION: Final = "dead_letter_origin_partition"
ORIGIN_OFFSET: Final = "dead_letter_origin_offset"
ORIGIN_TIMESTAMP: Final = "dead_letter_origin_timestamp"
CODE_VERSION: Final = "dead_letter_code_version"
FIRST_ORIGIN: Final = "dead_letter_first_origin"
REDRIVEN_FROM: Final = "dead_letter_redriven_from"

HEADER_TITLES: Final = {
    REASON: "What is wrong, for a person.",
    ERROR_CLASS: "The class of the error.",
    ERROR_CODE: "The stable word for the kind of fault.",
    ATTEMPTS: "How often it was tried, redrives included.",
    ORIGIN_TOPIC: "The topic that it lay on.",
    ORIGIN_PARTITION: "Its partition there.",
    ORIGIN_OFFSET: "Its offset there.",
    ORIGIN_TIMESTAMP: "When it was appended there.",
    CODE_VERSION: "The version of Onefold that gave it up.",
    FIRST_ORIGIN: "Where it lay when it died for the first time (topic/partition/offset), if it was redriven since.",
    REDRIVEN_FROM: "On a redriven record alone: the dead letter that it was (partition/offset).",
}

SOMETIMES: Final = frozenset({FIRST_ORIGIN, REDRIVEN_FROM})
"""Not on every letter."""

_LONGEST_REASON: Final = 2_000


class DeadLetter(NamedTuple):
    """Why a record died and where it lay."""

    reason: str
    error_class: str
    error_code: str
    attempts: int
    origin_topic: str
    origin_partition: int
    origin_offset: int
    origin_timestamp: datetime
    code_version: str
    first_origin: str | None = None
    """`topic/partition/offset` of its first death; None where this is the first."""

    @property
    def origin(self) -> str:
        """Where it lay: `topic/partition/offset`."""
        return f"{self.origin_topic}/{self.origin_partition}/{self.origin_offset}"


def to_headers(letter: DeadLetter, original: Iterable[tuple[str, bytes | None]] = ()) -> Headers:
    """The original headers, then ours. Those of an earlier death give way."""
    kept = [(name, value) for name, value in original if name not in HEADER_TITLES]
    ours = {
        REASON: letter.reason[:_LONGEST_REASON],
        ERROR_CLASS: letter.error_class,
        ERROR_CODE: letter.error_code,
        ATTEMPTS: str(letter.attempts),
        ORIGIN_TOPIC: letter.origin_topic,
        ORIGIN_PARTITION: str(letter.origin_partition),
        ORIGIN_OFFSET: str(letter.origin_offset),
        ORIGIN_TIMESTAMP: time_text(letter.origin_timestamp),
        CODE_VERSION: letter.code_version,
        **({FIRST_ORIGIN: letter.first_origin} if letter.first_origin is not None else {}),
    }
    return (*kept, *((name, text.encode(errors="replace")) for name, text in ours.items()))


def redriven_headers(headers: Iterable[tuple[str, bytes | None]], letter_id: str) -> Headers:
    """What a letter's record carries when it goes back onto its topic: everything that the letter says, and which letter it was."""
    return (*((name, value) for name, value in headers if name != REDRIVEN_FROM), (REDRIVEN_FROM, letter_id.encode()))


def said(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """Our headers as text, however many there are: those of our own topics' letters say less."""
    return {name: _text(value) for name, value in headers if name in HEADER_TITLES}


def split(headers: Iterable[tuple[str, bytes | None]]) -> tuple[DeadLetter | None, Headers]:
    """Our part and the original headers. None where ours are missing or damaged, as on a record that never died."""
    kept = tuple(headers)
    return _read(said(kept)), tuple(each for each in kept if each[0] not in HEADER_TITLES)


class Origin(NamedTuple):
    """Where a record lay that died, and when it was appended there."""

    topic: str
    partition: int
    offset: int
    at: datetime


def origin_of(headers: Iterable[tuple[str, bytes | None]]) -> Origin | None:
    """The origin alone, whatever became of our other headers; None where it is missing or damaged."""
    ours = said(headers)
    try:
        return Origin(ours[ORIGIN_TOPIC], int(ours[ORIGIN_PARTITION]), int(ours[ORIGIN_OFFSET]), parse_time(ours[ORIGIN_TIMESTAMP]))
    except (KeyError, ValueError):
        return None


def _text(value: bytes | None) -> str:
    return value.decode(errors="replace") if value is not None else ""


def _read(ours: dict[str, str]) -> DeadLetter | None:
    try:
        return DeadLetter(
            ours[REASON],
            ours[ERROR_CLASS],
            ours[ERROR_CODE],
            int(ours[ATTEMPTS]),
            ours[ORIGIN_TOPIC],
            int(ours[ORIGIN_PARTITION]),
            int(ours[ORIGIN_OFFSET]),
            parse_time(ours[ORIGIN_TIMESTAMP]),
            ours[CODE_VERSION],
            ours.get(FIRST_ORIGIN),
        )
    except (KeyError, ValueError):
        return None
