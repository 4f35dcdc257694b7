"""`onefold proposals`: merges that the rules would not make by themselves: see them, accept them, refuse them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from onefold.cli.merging import Actor, Execute, Reason, act, found, tell_merging, user
from onefold.cli.output import print_json, print_table, run, say
from onefold.errors import ProposalNotFound

if TYPE_CHECKING:
    from onefold.contacts.acting import User
    from onefold.contacts.merge import Merging
    from onefold.records.proposals import Proposal
    from onefold.records.store import Connection

app = typer.Typer(help="Merges that wait for proof or for a person.", no_args_is_help=True)

Workspace = Annotated[str, typer.Option(help="Slug of the workspace.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Named = Annotated[UUID, typer.Argument(metavar="ID", help="As `list` shows it.")]


@app.command("list")
def list_(
    workspace: Workspace = "acme",
    contact: Annotated[
        str | None, typer.Option("--contact", metavar="ID|TYPE:VALUE", help="Only those of this contact.", show_default=False)
    ] = None,
    most: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="Show at most so many, the newest first.")] = 20,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Those that were carried out, accepted or refused, or expired, too.")] = False,
    json: Json = False,
) -> None:
    """List proposals, the newest first."""
    proposals = run(_list(workspace, contact, most, all_=all_))
    if json:
        print_json([_shown(each) for each in proposals])
        return
    rows = [(each.proposal_id, each.state, each.guard, each.semantic_type, each.proposed_at, *each.contacts) for each in proposals]
    then = f"onefold proposals show ID --workspace {workspace}" if rows else f"onefold proposals list --all --workspace {workspace}"
    print_table(["id", "state", "guard", "through", "proposed", "contact", "contact"], rows, then=then)


@app.command()
def show(named: Named, workspace: Workspace = "acme", *, json: Json = False) -> None:
    """Show a proposal: its two contacts, the guard that kept them apart, the interactions that proposed it, what became of it."""
    proposal = run(_show(workspace, named))
    if json:
        print_json(_shown(proposal))
        return
    rows = [(name.replace("_", " "), _cell(value)) for name, value in _shown(proposal).items() if value is not None]
    print_table(["proposal", ""], rows)
    one, other = proposal.contacts
    say(f"\nnext: onefold contacts explain {one} --not {other} --workspace {workspace}")
    if proposal.state == "open":
        say(f"      onefold proposals accept {named} --workspace {workspace}")
        say(f"      onefold proposals refuse {named} --workspace {workspace}")


@app.command()
def accept(
    named: Named,
    workspace: Workspace = "acme",
    actor: Actor = None,
    reason: Reason = None,
    *,
    execute: Execute = False,
    json: Json = False,
) -> None:
    """Make the two contacts of a proposal one; the stronger survives. Without --execute the plan is shown."""
    decider = user(actor, reason, execute=execute)
    merging = run(_accept(workspace, named, decider, execute=execute))
    tell_merging(merging, execute=execute, json=json, workspace=workspace)


@app.command()
def refuse(
    named: Named,
    workspace: Workspace = "acme",
    actor: Actor = None,
    reason: Reason = None,
    *,
    execute: Execute = False,
    json: Json = False,
) -> None:
    """Keep the two contacts of a proposal apart: no event joins them from then on, a person may."""
    decider = user(actor, reason, execute=execute)
    proposal = run(_refuse(workspace, named, decider, execute=execute))
    if json:
        print_json({"executed": execute, "proposal_id": named, "kept_apart": list(proposal.contacts)})
        return
    print_table(["kept apart" if execute else "to be kept apart"], [(each,) for each in proposal.contacts])
    say("\nnext: " + ("onefold proposals list" if execute else "the same with --execute and --reason; nothing was done yet"))


async def _list(workspace: str, contact: str | None, most: int, *, all_: bool) -> list[Proposal]:
    from onefold.records import proposals as records  # noqa: PLC0415 -- a command loads only what it needs

    async def work(connection: Connection, _: int | None) -> list[Proposal]:
        if contact is None:
            return await records.list_proposals(connection, workspace, most, states=records.STATES if all_ else {"open"})
        of = await records.proposals_of(connection, workspace, await found(connection, contact, workspace), records.MOST_LOOKED_AT)
        return [each for each in of if all_ or each.state == "open"][:most]

    return await act(workspace, work, execute=False)


async def _show(workspace: str, named: UUID) -> Proposal:
    from onefold.records import proposals as records  # noqa: PLC0415

    async def work(connection: Connection, _: int | None) -> Proposal:
        proposal = await records.find_proposal(connection, workspace, named)
        if proposal is None:
            raise ProposalNotFound(f"workspace {workspace} has no proposal {named}. Is the workspace right (--workspace)?")
        return proposal

    return await act(workspace, work, execute=False)


async def _accept(workspace: str, named: UUID, decider: User, *, execute: bool) -> Merging:
    from onefold.contacts.proposals import accept  # noqa: PLC0415

    async def work(connection: Connection, shards: int | None) -> Merging:
        return await accept(connection, workspace, named, decider, shards=shards)

    return await act(workspace, work, execute=execute)


async def _refuse(workspace: str, named: UUID, decider: User, *, execute: bool) -> Proposal:
    from onefold.contacts.proposals import refuse  # noqa: PLC0415

    async def work(connection: Connection, _: int | None) -> Proposal:
        return await refuse(connection, workspace, named, decider, execute=execute)

    return await act(workspace, work, execute=execute)


def _shown(each: Proposal) -> dict[str, Any]:
    return {
        "proposal_id": each.proposal_id,
        "workspace": each.workspace,
        "state": each.state,
        "contacts": list(each.contacts),
        "cause": each.guard,
        "semantic_type": each.semantic_type,
        "first": each.first._asdict(),
        "last": each.last._asdict(),
        "proposed_at": each.proposed_at,
        "expires_at": each.expires_at,
        "decided_at": each.decided_at,
        "actor": each.actor,
        "reason": each.reason,
    }


def _cell(value: object) -> object:
    if isinstance(value, dict):
        return f"event {value['event_id']} at {value['at']:%Y-%m-%d %H:%M:%SZ}, interactions {value['partition']}/{value['offset']}"
    return " and ".join(map(str, value)) if isinstance(value, list) else value
