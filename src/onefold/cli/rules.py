"""`onefold rules`: how a workspace resolves: look, change, look back. Workers follow a change with their next batch."""

from __future__ import annotations

import json as json_
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onefold.cli.options import actor, demand_reason
from onefold.cli.output import counted, print_json, print_table, run, say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from onefold.identity.rules_difference import Change
    from onefold.ops.simulate.recent import Trial
    from onefold.records.rules_versions import RulesVersion
    from onefold.records.store import Store
    from onefold.settings import Settings
    from onefold.workspace.rules import Edits, Plan

app = typer.Typer(help="Rules of resolution: catalog, policy, limits, blocked values, normalisation.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Workspace = Annotated[str, typer.Option(help="Slug of the workspace.")]
SHOWN = 20
MOST_TRIED = 1_000_000
"""Events of a dry run: what a machine holds, about 2 KiB each."""
SHOWN_VALUES = 5


@app.command()
def show(
    workspace: Workspace = "acme",
    *,
    given: Annotated[bool, typer.Option("--given", help="Only what the workspace decided itself, without Onefold's defaults.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Only the document, without the sentence on standard error.")] = False,
) -> None:
    """Print the rules in force as one JSON document, which `onefold rules set --file` takes."""
    document, version = run(_show(workspace, given=given))
    print_json(document)
    if not json:
        say(f"version {version}\nnext: onefold rules set --workspace {workspace} limits.values_per_type=50")


@app.command("set")
def set_(  # noqa: PLR0913 -- the options of one command
    keys: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Such as catalog.email.max_per_contact=5. Values are JSON or text.", show_default=False),
    ] = None,
    file: Annotated[str | None, typer.Option("--file", help="A whole document, in place of all that is set; - reads it.")] = None,
    unset: Annotated[list[str] | None, typer.Option("--unset", metavar="KEY", help="Follow the default again.", show_default=False)] = None,
    if_version: Annotated[
        int | None, typer.Option("--if-version", min=1, help="Only if this version is still in force.", show_default=False)
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; kept with the version.", show_default=False)] = None,
    workspace: Workspace = "acme",
    last: Annotated[
        int | None,
        typer.Option("--last", min=1, max=MOST_TRIED, help="Also say what it would have changed over so many events.", show_default=False),
    ] = None,
    *,
    from_now_on: Annotated[
        bool, typer.Option("--from-now-on", help="Make a type unique though contacts hold several of it: they keep them.")
    ] = False,
    execute: Annotated[bool, typer.Option("--execute", help="Do it. Without it only the difference is shown.")] = False,
    json: Json = False,
) -> None:
    """Change rules: show what would become different, and with --execute put it in force at once, without a restart."""
    from onefold.settings import Settings  # noqa: PLC0415 -- a command loads only what it needs

    if execute and last is not None:
        raise typer.BadParameter("--last says what a change would do before it is done: leave --execute out")
    edits = _edits(keys or [], file, unset or [])
    settings = Settings.load()
    if execute:
        demand_reason(reason, settings)
    plan, made = run(_set(settings, workspace, edits, (if_version, reason), from_now_on=from_now_on, execute=execute))
    trial = run(_try(settings, plan, last)) if last is not None and plan.changes else None
    _tell(plan, made, trial, json=json)


@app.command()
def history(
    workspace: Workspace = "acme",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000, help="Show at most so many, newest first.")] = SHOWN,
    below: Annotated[int | None, typer.Option("--below", min=1, help="Only versions below this one.", show_default=False)] = None,
    *,
    json: Json = False,
) -> None:
    """List the versions of the rules: who made them, when, why, and what they changed."""
    from onefold.identity.rules_difference import given_difference  # noqa: PLC0415

    found = [(each, given_difference(each.before, each.after)) for each in run(_history(workspace, limit, below))]
    if json:
        print_json([_version(each, changes) for each, changes in found])
        return
    rows = [(each.version, each.at, each.actor, each.reason, *row) for each, changes in found for row in _rows(changes)]
    then = f"onefold rules show --workspace {workspace}"
    if len(found) == limit:
        then = f"onefold rules history --workspace {workspace} --below {found[-1][0].version}"
    print_table(["version", "at", "by", "why", "key", "before", "after"], rows, then=then)


def _edits(keys: list[str], file: str | None, unset: list[str]) -> Edits:
    from onefold.workspace.rules import Edits  # noqa: PLC0415

    if not keys and file is None and not unset:
        raise typer.BadParameter("say what to change: KEY=VALUE, --unset KEY or --file RULES.json")
    pairs = []
    for each in keys:
        key, equals, value = each.partition("=")
        if not equals:
            raise typer.BadParameter(f"{each!r} sets nothing; write KEY=VALUE, such as policy=strict")
        pairs.append((key, _value(value)))
    return Edits(_document(file) if file is not None else None, pairs, unset)


def _value(text: str) -> Any:
    """JSON where it is JSON, else the text: `50`, `false`, `["a"]`, `null`, and `strict`, `DE`."""
    try:
        return json_.loads(text)
    except (ValueError, RecursionError):
        return text


def _document(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    path = Path(file)
    if not path.is_file():
        raise typer.BadParameter(f"{file} is no file")
    return path.read_bytes()


def _store(settings: Settings) -> AbstractAsyncContextManager[Store]:
    from onefold import bootstrap  # noqa: PLC0415

    return bootstrap.store(bootstrap.begin("cli", settings), pool_size=1)


async def _show(workspace: str, *, given: bool) -> tuple[dict[str, Any], int]:
    from onefold.identity.rules_document import in_force  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415
    from onefold.workspace import rules  # noqa: PLC0415

    async with _store(Settings.load()) as store, store.transaction([workspace]) as connection:
        document, version = await rules.show(connection, workspace)
    return document.given() if given else in_force(document), version


async def _set(
    settings: Settings, workspace: str, edits: Edits, given: tuple[int | None, str | None], *, from_now_on: bool, execute: bool
) -> tuple[Plan, RulesVersion | None]:
    from onefold.workspace import rules  # noqa: PLC0415

    if_version, reason = given
    async with _store(settings) as store, store.transaction([workspace]) as connection:
        plan = await rules.plan(connection, workspace, edits, if_version=if_version, from_now_on=from_now_on)
        if not (execute and plan.changes):
            return plan, None
        return plan, await rules.carry_out(connection, plan, actor=actor(), reason=reason)


async def _try(settings: Settings, plan: Plan, last: int) -> Trial:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.identity.rules_reading import document_of  # noqa: PLC0415
    from onefold.ops.simulate.recent import tried  # noqa: PLC0415

    kafka = bootstrap.begin("cli", settings).kafka
    return await tried(kafka, plan.workspace, last, document_of(plan.before), document_of(plan.after))


async def _history(workspace: str, limit: int, below: int | None) -> list[RulesVersion]:
    from onefold.settings import Settings  # noqa: PLC0415
    from onefold.workspace import rules  # noqa: PLC0415

    async with _store(Settings.load()) as store, store.transaction([workspace]) as connection:
        return await rules.history(connection, workspace, limit, below)


def _tell(plan: Plan, made: RulesVersion | None, trial: Trial | None, *, json: bool) -> None:
    version = made.version if made is not None else plan.version
    if json:
        said = {"executed": made is not None, "workspace": plan.workspace, "version": version, "changes": plan.changes}
        print_json(said if trial is None else {**said, "trial": trial})
        return
    if not plan.changes:
        say(f"nothing would change; the rules of workspace {plan.workspace} are at version {version}")
        return
    then = f"the same with --execute --if-version {version}; nothing was done yet"
    if made is not None:
        then = f"onefold rules history --workspace {plan.workspace}"
    title = f"version {version}, in force now" if made is not None else f"what would change in version {version}"
    if trial is not None:
        print_table(["key", "before", "after"], _rows(plan.changes), title=title)
        _tell_trial(trial)
        say("\nnext: " + then)
        return
    print_table(["key", "before", "after"], _rows(plan.changes), title=title, then=then)


def _tell_trial(trial: Trial) -> None:
    from onefold.cli.simulate import print_difference  # noqa: PLC0415

    before, after = trial.contacts
    say(f"\nthe last {counted('event', trial.events)}, decided from nothing: {counted('contact', before)} before, {after} after")
    if trial.unreadable:
        say(f"no interactions, and left out: {trial.unreadable}")
    print_difference(trial.diff)


def _rows(changes: Sequence[Change]) -> list[tuple[str, str, str]]:
    return [(each.key, *_shown(each)) for each in changes]


def _shown(change: Change) -> tuple[str, str]:
    before, after = change.before, change.after
    if change.kind == "fixed":
        return f"{_text(before)} (default)", f"{_text(after)} (set)"
    if change.kind == "freed":
        return f"{_text(before)} (set)", f"{_text(after)} (default)"
    if isinstance(before, list) and isinstance(after, list) and change.key.startswith("blocked."):
        return _listed("-", before, after), _listed("+", after, before)
    return _text(before), _text(after)


def _listed(sign: str, mine: list[Any], others: list[Any]) -> str:
    """What one list holds beyond the other, the first few of it."""
    theirs = set(others)
    only = [each for each in mine if each not in theirs]
    more = f" and {len(only) - SHOWN_VALUES} more" if len(only) > SHOWN_VALUES else ""
    return " ".join(f"{sign}{each}" for each in only[:SHOWN_VALUES]) + more


def _text(value: Any) -> str:
    if value is None:
        return "unset"
    return value if isinstance(value, str) else json_.dumps(value, ensure_ascii=False)


def _version(each: RulesVersion, changes: Sequence[Change]) -> dict[str, Any]:
    return {
        "version": each.version,
        "at": each.at,
        "actor": each.actor,
        "reason": each.reason,
        "changes": changes,
        "before": each.before,
        "after": each.after,
    }
