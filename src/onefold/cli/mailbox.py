"""`onefold mailbox`: where a local stack's mails and texts end up, instead of at people."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from onefold.cli.output import print_json, print_table, say

app = typer.Typer(help="The mailbox of a local stack: what would have been sent.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option(help="Where the mails lie.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
FOLDER = Path(".onefold/mailbox")


@app.command("list")
def list_(folder: Folder = FOLDER, *, json: Json = False) -> None:
    """List what was kept, the oldest first."""
    from onefold.local.mailbox import Mailbox  # noqa: PLC0415 -- a command loads only what it needs

    mails = Mailbox(folder).mails()
    if json:
        print_json([{"id": each.id, "to": each.to, "subject": each.subject, "language": each.language} for each in mails])
        return
    print_table(["id", "to", "subject"], [(each.id, ", ".join(each.to), each.subject) for each in mails], then="onefold mailbox show ID")


@app.command()
def show(mail: Annotated[str, typer.Argument(help="Its id.")], folder: Folder = FOLDER, *, json: Json = False) -> None:
    """Show a mail."""
    from onefold.local.mailbox import Mailbox  # noqa: PLC0415

    found = Mailbox(folder).find(mail)
    if json:
        print_json(found._asdict())
        return
    print(f"From: {found.sender}\nTo: {', '.join(found.to)}\nSubject: {found.subject}\n\n{found.text}")


@app.command()
def serve(
    folder: Folder = FOLDER,
    host: Annotated[str, typer.Option(help="Address to listen on: the loopback interface's.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks one.")] = 1025,
) -> None:
    """Take mail by SMTP, and keep it, until SIGTERM or Ctrl-C. Listens on this machine only."""
    asyncio.run(_serve(folder, host, port))


async def _serve(folder: Path, host: str, port: int) -> None:
    from onefold.local.mailbox import Mailbox, listening  # noqa: PLC0415

    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with listening(Mailbox(folder), host, port) as at:
        say(f"mailbox: smtp://{host}:{at}, kept in {folder}")
        await stopping.wait()
