"""The one folder in which everything local lives: data, logs, ports and passwords, and the lock that lets one instance in.

Called by `servers.py`. The lock is held by an open file that the servers' guardians inherit: it is free again only when the last server of
a dead process is gone, so that its successor waits for them.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import threading
import time
from typing import TYPE_CHECKING, Final

from onefold.local.failures import FolderInUse, LocalServersFailed, NoSpace

if TYPE_CHECKING:
    from pathlib import Path

NEEDED_MB: Final = 600
"""Fresh servers take 120 MB; Postgres alone may write 2 GB of log, but says so itself in time."""
_WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.1


class DataFolder:
    """The folder, locked from `open` to `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None
        self._writing = threading.Lock()
        self._state: dict[str, dict[str, int | str]] = {"ports": {}, "passwords": {}}

    def open(self) -> None:
        """Make the folder if need be, lock it, and read what is remembered."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.log_folder.mkdir(exist_ok=True)
        except OSError as error:
            raise LocalServersFailed(f"Cannot make the data folder {self.path}: {error.strerror}. Choose another folder.") from error
        free_mb = shutil.disk_usage(self.path).free >> 20
        if free_mb < NEEDED_MB:
            raise NoSpace(self.path, free_mb, NEEDED_MB)
        self._lock = self._take_lock()
        if self._state_file.exists():
            self._state = json.loads(self._state_file.read_text())

    def close(self) -> None:
        """Let go of the lock; guardians that still run keep it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def lock(self) -> int:
        """The descriptor for guardians to inherit."""
        if self._lock is None:
            raise LocalServersFailed(f"The data folder {self.path} is not open: start the servers first.")
        return self._lock

    @property
    def log_folder(self) -> Path:
        """Where every server writes its log."""
        return self.path / "logs"

    def port(self, server: str) -> int | None:
        """The port that the server had last time."""
        found = self._state["ports"].get(server)
        return None if found is None else int(found)

    def remember_port(self, server: str, port: int) -> None:
        """For the next start."""
        with self._writing:
            self._state["ports"][server] = port
            self._write()

    def password(self, role: str) -> str:
        """The role's password, made the first time it is asked for; safe in a URL."""
        with self._writing:
            if role not in self._state["passwords"]:
                self._state["passwords"][role] = secrets.token_urlsafe(24)
                self._write()
            return str(self._state["passwords"][role])

    @property
    def _state_file(self) -> Path:
        return self.path / "state.json"

    def _write(self) -> None:
        fresh = self.path / "state.json.new"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            json.dump(self._state, stream, indent=2)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self._state_file)

    def _take_lock(self) -> int:
        """Lock the folder. Waits for servers that outlive a dead owner for a moment; refuses at once if the owner lives."""
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = int(os.pread(lock, 20, 0).decode() or 0)
                if _lives(owner) or time.monotonic() > deadline:
                    os.close(lock)
                    raise FolderInUse(self.path, f"process {owner}") from None
                time.sleep(_POLL_SECONDS)
            else:
                os.ftruncate(lock, 0)
                os.pwrite(lock, str(os.getpid()).encode(), 0)
                return lock


def _lives(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
