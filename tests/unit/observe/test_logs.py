"""Logs: one line each, whatever a foreign text holds (S98)."""

from __future__ import annotations

import json
from typing import Literal

import pytest

from onefold.observe import Health, Metrics, set_up_logs


def test_a_line_stays_a_line_and_its_controls_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """S98, poison 36."""
    log = set_up_logs("info", "json", role="test")
    log.info("named", name="a\x1b[2J\nfake line\u202e")
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert (found["event"], found["role"]) == ("named", "test")
    assert "\x1b" not in found["name"]
    assert "\n" not in found["name"]


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_traceback_shows_where_and_no_local_variable(style: Literal["json", "console"], capsys: pytest.CaptureFixture[str]) -> None:
    """I14, S96: what a function was working on is a person's."""
    log = set_up_logs("info", style, role="test")
    canary = "ann-canary"
    try:
        int(canary[:0])
    except ValueError:
        log.exception("failed")
    text = capsys.readouterr().err
    assert "test_a_traceback_shows_where" in text
    assert canary not in text


def test_a_health_that_is_not_ticked_is_not_live() -> None:
    health = Health("test", Metrics().registry)
    assert health.reasons == {"start": "starting"}
    health.ready("start")
    assert health.reasons == {}
    health.waiting("store", "away")
    assert health.reasons == {"store": "away"}
    lives = [health.is_live]
    health._ticked -= 31
    lives.append(health.is_live)
    health.tick()
    assert [*lives, health.is_live] == [True, False, True]
