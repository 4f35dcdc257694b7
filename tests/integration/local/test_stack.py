"""Roles in one terminal: ready before anybody is told so, named line by line, all stopped with the first that ends."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from onefold.local import ports
from onefold.local.stack import Role, RoleEnded, Stack

if TYPE_CHECKING:
    from pathlib import Path

READY = (
    "import http.server, sys; print('serving', flush=True); http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]))"
)
SLEEP = "import time; print('half a line', end='', flush=True); time.sleep(600)"


def _role(name: str, program: str, *arguments: str, ready_url: str | None = None) -> Role:
    return Role(name, (sys.executable, "-c", program, *arguments), ready_url)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_lines_stand_under_the_names_of_their_roles_once_all_are_ready(tmp_path: Path) -> None:
    port = ports.pick(set())
    web = _role("web", READY, str(port), ready_url=f"http://127.0.0.1:{port}/")
    with Stack([web, _role("sleeper", SLEEP)], tmp_path, {}) as stack:
        output = io.StringIO()
        stack.follow(output, until=lambda: True)
        pids = [stack.pid("web"), stack.pid("sleeper")]
    lines = output.getvalue().splitlines()
    assert "web     | serving" in lines
    assert any("GET / " in line for line in lines)
    assert not any("half a line" in line for line in lines)
    assert not any(map(_runs, pids))


def test_the_first_role_that_ends_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    broken = _role("broken", "import sys, time; time.sleep(0.5); sys.exit('no such setting')")
    with (
        Stack([broken, _role("sleeper", SLEEP)], tmp_path, {}) as stack,
        pytest.raises(RoleEnded, match="broken ended with status 1") as ended,
    ):
        stack.follow(io.StringIO())
    assert "no such setting" in str(ended.value)


def test_a_role_that_never_gets_ready_stops_the_others(tmp_path: Path) -> None:
    deaf = _role("deaf", SLEEP, ready_url=f"http://127.0.0.1:{ports.pick(set())}/ready")
    stack = Stack([_role("sleeper", SLEEP), deaf], tmp_path, {})
    with pytest.raises(RoleEnded, match="deaf was not ready in time"):
        stack.start(ready_within_seconds=0.5)
    assert not _runs(stack.pid("sleeper"))


def test_a_role_gets_the_environment_it_is_given_and_time_to_drain(tmp_path: Path) -> None:
    program = (
        "import os, signal, time\n"
        "def drain(*_):\n    time.sleep(0.3); print('drained', os.environ['ONEFOLD_THING'], flush=True); raise SystemExit\n"
        "signal.signal(signal.SIGTERM, drain); print('ready', flush=True); time.sleep(600)"
    )
    with Stack([_role("drains", program)], tmp_path, {"ONEFOLD_THING": "given"}) as stack:
        while "ready" not in (tmp_path / "drains.log").read_text():
            stack.follow(io.StringIO(), until=lambda: True)
    assert "drained given" in (tmp_path / "drains.log").read_text()


def test_a_killed_role_is_told_by_its_signal(tmp_path: Path) -> None:
    with Stack([_role("sleeper", SLEEP)], tmp_path, {}) as stack:
        os.kill(stack.pid("sleeper"), signal.SIGKILL)
        with pytest.raises(RoleEnded, match="was ended by SIGKILL"):
            stack.follow(io.StringIO())
