"""The parent of one server: stops it when whoever asked for it is gone, however it went.

Run as a program of its own (`python -I -S guardian.py SPEC`), by `child.py` only; imports nothing but the standard library, so that it
starts in milliseconds. Three things end the server: an end of file on standard input (the asker closed it, or died), the asker no longer
being our parent (a fork of it may still hold the pipe open), or SIGTERM. The server gets its gentle signal, then SIGKILL.
Should the guardian itself die hard, the kernel signals the server (PR_SET_PDEATHSIG, Linux only).
"""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import select
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
CANNOT_UNSHARE = 79
"""Exit status: this system lets us make no user namespace."""
CANNOT_START = 78
SIGNALLED = 128
"""Exit status, plus the signal's number, of a server that a signal ended; as shells have it."""
PATIENCE_SECONDS = 0.5


@dataclass(frozen=True)
class Spec:
    """What to run, and how it ends."""

    command: list[str]
    log: str
    stop_signal: int
    death_signal: int
    grace_seconds: float
    plain_user_only: bool
    """The program insists on an ordinary user."""


def main() -> None:
    """Run the server until it ends or its asker goes; exit with its status."""
    spec = Spec(**json.loads(sys.argv[1]))
    asker = os.getppid()
    ended = _wake_on(signal.SIGCHLD, signal.SIGTERM)
    pid = os.fork()
    if pid == 0:
        _become(spec)
    os.write(sys.stdout.fileno(), f"{pid}\n".encode())
    os.close(sys.stdout.fileno())
    status = _watch(pid, asker, ended, spec)
    sys.exit(status)


def _wake_on(*signals: int) -> int:
    """A descriptor that becomes readable when one of the signals arrives; Ctrl-C is the asker's business."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for each in signals:
        signal.signal(each, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return reading


def _watch(pid: int, asker: int, ended: int, spec: Spec) -> int:
    deadline = None
    stopping = False
    while True:
        waiting = [ended] if stopping else [ended, sys.stdin.fileno()]
        readable, _, _ = select.select(waiting, [], [], PATIENCE_SECONDS)
        woken_by = os.read(ended, 64) if ended in readable else b""
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else SIGNALLED - code
        if not stopping and (sys.stdin.fileno() in readable or signal.SIGTERM in woken_by or os.getppid() != asker):
            stopping = True
            deadline = time.monotonic() + spec.grace_seconds
            os.kill(pid, spec.stop_signal)
        if deadline is not None and time.monotonic() > deadline:
            deadline = None
            os.killpg(pid, signal.SIGKILL)


def _become(spec: Spec) -> NoReturn:
    """In the forked child: turn into the server."""
    try:
        os.setsid()
        for each in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(each, signal.SIG_DFL)
        _redirect(spec.log)
        if spec.plain_user_only:
            _be_a_plain_user()
        _die_with_parent(spec.death_signal)
        os.execv(spec.command[0], spec.command)  # noqa: S606 - no shell is what we want
    except OSError as error:
        os.write(2, f"cannot start {spec.command[0]}: {error}\n".encode())
        os._exit(CANNOT_START)


def _redirect(log: str) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


def _be_a_plain_user() -> None:
    """Look like an ordinary user of this system, which Postgres insists on: neither root nor an id that has no name.

    In a user namespace of our own, what we are outside maps to the first ordinary id inside; files stay ours.
    """
    uid, gid = os.geteuid(), os.getegid()
    ordinary = [user.pw_uid for user in pwd.getpwall() if user.pw_uid != 0]
    if uid in ordinary:
        return
    unshare = getattr(ctypes.CDLL(None, use_errno=True), "unshare", None)
    if not ordinary or unshare is None or unshare(CLONE_NEWUSER) != 0:
        os.write(2, b"cannot make a user namespace\n")
        os._exit(CANNOT_UNSHARE)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{ordinary[0]} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{ordinary[0]} {gid} 1")


def _die_with_parent(death_signal: int) -> None:
    """After any change of credentials, which would clear it."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, death_signal)


if __name__ == "__main__":
    main()
