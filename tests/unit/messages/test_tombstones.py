"""What tombstones say in their headers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from onefold.errors import InvalidMessage
from onefold.messages.tombstones import BARRED, ERASED_AT, WORKSPACE, Bar, Tombstone, headers, read

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
TIMES = some.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(3000, 1, 1), timezones=some.just(UTC))  # noqa: DTZ001 -- as it asks


@given(some.lists(some.builds(Bar, some.binary(min_size=32, max_size=32), TIMES), max_size=20))
def test_what_is_written_is_read(bars: list[Bar]) -> None:
    told = Tombstone("acme", NOON, bars)
    assert read([(name, value.encode()) for name, value in headers(told).items()]) == told


def test_a_tombstone_of_an_earlier_release_says_nothing() -> None:
    assert read([]) is None
    assert read([("traceparent", b"00-1")]) is None


@pytest.mark.parametrize(
    "changed", [{BARRED: None}, {BARRED: b"?"}, {BARRED: b"AAAA"}, {ERASED_AT: b"noon"}, {ERASED_AT: b"\xff"}, {WORKSPACE: b"\xff"}]
)
def test_headers_that_cannot_be_read_are_an_error_not_an_erasure_less(changed: dict[str, bytes | None]) -> None:
    """S108: a missing one would let somebody come back."""
    told = {name: value.encode() for name, value in headers(Tombstone("acme", NOON, [Bar(bytes(32), NOON)])).items()}
    if changed == {BARRED: None}:
        del told[BARRED]
    with pytest.raises(InvalidMessage, match="tombstone"):
        read({**told, **{name: value for name, value in changed.items() if value is not None}}.items())
