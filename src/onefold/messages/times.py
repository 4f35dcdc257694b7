"""Times as messages write them: RFC 3339, UTC, milliseconds, `Z`."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

from msgspec import Meta

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2026-11-01T09:30:00.120Z"])]
"""A time on the wire."""


@lru_cache(maxsize=4_096)
def time_text(at: datetime) -> str:
    """The time as messages write it. `at` must be aware. Kept for a while, since one change says the same few times over and over."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def parse_time(text: str) -> datetime:
    """The aware time in UTC that an RFC 3339 text says. ValueError where it is none or names no zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone")
    return found.astimezone(UTC)


def to_milliseconds(at: datetime) -> int:
    """The time as records' timestamps write it, in milliseconds since 1970. `at` must be aware."""
    return round(at.timestamp() * 1000)


def from_milliseconds(timestamp_ms: int) -> datetime:
    """The time of a record, whose timestamp counts milliseconds since 1970."""
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC)
