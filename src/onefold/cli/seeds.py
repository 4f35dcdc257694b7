"""`onefold seeds`: a workspace's structure and contacts as a file: what it would do, done, and written from what there is."""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onefold.cli import options
from onefold.cli.merging import Reason, act
from onefold.cli.output import print_json, print_table, run, say
from onefold.errors import InvalidMessage

if TYPE_CHECKING:
    from onefold.records.store import Connection
    from onefold.seeds.apply import Step
    from onefold.seeds.export import Exported

app = typer.Typer(help="Structure and contacts as files that another workspace takes.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(metavar="SEED.json|-", help="A JSON array of items; - reads standard input.", allow_dash=True)]
Workspace = Annotated[str, typer.Option(help="Slug of the workspace.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.command()
def plan(file: File, workspace: Workspace = "acme", *, json: Json = False) -> None:
    """Show what applying a seed would do, exactly, item by item. Nothing is changed."""
    _tell(run(_apply(workspace, _read(file), None, execute=False)), json=json, is_done=False)


@app.command()
def apply(file: File, workspace: Workspace = "acme", reason: Reason = None, *, json: Json = False) -> None:
    """Apply a seed: all of it or nothing. Applied again, it changes nothing."""
    _tell(run(_apply(workspace, _read(file), reason, execute=True)), json=json, is_done=True)


@app.command()
def export(
    workspace: Workspace = "acme",
    only: Annotated[list[str] | None, typer.Option("--only", help="Such as profiles; may be repeated. Unset: everything.")] = None,
) -> None:
    """Write a workspace as a seed to standard output: definitions, organizations, segments, contacts."""
    found = run(_export(workspace, only))
    json_module.dump(found.items, sys.stdout, ensure_ascii=False, indent=1)
    sys.stdout.write("\n")
    for each in found.left_out:
        say(f"left out, since no reference can name it: {each}")


def _read(file: Path) -> Any:
    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8") if file.is_file() else None
    if text is None:
        raise InvalidMessage(f"there is no file {file}", code="usage")
    try:
        return json_module.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(f"{file} is no JSON that can be read: {error}", code="invalid_seed") from error


def _tell(steps: list[Step], *, json: bool, is_done: bool) -> None:
    if json:
        print_json(steps)
        return
    counts = {action: sum(each.action == action for each in steps) for action in ("created", "updated", "unchanged")}
    shown = [each for each in steps if each.action != "unchanged"]
    print_table(
        ["item", "object", "name", "done" if is_done else "plan", "changes"],
        [(each.item, each.object_type, each.name, each.action, ", ".join(each.changes)) for each in shown],
    )
    say(", ".join(f"{count} {action}" for action, count in counts.items()))
    if not is_done:
        say("next: onefold seeds apply with the same file; nothing was done yet")


async def _apply(workspace: str, raw: Any, reason: str | None, *, execute: bool) -> list[Step]:
    from onefold.contacts.acting import User  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.records import log  # noqa: PLC0415
    from onefold.records.numbers import TenureNumbers  # noqa: PLC0415
    from onefold.seeds import apply as seeds  # noqa: PLC0415

    async def work(connection: Connection, shards: int | None) -> list[Step]:
        user = User(options.actor(), reason, log.Origin(), [], kind="seed")
        seed = seeds.Work(connection, workspace, user, shards or 0, TenureNumbers())
        steps = await (seeds.apply if execute else seeds.plan)(seed, raw)
        await log.append(connection, workspace, user.journal or [])
        return steps

    # A plan, too, is carried out, and undone again.
    return await act(workspace, work, execute=True)


async def _export(workspace: str, only: list[str] | None) -> Exported:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.records.store import name_workspaces  # noqa: PLC0415
    from onefold.seeds.export import ORDER, export  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    unknown = sorted(set(only or ()) - set(ORDER))
    if unknown:
        raise InvalidMessage(f"{unknown[0]!r} is none of {', '.join(ORDER)}", code="usage")
    async with (
        bootstrap.store(bootstrap.begin("cli", Settings.load()), pool_size=2) as store,
        store.moment(seconds=600) as connection,
    ):
        await name_workspaces(connection, [workspace])
        return await export(connection, workspace, only or ORDER)
