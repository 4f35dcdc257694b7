"""When an SDK's call really happened, by our clock: pure arithmetic, no clock is read here.

Devices' clocks are wrong, but wrong by the same amount when the call was made and when it was sent. So the age of a call,
`sentAt - originalTimestamp`, is right, and `receivedAt - age` is when it happened (interfaces.md C1, Time). Called by `translate`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

OLDEST = timedelta(days=3650)
"""Beyond this age a time says that a device's clock was never set (1970, 2000, 2010 and 2015 are their usual starts)."""

_LONGEST_TEXT = 40


def occurred_at(original: object, sent: object, received_at: datetime) -> datetime:
    """The corrected time of a call: never after `received_at`, which also stands in for whatever is absurd (A6 row 23).

    Without `sent` the original is taken as it is. A time without a zone means nothing by itself, but two of them have a difference.
    """
    began = parse(original)
    if began is None:
        return received_at
    ended = parse(sent)
    try:
        corrected = _corrected(began, ended, received_at)
        if corrected is None or not received_at - OLDEST <= corrected <= received_at:
            return received_at
    except OverflowError:
        return received_at
    return corrected


def _corrected(began: datetime, ended: datetime | None, received_at: datetime) -> datetime | None:
    if ended is not None and (began.tzinfo is None) == (ended.tzinfo is None):
        return received_at - (ended - began)
    return None if began.tzinfo is None else began.astimezone(received_at.tzinfo)


def parse(value: object) -> datetime | None:
    """The ISO 8601 time in `value`, with or without a zone, or None."""
    if not isinstance(value, str) or not len("2026-01-01T00") <= len(value) <= _LONGEST_TEXT:
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None
