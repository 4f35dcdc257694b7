"""Stop a process as a fault: a signal is sent at once, but the threads of a busy server stop one by one."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

WITHIN_SECONDS = 5.0


def freeze(pid: int) -> None:
    """Stop a process with SIGSTOP; returns when every thread of it has stopped, where /proc can tell."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + WITHIN_SECONDS
    while any(state not in "tT" for state in _states(pid)):
        assert time.monotonic() < deadline, f"process {pid} does not stop"
        time.sleep(0.01)


async def stopped(pid: int, *, within_seconds: float = 60.0) -> None:
    """Wait until a process has stopped itself, at a failpoint."""
    async with asyncio.timeout(within_seconds):
        while any(state not in "tT" for state in _states(pid)):
            await asyncio.sleep(0.05)


def _states(pid: int) -> list[str]:
    return [stat.read_text().rsplit(")", 1)[1].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
