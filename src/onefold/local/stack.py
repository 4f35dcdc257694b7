"""Every role of ours as a process of its own, in one terminal, until Ctrl-C.

Called by `onefold up` and `onefold demo`, which say what the roles are. A role is the command that runs it anywhere else
(`python -m onefold resolver …`); here it gets a guardian, so that none outlives the terminal. No role is restarted: the first that ends
stops all, with a sentence, since on a laptop a death is something to look at.
"""

from __future__ import annotations

import http.client
import os
import sys
import time
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Final, Self, TextIO
from urllib.parse import urlsplit

from onefold.errors import OnefoldError
from onefold.local.child import Child, Launch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_POLL_SECONDS = 0.1
_TAIL_LINES = 15
_GRACE_SECONDS = 30.0
"""How long a role may take to drain; then it is killed."""
_COLOURS: Final = (36, 33, 32, 35, 34, 96, 93, 92)
_HTTP_OK: Final = 200


@dataclass(frozen=True)
class Role:
    """One process, and where it answers 200 once it is ready."""

    name: str
    command: tuple[str, ...]
    ready_url: str | None = None

    @classmethod
    def ours(cls, name: str, *options: str, ready_url: str | None = None) -> Self:
        """The role of that name: `python -m onefold NAME OPTIONS`."""
        return cls(name, (sys.executable, "-m", "onefold", name, *options), ready_url)


class RoleEnded(OnefoldError):
    """A role ended, or never became ready, though nobody asked it to."""

    code = "role_ended"

    def __init__(self, role: str, what: str, log: Path, tail: str) -> None:
        super().__init__(f"The {role} {what}, so everything was stopped. The end of its log, {log}:\n{tail}")
        self.role = role


class Stack:
    """The roles, running from `start` to `stop`; a context manager."""

    def __init__(self, roles: Sequence[Role], log_folder: Path, environment: Mapping[str, str]) -> None:
        self._roles = tuple(roles)
        self._logs = {role.name: log_folder / f"{role.name}.log" for role in roles}
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
        self._children: dict[str, Child] = {}

    def start(self, *, ready_within_seconds: float = 60.0) -> None:
        """Start every role and wait until all are ready. Raises RoleEnded, with all stopped, if one does not get there."""
        try:
            for role in self._roles:
                launch = Launch(list(role.command), environment=self._environment)
                self._children[role.name] = Child.start(launch, self._logs[role.name], grace_seconds=_GRACE_SECONDS)
            self._await_ready(time.monotonic() + ready_within_seconds)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every role at once, each in its own time; returns when all are gone."""
        for child in self._children.values():
            child.ask_to_stop()
        for child in self._children.values():
            child.stop()

    def check(self) -> None:
        """Raise RoleEnded if a role runs no longer."""
        for name, child in self._children.items():
            if not child.alive:
                raise self._ended(name, child.how_it_ended())

    def follow(self, output: TextIO, *, until: Callable[[], bool] = lambda: False) -> None:
        """Write what the roles log, line by line under their names, until a role ends (RoleEnded), Ctrl-C, or `until` says so."""
        prefixes = self._prefixes(coloured=output.isatty() and "NO_COLOR" not in os.environ)
        done = False
        while not done:
            done = until()
            for name, child in self._children.items():
                output.writelines(f"{prefixes[name]}{line}\n" for line in child.new_lines())
            output.flush()
            self.check()
            time.sleep(_POLL_SECONDS)

    def pid(self, name: str) -> int:
        """The process id of a role, for tests of faults."""
        return self._children[name].pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _await_ready(self, deadline: float) -> None:
        waiting = [role for role in self._roles if role.ready_url is not None]
        while waiting:
            self.check()
            waiting = [role for role in waiting if not _answers(role.ready_url or "")]
            if waiting and time.monotonic() > deadline:
                raise self._ended(waiting[0].name, f"was not ready in time ({waiting[0].ready_url})")
            time.sleep(_POLL_SECONDS)

    def _ended(self, name: str, what: str) -> RoleEnded:
        tail = "\n".join(self._children[name].written().strip().splitlines()[-_TAIL_LINES:])
        return RoleEnded(name, what, self._logs[name], tail)

    def _prefixes(self, *, coloured: bool) -> dict[str, str]:
        width = max((len(role.name) for role in self._roles), default=0)
        prefixes = {role.name: f"{role.name:<{width}} | " for role in self._roles}
        if not coloured:
            return prefixes
        return {name: f"\x1b[{colour}m{prefix}\x1b[0m" for (name, prefix), colour in zip(prefixes.items(), cycle(_COLOURS), strict=False)}


def _answers(url: str) -> bool:
    """Whether the URL answers 200; asked past any proxy, since it is on this machine."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == _HTTP_OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
