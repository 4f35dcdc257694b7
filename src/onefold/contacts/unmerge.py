"""Undo a merge: what it would do, and do it. The preview is the plan itself (product.md, section 4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from onefold.contacts import acting
from onefold.errors import ContactErased, ContactNotFound, MergeNotFound
from onefold.identity.contact import ContactId
from onefold.identity.unmerge import unmerge as planned
from onefold.records import organizations
from onefold.records.snapshots import lock
from onefold.records.store import Moved
from onefold.records.trees import absorbed_by, load_tree, root_of

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.contacts.acting import User
    from onefold.identity.contact import Contact
    from onefold.identity.plan import Plan
    from onefold.identity.tree import MergeRecord, Tree
    from onefold.records.store import Connection


@dataclass(frozen=True, slots=True)
class Undoing:
    """One merge, and the plan that undoes it."""

    tree: Tree
    """As it is before."""
    merge: MergeRecord
    plan: Plan


async def unmerge(connection: Connection, workspace: str, named: UUID, user: User, *, shards: int | None = None) -> Undoing:
    """Plan to undo the merge that has this id, or that absorbed this contact; with `shards` of the outbox, carry it out.

    Raises ContactNotFound, ContactErased, MergeNotFound; Moved where the contact was absorbed meanwhile: roll back and repeat.
    """
    rules = await acting.rules_of(connection, workspace)
    absorbed, root = await _find(connection, workspace, named)
    if shards is not None:
        await lock(connection, [(workspace, root), (workspace, absorbed)])
    tree = await load_tree(connection, workspace, root)
    if tree.root.erased_at is not None:
        raise ContactErased(root, tree.root.erased_at)
    if tree.root.is_absorbed:
        raise Moved("the contact was absorbed just now")
    tree = await _as_called_now(connection, tree)
    merge = tree.in_force(absorbed)
    if merge is None or named not in (absorbed, merge.merge_id):
        raise MergeNotFound(f"{named} is no merge that is in force: it was undone, or the contact stands by itself")
    undoing = Undoing(tree, merge, planned(tree, merge, await acting.begin(connection, user), rules))
    if shards is not None:
        await acting.write(connection, undoing.plan, shards, user)
    return undoing


async def _as_called_now(connection: Connection, tree: Tree) -> Tree:
    """The tree as if every record of it had been written now: organizations are called what they are called, and none is gone."""
    kept = [each for merge in tree.merges for each in (merge.survivor_record, merge.absorbed_record) if each is not None]
    ids = {each.organization_id for each in (tree.root, *kept) if each.organization_id is not None}
    if not ids:
        return tree
    held = await organizations.hold(connection, tree.root.workspace, ids)

    def told(contact: Contact) -> Contact:
        there = held.get(contact.organization_id) if contact.organization_id is not None else None
        twin = contact.fork()
        twin.organization_id, twin.organization_name = (there.organization_id, there.title) if there is not None else (None, None)
        return twin

    merges = [
        replace(
            each,
            survivor_record=told(each.survivor_record) if each.survivor_record is not None else None,
            absorbed_record=told(each.absorbed_record),
        )
        for each in tree.merges
    ]
    return replace(tree, merges=merges)


async def _find(connection: Connection, workspace: str, named: UUID) -> tuple[ContactId, ContactId]:
    """Whom the merge absorbed, and where that leads now."""
    absorbed = await absorbed_by(connection, workspace, named) or named
    root = await root_of(connection, workspace, absorbed)
    if root is None:
        raise ContactNotFound(f"workspace {workspace} has neither a contact nor a merge {named}. Is the workspace right (--workspace)?")
    return ContactId(absorbed), root
