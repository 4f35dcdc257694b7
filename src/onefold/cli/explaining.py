"""`onefold contacts explain`: why a contact is what it is, how two of its identifiers hang together, why two contacts are not one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from onefold.cli.contacts import Who, Workspace, meant
from onefold.cli.options import TIME_HELP, time_of
from onefold.cli.output import print_json, print_table, run, say
from onefold.errors import InvalidMessage
from onefold.identity.identifiers import Identifier

if TYPE_CHECKING:
    from datetime import datetime

    from onefold.ops.explain.shapes import Apart, EvidenceShown, Explanation, IdentifierExplained, MergeExplained, Path, Step
    from onefold.records.store import Connection

SHOWN = 50
LONGEST_SECONDS = 60.0


def explain(
    who: Who,
    workspace: Workspace = "acme",
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="TIME", help=f"As it stood then. {TIME_HELP}", show_default=False)] = None,
    path: Annotated[
        tuple[str, str] | None,
        typer.Option("--path", metavar="TYPE:VALUE TYPE:VALUE", help="How these two of its identifiers hang together.", show_default=False),
    ] = None,
    other: Annotated[
        str | None, typer.Option("--not", metavar="ID|TYPE:VALUE", help="Why it is not this other contact.", show_default=False)
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON; docs/reference/explain.schema.json says the shape.")] = False,
) -> None:
    """Explain a contact: by which event, rule and guard it got each identifier and value, and what merged into it."""
    said = run(_explain(who, workspace, time_of(as_of), path, other))
    if json:
        print_json(said)
        return
    _print(said)
    if said.path:
        _print_path(said.path)
    if said.apart:
        _print_apart(said.contact_id, said.apart)
    say(f"\nnext: onefold contacts explain {said.contact_id} --workspace {workspace} --json")


async def _explain(who: str, workspace: str, as_of: datetime | None, path: tuple[str, str] | None, other: str | None) -> Explanation:
    from onefold import bootstrap  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.ops.explain.explain import Question, explain  # noqa: PLC0415
    from onefold.records.store import name_workspaces  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with (
        bootstrap.store(bootstrap.begin("cli", Settings.load()), pool_size=1) as store,
        store.moment(seconds=LONGEST_SECONDS) as connection,
    ):
        await name_workspaces(connection, [workspace])
        question = Question(
            who=await meant(connection, who, workspace),
            as_of=as_of,
            path=(await _identifier(connection, path[0], workspace), await _identifier(connection, path[1], workspace)) if path else None,
            other=await meant(connection, other, workspace) if other is not None else None,
        )
        return await explain(connection, workspace, question)


async def _identifier(connection: Connection, text: str, workspace: str) -> Identifier:
    found = await meant(connection, text, workspace)
    if not isinstance(found, Identifier):
        raise InvalidMessage(f"{text!r} is no type:value: a path joins two identifiers of one contact", code="usage")
    return found


def _print(said: Explanation) -> None:
    for step in said.redirects:
        say(f"{step.absorbed} was absorbed at {step.at:%Y-%m-%d %H:%M:%SZ}; its id leads to {step.survivor}")
    then = f", as of {said.as_of:%Y-%m-%d %H:%M:%SZ}" if said.as_of is not None else f", {said.type}"
    total = len(said.identifiers)
    more = f" (the first {SHOWN} of {total})" if total > SHOWN else ""
    print_table(
        ["identifier", "assurance", "since", "until", "beside", "rule", "guard", "event", "topic/partition/offset"],
        [_identifier_row(each) for each in said.identifiers[:SHOWN]],
        title=f"{said.contact_id}{then}{more}",
    )
    for title, merges in (("merges", said.merges), ("merges that were undone", said.undone)):
        if merges:
            print_table(
                ["at", "absorbed", "into", "by", "through", "why", "topic/partition/offset", "identifiers"],
                [_merge_row(each) for each in merges[:SHOWN]],
                title=f"\n{title}",
            )
    if said.values:
        print_table(
            ["value", "at", "assurance", "beside", "event"],
            [(each.path, each.at, each.assurance, each.via, each.event_id) for each in said.values[:SHOWN]],
            title="\nvalues",
        )
    if said.is_cut:
        say("older identifiers that it held are left out")


def _identifier_row(each: IdentifierExplained) -> tuple[object, ...]:
    first = each.evidence[0] if each.evidence else None
    assurance = each.assurance + (f", {each.validated_by}" if each.is_validated else "")
    why = (first.rule, first.guard, first.event_id, _place(first)) if first is not None else ("", "", "", "")
    return (f"{each.semantic_type}:{each.identifier}", assurance, each.since, each.until, each.via, *why)


def _merge_row(each: MergeExplained) -> tuple[object, ...]:
    cause = each.cause
    if cause["kind"] == "user":
        by, why, place = cause["actor"], cause["reason"], None
    else:
        by, why, place = cause["event_id"], f"shared {cause['semantic_type']}", f"{cause['topic']}/{cause['partition']}/{cause['offset']}"
    undone = f"undone at {each.undone['at']:%Y-%m-%d %H:%M:%SZ} by {each.undone['actor']}: {each.undone['reason']}" if each.undone else why
    return (each.at, each.absorbed, each.survivor, by, " + ".join(each.through or ()), undone, place, each.identifiers)


def _place(event: EvidenceShown) -> str:
    return f"{event.topic}/{event.partition}/{event.offset}"


def _print_path(path: Path) -> None:
    title = f"\n{path.one} to {path.other}"
    if path.steps is None:
        say(f"{title}: what joined them was not recorded, or was undone")
        return
    print_table(["from", "to", "by"], [(step.one, step.other, _by(step)) for step in path.steps], title=title)


def _by(step: Step) -> str:
    if step.event is not None:
        return f"event {step.event.event_id} at {_place(step.event)} named both"
    return f"merge {step.merge_id}"


def _print_apart(contact_id: object, apart: Apart) -> None:
    print_table(["", "why"], [(each.code, each.text) for each in apart.because], title=f"\n{contact_id} and {apart.contact_id}")
