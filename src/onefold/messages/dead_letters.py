"""A dead letter: the original key, value and headers untouched, and why it died in headers of ours.

Written by `onefold.topics.dead_letters`; read by operators and by redrive, for which `split` gives back the original headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from onefold.messages.times import parse_time, time_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

Headers = tuple[tuple[str, bytes], ...]

PREFIX: Final = "dead_letter_"
REASON: Final = "dead_letter_reason"
ERROR_CLASS: Final = "dead_letter_error_class"
ERROR_CODE: Final = "dead_letter_error_code"
ATTEMPTS: Final = "dead_letter_attempts"
ORIGIN_TOPIC: Final = "dead_letter_origin_topic"
ORIGIN_PARTITION: Final = "dead_letter_origin_partition"
ORIGIN_OFFSET: Final = "dead_letter_origin_offset"
ORIGIN_TIMESTAMP: Final = "dead_letter_origin_timestamp"
CODE_VERSION: Final = "dead_letter_code_version"

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
}

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


def to_headers(letter: DeadLetter, original: Iterable[tuple[str, bytes]] = ()) -> Headers:
    """The original headers, then ours. Those of an earlier death give way."""
    kept = [(name, value) for name, value in original if not name.startswith(PREFIX)]
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
    }
    return (*kept, *((name, text.encode(errors="replace")) for name, text in ours.items()))


def split(headers: Iterable[tuple[str, bytes]]) -> tuple[DeadLetter | None, Headers]:
    """Our part and the original headers. None where ours are missing or damaged, as on a record that never died."""
    original: list[tuple[str, bytes]] = []
    ours: dict[str, str] = {}
    for name, value in headers:
        if name.startswith(PREFIX):
            ours[name] = value.decode(errors="replace")
        else:
            original.append((name, value))
    return _read(ours), tuple(original)


class Origin(NamedTuple):
    """Where a record lay that died, and when it was appended there."""

    topic: str
    partition: int
    offset: int
    at: datetime


def origin_of(headers: Iterable[tuple[str, bytes]]) -> Origin | None:
    """The origin alone, whatever became of our other headers; None where it is missing or damaged."""
    ours = {name: value.decode(errors="replace") for name, value in headers if name.startswith(PREFIX)}
    try:
        return Origin(ours[ORIGIN_TOPIC], int(ours[ORIGIN_PARTITION]), int(ours[ORIGIN_OFFSET]), parse_time(ours[ORIGIN_TIMESTAMP]))
    except (KeyError, ValueError):
        return None


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
        )
    except (KeyError, ValueError):
        return None
