"""What all commands share: data on standard output, talk on standard error, one table from errors to exit codes.

Errors say what, why and what to do; nobody gets a traceback for a mistake of theirs or for a server that is away.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from re import compile as pattern
from typing import TYPE_CHECKING, Any, TypeVar

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

_OBEYED = pattern("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""Control and direction characters. In JSON they occur within texts only."""

talk = Console(stderr=True, highlight=False)
_data = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def exit_code(error: OnefoldError) -> int:
    """The code with which a command ends that met this error."""
    return next(code for kind, code in _EXIT_CODES if isinstance(error, kind))


def fail(error: OnefoldError) -> int:
    """Say what went wrong; gives the exit code."""
    talk.print(f"[bold red]{escape(error.code)}[/]: {escape(str(error))}", soft_wrap=True)
    return exit_code(error)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work in an event loop. Ctrl-C ends it with the code that shells expect."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def print_json(value: Any) -> None:
    """One JSON document, on standard output."""
    sys.stdout.write(_harmless(msgspec.json.format(msgspec.json.encode(value), indent=2).decode()) + "\n")


def print_line(value: Any) -> None:
    """One JSON object on a line of its own, at once, so that pipes can follow."""
    sys.stdout.write(_harmless(msgspec.json.encode(value).decode()) + "\n")
    sys.stdout.flush()


def _harmless(json: str) -> str:
    r"""The same JSON, with what a terminal would obey as \u escapes: JSON itself escapes only what lies below a blank (poison 36)."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", json)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None, then: str | None = None) -> None:
    """A table for people, and the next useful command below it."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    _data.print(table)
    if then is not None:
        talk.print(f"\n[dim]next:[/] {escape(then)}")


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return "" if value is None else escape(printable(str(value)))


def printable(text: str) -> str:
    """The text with everything that a terminal would obey (escapes, control and direction characters) spelled out (S98, poison 36)."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode() for each in text)


def say(text: str) -> None:
    """A sentence for the person at the terminal; not data."""
    talk.print(escape(text), soft_wrap=True)
