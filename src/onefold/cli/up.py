"""`onefold up`: embedded servers and every role in one terminal, until Ctrl-C."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onefold.cli.output import run, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onefold.installation.local_stack import LocalStack
    from onefold.installation.setup import ShownAdmin, ShownKey


def up(
    folder: Annotated[Path, typer.Option(help="Where the servers keep their data, logs and addresses.")] = Path(".onefold"),
    workspace: Annotated[str, typer.Option(help="Slug of the workspace to set up.")] = "acme",
    site: Annotated[
        Path | None,
        typer.Option(help="Folder of a site to serve with tracking script and chat; unset, deploy/demo where there is one."),
    ] = None,
) -> None:
    """Start Kafka, Postgres, Valkey and every role on this machine, set a workspace up, and run until Ctrl-C."""
    from onefold.installation.local_stack import MAILBOX, local_stack  # noqa: PLC0415 -- a command loads only what it needs

    say("starting Kafka, Postgres, Valkey and every role …")
    try:
        with local_stack(folder) as stack:
            say(f"collector: {stack.collector_url}\nUser API: {stack.user_api_url}/api/v1")
            say(f"Contact API: {stack.contact_api_url}/contact/v1\naddresses for other commands: {stack.env_file}")
            say(f"mails and texts are kept, not sent: onefold mailbox list --folder {folder / MAILBOX}")
            keys, admin = run(_first(stack, workspace))
            for key in keys:
                say(f"{key.kind} key of workspace {workspace}, shown this once: {key.text}")
            if admin is not None:
                say(f"Super Admin {admin.email}, password shown this once, to be changed at first sign-in: {admin.password}")
            with _sample_site(stack, workspace, site):
                say("everything runs; Ctrl-C stops it\nnext, in another terminal: onefold doctor")
                stack.roles.follow(sys.stderr)
    except KeyboardInterrupt:
        say("stopped; the data is kept, and `onefold up` goes on with it")


@contextmanager
def _sample_site(stack: LocalStack, workspace: str, folder: Path | None) -> Iterator[None]:
    """Pages to visit, where there are some and the workspace has a public key."""
    from onefold.cli.script import NoPublicKey, newest_public_key  # noqa: PLC0415
    from onefold.http.collector.script import newest  # noqa: PLC0415
    from onefold.http.collector.snippets import Snippets  # noqa: PLC0415
    from onefold.http.contact_api import widget  # noqa: PLC0415
    from onefold.installation.site import FOLDER, sample_site  # noqa: PLC0415

    pages = folder or FOLDER
    if not pages.is_dir():
        if folder is not None:
            raise typer.BadParameter(f"there is no folder {folder}", param_hint="--site")
        yield
        return
    try:
        key = run(newest_public_key(stack.settings, workspace))
    except NoPublicKey as error:
        say(f"no sample site: {error}")
        yield
        return
    element = Snippets(newest(), stack.collector_url, key).element.replace("<script", '<script data-consent="wait"', 1)
    chat = widget.ChatSnippet(widget.newest(), stack.contact_api_url, key).element
    with sample_site(pages, f"{element}\n{chat}", stack.collector_url, stack.contact_api_url) as address:
        say(f"sample site, to visit in a browser: {address}/")
        yield


async def _first(stack: LocalStack, workspace: str) -> tuple[list[ShownKey], ShownAdmin | None]:
    """The workspace's first keys and its Super Admin, where it is new."""
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.installation.setup import make_admin, make_workspace  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("up", stack.settings)) as store:
        _, keys = await make_workspace(store, workspace, workspace)
        return keys, await make_admin(store, workspace, "admin@example.com")
