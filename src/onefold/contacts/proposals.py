"""Decide on a proposal: make its two contacts one, or keep them apart. The preview is the plan itself (product.md, section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.contacts import acting
from onefold.contacts.merge import Wish, merge
from onefold.errors import ProposalClosed, ProposalNotFound
from onefold.identity.contact import ContactId
from onefold.identity.plan import KeptApart
from onefold.identity.survivorship import survivor
from onefold.records import proposals as records
from onefold.records.apart import keep_apart
from onefold.records.snapshots import lock, read_contacts, snapshot_of
from onefold.records.store import Moved
from onefold.records.visibility import EVERYBODYS

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.contacts.acting import User
    from onefold.contacts.merge import Merging
    from onefold.records.proposals import Proposal
    from onefold.records.store import Connection
    from onefold.records.visibility import Visible

_CLOSED = {
    "carried_out": "its two contacts are one by now",
    "accepted": "its two contacts are one by now",
    "refused": "its two contacts are kept apart; `onefold contacts merge` may still join them",
    "expired": "it expired: nothing has proposed it for 90 days; `onefold contacts merge` may still join the two",
    "void": "one of its two contacts holds no identifier any more, so there is nothing to join",
}


async def accept(
    connection: Connection, workspace: str, named: UUID, user: User, *, shards: int | None = None, visible: Visible = EVERYBODYS
) -> Merging:
    """Plan to merge the two contacts of an open proposal, the stronger surviving; with `shards` of the outbox, carry it out.

    Raises ProposalNotFound, ProposalClosed, MergeRefused; Moved where one was absorbed meanwhile: roll back and repeat.
    """
    proposal, pair = await _open(connection, workspace, named, visible, will_write=shards is not None)
    contacts = snapshot_of(await read_contacts(connection, workspace, list(pair))).contacts.values()
    winner = survivor(contacts).contact_id
    absorbed = pair[1] if winner == pair[0] else pair[0]
    if shards is not None:
        await records.decide_on(connection, proposal, "accepted", await acting.begin(connection, user))
    return await merge(connection, workspace, Wish(winner, absorbed, {}), user, shards=shards)


async def refuse(
    connection: Connection, workspace: str, named: UUID, user: User, *, execute: bool, visible: Visible = EVERYBODYS
) -> Proposal:
    """Keep the two contacts of an open proposal apart: no event joins them, a person may.

    Raises ProposalNotFound, ProposalClosed; Moved where one was absorbed meanwhile: roll back and repeat.
    """
    proposal, (one, other) = await _open(connection, workspace, named, visible, will_write=execute)
    if execute:
        act = await acting.begin(connection, user)
        await records.decide_on(connection, proposal, "refused", act)
        await keep_apart(connection, KeptApart(workspace, ContactId(one), ContactId(other), "refused", user.actor, user.reason, act.at))
    return proposal


async def _open(
    connection: Connection, workspace: str, named: UUID, visible: Visible, *, will_write: bool
) -> tuple[Proposal, tuple[UUID, UUID]]:
    """An open proposal, and the two contacts that it leads to; locked, where something is to be written."""
    proposal, pair = await _find(connection, workspace, named, visible)
    if will_write:
        await lock(connection, [(workspace, each) for each in pair])
        proposal, again = await _find(connection, workspace, named, visible)  # of two people at once the second one sees what the first did
        if again != pair:
            raise Moved("a contact of the proposal was absorbed meanwhile")
    return proposal, pair


async def _find(connection: Connection, workspace: str, named: UUID, visible: Visible) -> tuple[Proposal, tuple[UUID, UUID]]:
    proposal = await records.find_proposal(connection, workspace, named, visible)
    if proposal is None:
        raise ProposalNotFound(f"workspace {workspace} has no proposal {named}; `onefold proposals list` shows those that are open")
    one, other = proposal.contacts
    if proposal.state != "open" or one is None or other is None:
        raise ProposalClosed(f"proposal {named} is not open: {_CLOSED[proposal.state]}")
    return proposal, (one, other)
