"""Logs: one line each, whatever a foreign text holds (S98)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from onefold.observe import Health, Metrics, set_up_logs

if TYPE_CHECKING:
    import pytest


def test_a_line_stays_a_line_and_its_controls_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """S98, poison 36."""
    log = set_up_logs("info", "json", role="test")
    log.info("named", name="a\x1b[2J\nfake line\u202e")
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert (found["event"], found["role"]) == ("named", "test")
    assert "\x1b" not in found["name"]
    assert "\n" not in found["name"]


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
