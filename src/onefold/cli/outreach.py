"""`onefold outreach`: what became of messages, and which language a workspace speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from onefold.cli import options
from onefold.cli.output import print_json, print_table, run, say

if TYPE_CHECKING:
    from onefold.records.outreach import MessageRow

app = typer.Typer(help="Messages to people: codes, links, notices.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Workspace = Annotated[str, typer.Option(help="Slug of the workspace.")]


@app.command("list")
def list_(
    workspace: Workspace = "acme",
    most: Annotated[int, typer.Option("-n", min=1, help="At most so many, newest first.")] = 50,
    *,
    json: Json = False,
) -> None:
    """List what became of the latest messages. Where they went, and what they said, is not kept."""
    found = run(_list(workspace, most))
    if json:
        print_json([each._asdict() for each in found])
        return
    print_table(
        ["message", "channel", "template", "state", "attempts", "why", "asked for"],
        [
            (each.message_id, each.channel, each.template, each.state, each.attempts, each.outcome or "", each.requested_at)
            for each in found
        ],
        then="docs/how-to/outreach.md says what each state means",
    )


@app.command()
def language(
    wanted: Annotated[str, typer.Argument(metavar="LANGUAGE", help="A language tag, such as de or fr-CA.")], workspace: Workspace = "acme"
) -> None:
    """Let a workspace write in a language, where nobody asks for another."""
    run(_speak(workspace, wanted))
    say(f"workspace {workspace} writes in {wanted} from now on")


async def _list(workspace: str, most: int) -> list[MessageRow]:
    from onefold import bootstrap  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.records.outreach import latest  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("outreach", Settings.load())) as store, store.transaction([workspace]) as connection:
        return await latest(connection, workspace, most)


async def _speak(workspace: str, wanted: str) -> None:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.outreach.request import set_language  # noqa: PLC0415
    from onefold.records.log import Act, append  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("outreach", Settings.load())) as store, store.transaction([workspace]) as connection:
        await set_language(connection, workspace, wanted)
        await append(connection, workspace, [Act(options.actor(), "updated", "workspaces", workspace)])
