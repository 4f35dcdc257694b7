"""`onefold up`: embedded servers and every role in one terminal, until Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onefold.cli.output import run, say

if TYPE_CHECKING:
    from onefold.installation.local_stack import LocalStack
    from onefold.installation.setup import ShownAdmin, ShownKey


def up(
    folder: Annotated[Path, typer.Option(help="Where the servers keep their data, logs and addresses.")] = Path(".onefold"),
    workspace: Annotated[str, typer.Option(help="Slug of the workspace to set up.")] = "acme",
) -> None:
    """Start Kafka, Postgres, Valkey and every role on this machine, set a workspace up, and run until Ctrl-C."""
    from onefold.installation.local_stack import MAILBOX, local_stack  # noqa: PLC0415 -- a command loads only what it needs

    say("starting Kafka, Postgres, Valkey and every role …")
    try:
        with local_stack(folder) as stack:
            say(f"collector: {stack.collector_url}\nUser API: {stack.user_api_url}/api/v1\naddresses for other commands: {stack.env_file}")
            say(f"mails and texts are kept, not sent: onefold mailbox list --folder {folder / MAILBOX}")
            keys, admin = run(_first(stack, workspace))
            for key in keys:
                say(f"{key.kind} key of workspace {workspace}, shown this once: {key.text}")
            if admin is not None:
                say(f"Super Admin {admin.email}, password shown this once, to be changed at first sign-in: {admin.password}")
            say("everything runs; Ctrl-C stops it\nnext, in another terminal: onefold doctor")
            stack.roles.follow(sys.stderr)
    except KeyboardInterrupt:
        say("stopped; the data is kept, and `onefold up` goes on with it")


async def _first(stack: LocalStack, workspace: str) -> tuple[list[ShownKey], ShownAdmin | None]:
    """The workspace's first keys and its Super Admin, where it is new."""
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.installation.setup import make_admin, make_workspace  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("up", stack.settings)) as store:
        _, keys = await make_workspace(store, workspace, workspace)
        return keys, await make_admin(store, workspace, "admin@example.com")
