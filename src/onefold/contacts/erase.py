"""Erase a person because a user says so: what it would do, and do it. The preview is the plan itself (product.md, section 11).

One transaction takes everything that a contact and those that it absorbed hold. What came through their identifiers is out of reach at
once, and is purged in chunks afterwards (`onefold.ops.purge`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from onefold.contacts import acting, waiting_lines, waiting_words
from onefold.errors import ContactErased, ContactNotFound
from onefold.identity.erase import erase as planned
from onefold.identity.erase import erase_again as planned_again
from onefold.identity.plan import Rule
from onefold.records.erased import held_elsewhere
from onefold.records.snapshots import lock
from onefold.records.store import Moved
from onefold.records.trees import load_tree, root_of

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from onefold.contacts.acting import User
    from onefold.identity.plan import Plan
    from onefold.identity.tree import Tree
    from onefold.records.store import Connection


@dataclass(frozen=True, slots=True)
class Erasing:
    """A person, and the plan that erases them."""

    tree: Tree
    """As it is before."""
    plan: Plan


async def erase(
    connection: Connection,
    workspace: str,
    named: UUID,
    user: User,
    *,
    shards: int | None = None,
    rule: Rule = Rule.ERASED,
    if_version: int | None = None,
    again_as_of: datetime | None = None,
) -> Erasing:
    """Plan to erase the contact that an id leads to, and every id that leads to it; with `shards` of the outbox, carry it out.

    `again_as_of`: when a contact that a restored store brought back was erased (`erasing_again`).
    Raises ContactNotFound, ContactErased, VersionConflict; Moved where somebody joined or left it meanwhile: roll back and repeat.
    """
    root = await root_of(connection, workspace, named)
    if root is None:
        raise ContactNotFound(f"workspace {workspace} has no contact {named}. Is the workspace right (--workspace)?")
    importing = await waiting_lines.hold(connection, workspace) if shards is not None else []
    tree = await load_tree(connection, workspace, root)
    if shards is not None:
        members = {root, *tree.absorbed}
        await lock(connection, [(workspace, each) for each in members])
        tree = await load_tree(connection, workspace, root)
        if tree.root.erased_at is not None:
            raise ContactErased(named, tree.root.erased_at)
        if tree.root.is_absorbed or {root, *tree.absorbed} != members:
            raise Moved("somebody joined or left the contact just now")
    acting.demand_version(tree.root, if_version)
    elsewhere = await held_elsewhere(connection, workspace, {tenure.key for tenure in tree.tenures}, [root, *tree.absorbed])
    act = await acting.begin(connection, user)
    if again_as_of is None:
        erasing = Erasing(tree, planned(tree, elsewhere, act, rule))
    else:
        erasing = Erasing(tree, planned_again(tree, elsewhere, msgspec.structs.replace(act, at=again_as_of)))
    if shards is not None:
        keys = {key for each in erasing.plan.erasures for key in each.keys}
        rules = (await acting.rules_of(connection, workspace)).to_find()
        await waiting_lines.forget(connection, importing, keys, rules)
        await waiting_words.forget(connection, workspace, keys, rules)
        await acting.write(connection, erasing.plan, shards, user)
    return erasing
