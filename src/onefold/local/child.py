"""One server process under its guardian: start it, look whether it lives, read its log, stop it.

Called by `servers.py`. Knows no server in particular.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from onefold.local import guardian
from onefold.local.failures import CannotRunAsThisUser, LocalServersFailed

_GUARDIAN = Path(guardian.__file__)
_LOG_LIMIT_BYTES = 16 * 2**20
"""A log that is longer at a start moves aside, once."""


@dataclass(frozen=True)
class Launch:
    """How a program is started and stopped."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends when even the guardian died."""
    plain_user_only: bool = False


class Child:
    """A running server. Make it by `Child.start`."""

    def __init__(self, guard: subprocess.Popen[bytes], pid: int, log: Path, log_start: int) -> None:
        self._guard = guard
        self.pid = pid
        self.log = log
        self._log_start = self._told = log_start

    @classmethod
    def start(cls, launch: Launch, log: Path, *, keep_open: tuple[int, ...] = (), grace_seconds: float = 20.0) -> Child:
        """Start the program; `keep_open` are descriptors that the guardian holds as long as it lives (the folder's lock)."""
        log_start = _make_room(log)
        spec = guardian.Spec(
            command=launch.command,
            log=str(log),
            stop_signal=launch.stop_signal,
            death_signal=launch.death_signal,
            grace_seconds=grace_seconds,
            plain_user_only=launch.plain_user_only,
        )
        guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARDIAN), json.dumps(asdict(spec))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=log.parent,
            env=_surroundings() | launch.environment,
            pass_fds=keep_open,
            start_new_session=True,
        )
        assert guard.stdout is not None  # noqa: S101 - for the type checker: we asked for a pipe
        with guard.stdout as pipe:
            line = pipe.readline()
        if not line:
            guard.wait()
            raise LocalServersFailed(f"The guardian of {launch.command[0]} did not start.")
        return cls(guard, int(line), log, log_start)

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self._guard.poll() is None

    def written(self) -> str:
        """What it wrote since this start."""
        with self.log.open("rb") as stream:
            stream.seek(self._log_start)
            return stream.read().decode(errors="replace")

    def new_lines(self) -> list[str]:
        """The whole lines that it wrote since the last call."""
        with self.log.open("rb") as stream:
            stream.seek(self._told)
            whole, newline, _ = stream.read().rpartition(b"\n")
        self._told += len(whole) + len(newline)
        return whole.decode(errors="replace").splitlines()

    def wait(self, timeout_seconds: float | None = None) -> int:
        """Wait for its end; gives its exit status."""
        status = self._guard.wait(timeout_seconds)
        self._close_pipe()
        if status == guardian.CANNOT_UNSHARE:
            raise CannotRunAsThisUser
        return status

    def how_it_ended(self) -> str:
        """For a sentence: its exit status, or the signal that ended it."""
        status = self.wait()
        return (
            f"was ended by {signal.Signals(status - guardian.SIGNALLED).name}"
            if status > guardian.SIGNALLED
            else f"ended with status {status}"
        )

    def ask_to_stop(self) -> None:
        """Let the guardian stop it; returns at once."""
        self._close_pipe()

    def stop(self) -> None:
        """Stop it gently, then hard; returns when it is gone."""
        self.ask_to_stop()
        self._guard.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, past its guardian: for tests of faults."""
        os.kill(self.pid, number)

    def _close_pipe(self) -> None:
        if self._guard.stdin is not None and not self._guard.stdin.closed:
            self._guard.stdin.close()


def run(launch: Launch, log: Path, *, timeout_seconds: float = 120.0) -> None:
    """Run a program that ends by itself (initdb, Kafka's formatting). Raises with its output if it fails."""
    child = Child.start(launch, log)
    try:
        status = child.wait(timeout_seconds)
    finally:
        child.stop()
    if status != 0:
        raise LocalServersFailed(f"{Path(launch.command[0]).name} failed with status {status}:\n{child.written().strip()[-2000:]}")


def _surroundings() -> dict[str, str]:
    """The environment of a server: nothing of the caller's that would change how it works (PGPORT, JAVA_TOOL_OPTIONS, LC_ALL)."""
    kept = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"}


def _make_room(log: Path) -> int:
    """Make the log, or move a long one aside; gives where the new lines begin."""
    log.touch(mode=0o600)
    size = log.stat().st_size
    if size <= _LOG_LIMIT_BYTES:
        return size
    log.replace(log.with_suffix(".old.log"))
    log.touch(mode=0o600)
    return 0
