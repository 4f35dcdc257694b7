"""`onefold parked`: interactions that a limit left something out of: see them, let them go, or let them be."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onefold.cli.options import actor, demand_reason
from onefold.cli.output import counted, print_json, print_table, run, say, visible
from onefold.errors import ParkedNotFound
from onefold.identity.plan import Limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.records.parked import Meant, ParkedEvent, ParkedId
    from onefold.settings import Settings

app = typer.Typer(help="Parked interactions: a limit left a part of them out.", no_args_is_help=True)

Workspace = Annotated[str, typer.Option(help="Slug of the workspace.")]
Exceeded = Annotated[Limit | None, typer.Option("--exceeded", help="Only those that this limit parked.", show_default=False)]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="PARTITION/OFFSET, as `list` shows it.", show_default=False)]
Most = Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most so many, the oldest first.", show_default=False)]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; kept with the decision.", show_default=False)]
Execute = Annotated[bool, typer.Option("--execute", help="Do it. Without it only the plan is shown.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]

SHOWN_CHARACTERS = 4_000


@app.command("list")
def list_(
    workspace: Workspace = "acme",
    exceeded: Exceeded = None,
    most: Annotated[int, typer.Option("--limit", "-n", min=1, help="Show at most so many, the oldest first; all are counted.")] = 20,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Those that were released or dropped, too.")] = False,
    json: Json = False,
) -> None:
    """List parked interactions, the oldest first, and how many there are."""
    events, totals = run(_list(workspace, exceeded, most, decided_too=all_))
    if json:
        print_json({"parked": [_brief(each) for each in events], "open": sum(totals.values()), "by_limit": totals})
        return
    rows = [
        (each.parked_id, each.appended_at, ", ".join(each.limits), ", ".join(each.types), each.event_id, each.contact_id, _decided(each))
        for each in events
    ]
    print_table(["id", "parked", "exceeded", "of", "event", "contact", "decided"], rows)
    then = f"onefold parked show ID --workspace {workspace}" if rows else "onefold doctor"
    print_table(["exceeded", "open"], list(totals.items()), title=f"\n{sum(totals.values())} open", then=then)


@app.command()
def show(
    parked: Annotated[str, typer.Argument(metavar="ID", help="PARTITION/OFFSET, as `list` shows it.")],
    workspace: Workspace = "acme",
    *,
    json: Json = False,
) -> None:
    """Show a parked interaction: what it exceeded, where the rest of it went, and what it says."""
    events = run(_show(workspace, _id(parked)))
    if json:
        print_json([{**_brief(each), "message": _text(each.message)} for each in events])
        return
    for each in events:
        rows = [(name.replace("_", " "), ", ".join(value) if isinstance(value, list) else value) for name, value in _brief(each).items()]
        print_table(["parked", ""], [row for row in rows if row[1] is not None])
        if each.message is not None:
            sys.stdout.write("\n" + visible(_text(each.message) or "", breaks=True)[:SHOWN_CHARACTERS] + "\n")
            say(f"\nnext: onefold parked release {each.parked_id} --workspace {workspace}")


@app.command()
def release(
    ids: Ids = None,
    workspace: Workspace = "acme",
    exceeded: Exceeded = None,
    most: Most = None,
    reason: Reason = None,
    *,
    execute: Execute = False,
    json: Json = False,
) -> None:
    """Let parked interactions go: they are decided again by the present rules, and limits over time hold them back no more."""
    from onefold.settings import Settings  # noqa: PLC0415 -- a command loads only what it needs

    settings = Settings.load()
    if execute:
        demand_reason(reason, settings)
    found, done = run(_release(settings, _meant(workspace, ids, exceeded), most, reason, execute=execute))
    _tell(found, done, most, "released", json=json)


@app.command()
def drop(
    ids: Ids = None,
    workspace: Workspace = "acme",
    exceeded: Exceeded = None,
    most: Most = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the decision.", show_default=False)] = "",
    *,
    execute: Execute = False,
    json: Json = False,
) -> None:
    """Decide that parked interactions stay as they are: what was left out of them stays out, and their messages are let go."""
    if not reason.strip():
        raise typer.BadParameter("say why: --reason TEXT")
    found, done = run(_drop(_meant(workspace, ids, exceeded), most, reason, execute=execute))
    _tell(found, done, most, "dropped", json=json)


async def _list(workspace: str, exceeded: Limit | None, most: int, *, decided_too: bool) -> tuple[list[ParkedEvent], dict[str, int]]:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.records import parked as records  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("cli", Settings.load()), pool_size=2) as store, store.transaction([workspace]) as tx:
        totals = await records.count(tx, records.Meant(workspace, limit=exceeded))
        return await records.list_parked(tx, workspace, exceeded, most, decided_too=decided_too), totals


async def _show(workspace: str, parked_id: ParkedId) -> list[ParkedEvent]:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.records import parked as records  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("cli", Settings.load()), pool_size=2) as store, store.transaction([workspace]) as tx:
        found = await records.find_parked(tx, workspace, parked_id)
    if not found:
        raise ParkedNotFound(f"nothing of workspace {workspace} was parked at {parked_id}; `onefold parked list --all` shows what was")
    return found


async def _release(
    settings: Settings, meant: Meant, most: int | None, reason: str | None, *, execute: bool
) -> tuple[dict[str, int], int | None]:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.ops import parked as ops  # noqa: PLC0415
    from onefold.records import parked as records  # noqa: PLC0415
    from onefold.topics.producer import IdempotentProducer  # noqa: PLC0415

    role = bootstrap.begin("parked", settings)
    async with bootstrap.store(role, pool_size=2) as store:
        async with store.transaction([meant.workspace]) as tx:
            found = await records.count(tx, meant)
        if not execute:
            return found, None
        async with IdempotentProducer(role.kafka) as producer:
            return found, await ops.release(store, producer, meant, most=most, actor=actor(), reason=reason)


async def _drop(meant: Meant, most: int | None, reason: str, *, execute: bool) -> tuple[dict[str, int], int | None]:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.ops import parked as ops  # noqa: PLC0415
    from onefold.records import parked as records  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("parked", Settings.load()), pool_size=2) as store:
        async with store.transaction([meant.workspace]) as tx:
            found = await records.count(tx, meant)
        return found, await ops.drop(store, meant, most=most, actor=actor(), reason=reason) if execute else None


def _tell(found: dict[str, int], done: int | None, most: int | None, what: str, *, json: bool) -> None:
    open_ones = sum(found.values())
    meant = open_ones if most is None else min(open_ones, most)
    if json:
        print_json({"executed": done is not None, "events": meant if done is None else done, "by_limit": found})
    elif done is None:
        then = "the same with --execute; nothing was done yet" if found else "onefold parked list --all"
        print_table(["exceeded", "open"], list(found.items()), title=f"{counted('parked interaction', meant)} to be {what}", then=then)
    else:
        then = "; resolvers take them in their turn, and park anew what still does not fit" if what == "released" else ""
        say(f"{counted('parked interaction', done)} {what}{then}\nnext: onefold parked list")


def _meant(workspace: str, ids: Sequence[str] | None, exceeded: Limit | None) -> Meant:
    from onefold.records.parked import Meant  # noqa: PLC0415

    if ids and exceeded is not None:
        raise typer.BadParameter("name parked interactions by their ids or by a limit, not by both")
    return Meant(workspace, tuple(map(_id, ids or ())), exceeded)


def _id(text: str) -> ParkedId:
    from onefold.records.parked import ParkedId  # noqa: PLC0415

    partition, _, offset = text.partition("/")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise typer.BadParameter(f"{text!r} is no id of a parked interaction; they are written PARTITION/OFFSET, such as 3/41")
    return ParkedId(int(partition), int(offset))


def _brief(each: ParkedEvent) -> dict[str, Any]:
    return {
        "id": str(each.parked_id),
        "workspace": each.workspace,
        "event_id": each.event_id,
        "exceeded": each.limits,
        "types": each.types,
        "contact_id": each.contact_id,
        "occurred_at": each.at,
        "parked_at": each.appended_at,
        "state": each.state,
        "decided_at": each.decided_at,
        "actor": each.actor,
        "reason": each.reason,
    }


def _decided(each: ParkedEvent) -> str | None:
    return f"{each.state} by {each.actor}" if each.actor is not None else None


def _text(raw: bytes | None) -> str | None:
    """As UTF-8; what is none is spelled out."""
    return raw.decode(errors="backslashreplace") if raw is not None else None
