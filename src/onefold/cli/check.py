"""`onefold check`: is everything true that must always be true? Exit code 3 if something is not."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onefold.cli.output import DIFFERENT, print_json, print_table, run, say
from onefold.errors import WorkspaceNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.ops.check.differences import Finding

Only = Annotated[str | None, typer.Option(metavar="I3,I7", help="Only these invariants, separated by commas.", show_default=False)]
Workspaces = Annotated[list[str] | None, typer.Option("--workspace", metavar="W", help="Only rows of this one; may be repeated.")]
Limit = Annotated[int, typer.Option(min=0, help="Differences to show of each invariant.")]
MaxAge = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="I8: how old a row of the outbox may be.")]
Again = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="After how long to look again at what differed.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]

NEXT = {
    "I8": "onefold doctor",
    "I9": "onefold segments list",
    "I12": "onefold doctor",
    "I13": "onefold events tail --topic interactions.dead-letter",
}


def check(
    only: Only = None,
    workspace: Workspaces = None,
    limit: Limit = 20,
    max_outbox_age: MaxAge = 60.0,
    look_again_after: Again = 2.0,
    *,
    json: Json = False,
) -> None:
    """Check the invariants while everything runs: nothing lost, nothing twice, one owner, … Exit code 3 where something differs.

    What differs is looked at twice, so what is merely in flight is not reported. docs/reference/check.md says what each means.
    """
    findings = run(_check(_invariants(only), workspace or [], max_outbox_age, look_again_after))
    if json:
        print_json([_as_json(each, limit) for each in findings])
    else:
        _print(findings, limit)
    if not all(each.clean for each in findings):
        raise typer.Exit(DIFFERENT)


def _invariants(only: str | None) -> list[str]:
    from onefold.ops.check.registry import chosen  # noqa: PLC0415 -- a command loads only what it needs

    named = [each.strip().upper() for each in only.split(",") if each.strip()] if only is not None else []
    try:
        chosen(named)
    except LookupError as error:
        raise typer.BadParameter(str(error.args[0]), param_hint="--only") from None
    return named


async def _check(invariants: Sequence[str], workspaces: Sequence[str], max_outbox_age: float, look_again_after: float) -> list[Finding]:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.ops.check.look import Examined  # noqa: PLC0415
    from onefold.ops.check.registry import chosen  # noqa: PLC0415
    from onefold.ops.check.running import run as look_twice  # noqa: PLC0415
    from onefold.records.workspaces import list_workspaces  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    role = bootstrap.begin("check", Settings.load())
    kafka = role.settings.kafka
    async with bootstrap.store(role) as store, bootstrap.index_upkeep(role) as index:
        async with store.begin() as connection:
            known = await list_workspaces(connection)
        unknown = [each for each in workspaces if each not in known]
        if unknown:
            raise WorkspaceNotFound(f"there is no workspace {', '.join(unknown)}. There are {', '.join(known) or 'none'}.")
        examined = Examined(
            store,
            role.kafka,
            frozenset(workspaces or known),
            resolver_group=kafka.topic_prefix + kafka.group,
            index=index,
            index_secret=role.settings.index_secret,
            timeline_kept=timedelta(days=role.settings.timeline.retention_days),
            max_outbox_age_seconds=max_outbox_age,
        )
        told = say if sys.stderr.isatty() else lambda _text: None
        return await look_twice(examined, chosen(invariants), again_after_seconds=look_again_after, told=told)


def _as_json(finding: Finding, limit: int) -> dict[str, Any]:
    return {
        "invariant": finding.invariant,
        "title": finding.title,
        "checked": finding.checked,
        "clean": finding.clean,
        "differing": finding.differing,
        "differences": [{"where": each.where, "what": each.what} for each in finding.differences[:limit]],
    }


def _print(findings: Sequence[Finding], limit: int) -> None:
    differing = [each for each in findings if not each.clean]
    for each in differing:
        shown = each.differences[:limit]
        print_table(["where", "what"], shown, title=f"{each.invariant} {each.title}")
        if each.differing > len(shown):
            say(f"{each.differing - len(shown)} more of {each.invariant}: --only {each.invariant} --limit {each.differing}")
    then = "onefold doctor"
    if differing:
        then = NEXT.get(differing[0].invariant, f"onefold check --only {differing[0].invariant} --json")
    rows = [("ok" if each.clean else "DIFFERS", each.invariant, each.title, each.checked, each.differing) for each in findings]
    print_table(["", "invariant", "title", "checked", "differing"], rows, then=then)
