"""`onefold quarantine`: values that tried to join too many contacts, and so resolve no more: see them, let them resolve again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from onefold.cli.options import actor, demand_reason
from onefold.cli.output import counted, print_json, print_table, run, say
from onefold.errors import InvalidMessage, NotQuarantined

if TYPE_CHECKING:
    from onefold.identity.identifiers import Identifier
    from onefold.records.quarantine import QuarantinedValue
    from onefold.records.store import Connection
    from onefold.settings import Settings

app = typer.Typer(help="Values that joined too many contacts on a day, and resolve no more.", no_args_is_help=True)

Workspace = Annotated[str, typer.Option(help="Slug of the workspace.")]
Value = Annotated[str, typer.Argument(metavar="TYPE:VALUE", help="Such as email:info@example.com.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.command("list")
def list_(
    workspace: Workspace = "acme",
    most: Annotated[int, typer.Option("--limit", "-n", min=1, help="Show at most so many, the oldest first.")] = 100,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Those that were released, too.")] = False,
    json: Json = False,
) -> None:
    """List the values in quarantine, the oldest first."""
    values = run(_list(workspace, most, released_too=all_))
    if json:
        print_json([_shown(each) for each in values])
        return
    rows = [(_name(each), each.since, each.contacts, each.event_id, _released(each)) for each in values]
    then = f"onefold quarantine show TYPE:VALUE --workspace {workspace}" if rows else f"onefold parked list --workspace {workspace}"
    print_table(["value", "since", "contacts that day", "event", "released"], rows, then=then)


@app.command()
def show(value: Value, workspace: Workspace = "acme", *, json: Json = False) -> None:
    """Show when a value was quarantined, by which event, and who released it."""
    values = run(_find(value, workspace))
    if json:
        print_json([_shown(each) for each in values])
        return
    for each in values:
        print_table(["quarantine", ""], [(name.replace("_", " "), found) for name, found in _shown(each).items() if found is not None])
    if values[-1].released_at is None:
        say(f"\nnext: onefold contacts show {value} --workspace {workspace}; onefold quarantine release {value} --workspace {workspace}")


@app.command()
def release(
    value: Value,
    workspace: Workspace = "acme",
    reason: Annotated[str | None, typer.Option("--reason", help="Why; kept with the release.", show_default=False)] = None,
    *,
    redecide: Annotated[bool, typer.Option("--redecide", help="Release the interactions that it held back, too.")] = False,
    execute: Annotated[bool, typer.Option("--execute", help="Do it. Without it only the plan is shown.")] = False,
    json: Json = False,
) -> None:
    """Let a value resolve again, and count what it joins from the beginning."""
    from onefold.settings import Settings  # noqa: PLC0415 -- a command loads only what it needs

    settings = Settings.load()
    if execute:
        demand_reason(reason, settings)
    released, events = run(_release(settings, value, workspace, reason, redecide=redecide, execute=execute))
    if json:
        print_json({"executed": execute, "value": _shown(released), "events": events if redecide else 0})
    elif execute:
        again = f"; {counted('interaction', events)} that it held back will be decided again" if redecide else ""
        say(f"{_name(released)} resolves again{again}\nnext: onefold quarantine list --workspace {workspace}")
    else:
        then = "would be decided again" if redecide else "would stay parked (--redecide decides again)"
        held = f"{counted('interaction', events)} that it held back {then}"
        say(f"{_name(released)} would resolve again; {held}\nnext: the same with --execute; nothing was done yet")


async def _list(workspace: str, most: int, *, released_too: bool) -> list[QuarantinedValue]:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.records.quarantine import list_values  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("cli", Settings.load()), pool_size=2) as store, store.transaction([workspace]) as tx:
        return await list_values(tx, workspace, most, released_too=released_too)


async def _find(value: str, workspace: str) -> list[QuarantinedValue]:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.records.quarantine import find_values  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("cli", Settings.load()), pool_size=2) as store, store.transaction([workspace]) as tx:
        found = await find_values(tx, workspace, (await _identify(tx, value, workspace)).key)
    if not found:
        raise NotQuarantined(f"{value} was never in quarantine in workspace {workspace}; `onefold quarantine list --all` shows what was")
    return found


async def _release(
    settings: Settings, value: str, workspace: str, reason: str | None, *, redecide: bool, execute: bool
) -> tuple[QuarantinedValue, int]:
    """The value, and how many interactions it held back; released with it, if they are to be decided again."""
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.ops import quarantine as ops  # noqa: PLC0415
    from onefold.topics.producer import IdempotentProducer  # noqa: PLC0415

    role = bootstrap.begin("quarantine", settings)
    async with bootstrap.store(role, pool_size=2) as store:
        async with store.transaction([workspace]) as tx:
            identifier = await _identify(tx, value, workspace)
            planned = await ops.plan(tx, workspace, identifier)
        if not execute:
            return planned
        if not redecide:
            return await ops.release(store, None, workspace, identifier, actor=actor(), reason=reason)
        async with IdempotentProducer(role.kafka) as producer:
            return await ops.release(store, producer, workspace, identifier, actor=actor(), reason=reason)


async def _identify(connection: Connection, value: str, workspace: str) -> Identifier:
    from onefold.identity.identifiers import resolve_identifiers  # noqa: PLC0415
    from onefold.workspace.rules import rules_to_find  # noqa: PLC0415

    kind, colon, text = value.partition(":")
    if not colon:
        raise InvalidMessage(f"{value!r} is not written type:value, such as email:info@example.com", code="usage")
    resolved, dropped = resolve_identifiers([(kind, text, None)], await rules_to_find(connection, workspace))
    if dropped:
        raise InvalidMessage(f"{value} never resolves: {dropped[0].reason}", code="invalid_identifier")
    return resolved[0]


def _name(each: QuarantinedValue) -> str:
    return f"{each.semantic_type}:{each.identifier}"


def _released(each: QuarantinedValue) -> str | None:
    return f"{each.released_at:%Y-%m-%d %H:%M} by {each.actor}" if each.released_at is not None else None


def _shown(each: QuarantinedValue) -> dict[str, Any]:
    return {
        "semantic_type": each.semantic_type,
        "identifier": each.identifier,
        "normalised": each.normalised,
        "workspace": each.workspace,
        "since": each.since,
        "contacts_that_day": each.contacts,
        "event_id": each.event_id,
        "position": f"{each.partition}/{each.offset}",
        "state": "held" if each.released_at is None else "released",
        "released_at": each.released_at,
        "actor": each.actor,
        "reason": each.reason,
    }
