"""`onefold doctor`: one page that says whether all is well. Exit code 3 if something is not."""

from __future__ import annotations

from typing import Annotated

import typer

from onefold.cli.output import DIFFERENT, print_json, print_table, run


def doctor(*, json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Examine servers, tables, topics, durability, lag, outbox and dead letters. Exit code 3 if something is not well."""
    from onefold import bootstrap  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.installation.doctor import examine  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    findings = run(examine(bootstrap.begin("doctor", Settings.load())))
    if json:
        print_json(findings)
    else:
        rows = [("ok" if each.is_well else "LOOK", each.what, each.found, each.advice) for each in findings]
        print_table(["", "what", "found", "what to do"], rows, then="onefold contacts find email:…")
    if not all(each.is_well for each in findings):
        raise typer.Exit(DIFFERENT)
