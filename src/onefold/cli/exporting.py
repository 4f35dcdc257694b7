"""`onefold contacts export`: everything that is held of a person, as one JSON document."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onefold.cli.contacts import Who, Workspace  # noqa: TC001 -- typer reads annotations
from onefold.cli.merging import Actor, Reason, found, user
from onefold.cli.output import print_document, run, say
from onefold.errors import InvalidMessage

if TYPE_CHECKING:
    from collections.abc import Callable

    from onefold.contacts.acting import User

Output = Annotated[
    Path, typer.Option("--output", allow_dash=True, help="A new file, which only you can read; - is standard output.", show_default=False)
]


def export(
    who: Who,
    workspace: Workspace = "acme",
    output: Output = Path("-"),
    actor: Actor = None,
    reason: Reason = None,
) -> None:
    """Write down everything that is held of a person, over every id ever merged into them (docs/reference/export.schema.json).

    The log says that you did. For whoever asks from outside, prefer a link to an address that they proved: docs/how-to/export.md.
    """
    taker = user(actor, reason, execute=False)
    if str(output) == "-":
        run(_export(workspace, who, taker, lambda piece: print_document([piece])))
        return
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InvalidMessage(f"cannot write {output}: {error.strerror}. Name a file that is not there yet.", code="no_such_file") from error
    try:
        with os.fdopen(handle, "wb") as file:
            run(_export(workspace, who, taker, file.write))
    except BaseException:
        output.unlink()
        raise
    say(f"written to {output}; the log of {workspace} says that {taker.actor} took it")


async def _export(workspace: str, who: str, taker: User, write: Callable[[bytes], object]) -> None:
    from onefold import bootstrap  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.contacts import export as exporting  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("cli", Settings.load()), pool_size=2) as store:
        async with store.transaction([workspace]) as connection:
            root = await exporting.note(connection, workspace, await found(connection, who, workspace), taker)
        async for piece in exporting.export(store, workspace, root):
            write(piece)
    sys.stdout.flush()
