"""`onefold audit`: the log of what users did, and whether it is whole (S99)."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from onefold.cli.output import DIFFERENT, print_json, print_table, run, say

if TYPE_CHECKING:
    from onefold.ops.audit import Verified

app = typer.Typer(help="The log of what users did.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """A group, though it has one command yet."""


@app.command()
def verify(
    workspace: Annotated[str, typer.Option(help="Slug of the workspace.")] = "acme",
    *,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Verify the chain of hashes: whether an entry was altered, taken out or put in. Ends with 3 where one was."""
    found = run(_verify(workspace))
    if json:
        print_json(asdict(found))
    else:
        print_table(
            ["entries", "details erased", "last hash", "chain"],
            [(found.entries, found.without_details, found.last_hash, "broken" if found.breaks else "whole")],
        )
        for each in found.breaks:
            say(f"broken: {each}")
        if not found.breaks:
            say("next: keep the last hash elsewhere; whoever rewrites the whole log cannot rewrite that")
    if found.breaks:
        raise typer.Exit(DIFFERENT)


async def _verify(workspace: str) -> Verified:
    from onefold import bootstrap  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.ops.audit import verify as verified  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("audit", Settings.load()), pool_size=2) as store:
        return await verified(store, workspace)
