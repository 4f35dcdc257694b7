"""Clock correction (interfaces.md C1, Time; A6 row 23)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from onefold.http.collector.clock import occurred_at

RECEIVED = datetime(2026, 11, 1, 9, 30, 0, 120_000, tzinfo=UTC)


def test_a_devices_wrong_clock_is_corrected_by_the_age_of_the_call() -> None:
    """C1: receivedAt - (sentAt - originalTimestamp); a clock that is two hours ahead changes nothing."""
    ahead = timedelta(hours=2)
    original = (RECEIVED + ahead - timedelta(seconds=5)).isoformat()
    assert occurred_at(original, (RECEIVED + ahead).isoformat(), RECEIVED) == RECEIVED - timedelta(seconds=5)


def test_without_sent_at_the_original_is_taken_as_it_is() -> None:
    """If only `timestamp` came, it is the original."""
    assert occurred_at("2026-11-01T09:00:00.5+01:00", None, RECEIVED) == datetime(2026, 11, 1, 8, 0, 0, 500_000, tzinfo=UTC)


def test_two_times_without_a_zone_still_have_a_difference() -> None:
    """Their zone is the same, whatever it is."""
    assert occurred_at("2026-11-01T02:00:00", "2026-11-01T02:00:10", RECEIVED) == RECEIVED - timedelta(seconds=10)


@pytest.mark.parametrize(
    "original",
    [
        None,
        "",
        "yesterday",
        "2026-11-01T09:00:00",
        "2026-11-01T09:00:60Z",
        "99999-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:00",
        "1970-01-01T00:00:00Z",
        "2031-01-01T00:00:00Z",
        -5,
        1_700_000_000_000,
        {},
        "2026-11-01T09:00:00Z" * 100,
    ],
)
def test_an_absurd_time_becomes_the_received_one(original: object) -> None:
    """A6 row 23: unparsable, no zone, year 1 or 99999, negative, second 60, far future."""
    assert occurred_at(original, None, RECEIVED) == RECEIVED


@pytest.mark.parametrize(
    ("original", "sent"),
    [
        ("2026-11-01T09:00:10Z", "2026-11-01T09:00:00Z"),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        ("2001-01-01T00:00:00Z", "2026-11-01T09:30:00Z"),
        ("2026-11-01T09:00:00", "2026-11-01T09:00:05Z"),
    ],
)
def test_an_absurd_age_becomes_none(original: str, sent: str) -> None:
    """Negative, endless and unknowable ages are clamped to the received time."""
    assert occurred_at(original, sent, RECEIVED) == RECEIVED


def test_an_unreadable_sent_at_leaves_the_original() -> None:
    """What cannot be subtracted is not."""
    assert occurred_at("2026-11-01T09:00:00Z", "soon", RECEIVED) == datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
