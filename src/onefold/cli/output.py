"""What all commands share: data on standard output, talk on standard error, one table from errors to exit codes.

Errors say what, why and what to do; nobody gets a traceback for a mistake of theirs or for a server that is away.
"""

from __future__ import annotations

import asyncio
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from onefold.errors import ConfigurationError, OnefoldError, PermanentError, Refused, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence

T = TypeVar("T")

FAILED, USAGE, DIFFERENT, REFUSED, PARTIAL, TRY_LATER, MISCONFIGURED = 1, 2, 3, 4, 5, 75, 78

_EXIT_CODES: tuple[tuple[type[OnefoldError], int], ...] = (
    (Refused, REFUSED),
    (PermanentError, FAILED),
    (TemporaryError, TRY_LATER),
    (ConfigurationError, MISCONFIGURED),
    (OnefoldError, FAILED),
)

PIPED_WIDTH = 240
"""Of tables that go into a file or a pipe, where nothing must be cut off."""

talk = Console(stderr=True, highlight=False)
_data = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


_UNSEEN: Final = r"\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_ANY_UNSEEN: Final = re.compile(f"[{_UNSEEN}]")
_UNSEEN_BUT_BREAKS: Final = re.compile(rf"(?![\n\t])[{_UNSEEN}]")
"""Control characters, terminal escapes and marks that turn text around: names and events hold them on purpose (S98, poison 36)."""


def visible(text: str, *, breaks: bool = False) -> str:
    r"""The text with everything that a terminal would obey written out, as `\x1b`; `breaks` leaves line ends and tabs."""
    pattern = _UNSEEN_BUT_BREAKS if breaks else _ANY_UNSEEN
    return pattern.sub(lambda found: ascii(found[0])[1:-1], text)


def _visible_json(text: str) -> str:
    """JSON with the same characters as JSON's own escapes: it means what it meant, and a terminal obeys nothing of it."""
    return _UNSEEN_BUT_BREAKS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def exit_code(error: OnefoldError) -> int:
    """The code with which a command ends that met this error."""
    return next(code for kind, code in _EXIT_CODES if isinstance(error, kind))


def fail(error: OnefoldError) -> int:
    """Say what went wrong; gives the exit code."""
    talk.print(f"[bold red]{escape(error.code)}[/]: {escape(visible(str(error), breaks=True))}", soft_wrap=True)
    return exit_code(error)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work in an event loop. Ctrl-C ends it with the code that shells expect."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def print_json(value: Any) -> None:
    """One JSON document, on standard output."""
    sys.stdout.write(_visible_json(msgspec.json.format(msgspec.json.encode(value), indent=2).decode()) + "\n")


def print_line(value: Any) -> None:
    """One JSON object on a line of its own, at once, so that pipes can follow."""
    sys.stdout.write(_visible_json(msgspec.json.encode(value).decode()) + "\n")
    sys.stdout.flush()


def print_document(pieces: Iterable[bytes]) -> None:
    """One JSON document, on standard output, piece by piece."""
    for piece in pieces:
        sys.stdout.write(_visible_json(piece.decode()))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None, then: str | None = None) -> None:
    """A table for people, and the next useful command below it."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    _data.print(table)
    if then is not None:
        talk.print(f"\n[dim]next:[/] {escape(visible(then))}")


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return "" if value is None else escape(visible(str(value)))


def counted(noun: str, number: int) -> str:
    """A number of things, whose plural ends in s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def say(text: str) -> None:
    """A sentence for the person at the terminal; not data."""
    talk.print(escape(visible(text, breaks=True)), soft_wrap=True)
