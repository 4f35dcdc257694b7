"""What several commands take: times, who acts, and why."""

from __future__ import annotations

import getpass
import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from re import fullmatch
from typing import TYPE_CHECKING

import typer

from onefold.messages.times import parse_time

if TYPE_CHECKING:
    from onefold.settings import Settings

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
TIME_HELP = "RFC 3339 with a zone, or how long ago: 30m, 2h, 7d."


def time_of(text: str | None) -> datetime | None:
    """The time that an option says, in UTC. BadParameter where it says none."""
    if text is None:
        return None
    ago = fullmatch(r"(\d{1,6})([smhd])", text)
    if ago is not None:
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    with suppress(ValueError):
        return parse_time(text)
    raise typer.BadParameter(f"{text!r} is no time. {TIME_HELP}")


def actor() -> str:
    """Who gave the command, for rows that name it."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        name = "operator"
    return f"{name}@{socket.gethostname()}"


def demand_reason(reason: str | None, settings: Settings) -> None:
    """BadParameter where a reason must be given and is not: in production, an action that changes something says why."""
    if settings.profile == "production" and not (reason or "").strip():
        raise typer.BadParameter("say why: --reason TEXT. In production, what changes something is kept with its reason")
