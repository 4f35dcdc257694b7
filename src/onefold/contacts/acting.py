"""What every act of a user on contacts shares: its name in rows, the rules that it works under, and how its plan is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from onefold.contacts.logged import acts_of
from onefold.errors import ContactErased, ContactNotFound, VersionConflict, WorkspaceNotFound
from onefold.identity.plan import Act
from onefold.records import incarnations, log
from onefold.records.apply import apply
from onefold.records.rules_versions import rules_in_force
from onefold.records.snapshots import lock, read_contacts, snapshot_of
from onefold.records.store import Moved
from onefold.records.trees import root_of

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.identity.contact import Contact
    from onefold.identity.plan import Plan
    from onefold.identity.rules import Rules
    from onefold.identity.snapshot import Snapshot
    from onefold.records.store import Connection

NOW = "select clock_timestamp()"


@dataclass(frozen=True, slots=True)
class User:
    """Who acts, why, and from where: kept with what they do."""

    actor: str
    reason: str | None
    origin: log.Origin = field(default_factory=log.Origin)
    journal: list[log.Act] | None = None
    """Where a door collects what goes into the log, to write it last in its transaction. None: each act is written at once, and is the
    last thing that its transaction does."""


async def begin(connection: Connection, user: User) -> Act:
    """An act at this moment, by the clock of the store."""
    return Act(str(uuid4()), user.actor, user.reason, await connection.fetchval(NOW))


async def rules_of(connection: Connection, workspace: str) -> Rules:
    """The rules in force. Raises WorkspaceNotFound, RulesUnreadable."""
    found = await rules_in_force(connection, [workspace], recency=timedelta(hours=1))
    if workspace not in found:
        raise WorkspaceNotFound(f"no workspace is called {workspace!r}; `onefold setup` makes one")
    return found[workspace]


async def one_contact(connection: Connection, workspace: str, contact_id: UUID, *, will_write: bool) -> tuple[Snapshot, Contact]:
    """The contact that an id leads to, and the snapshot that holds it; locked, where something is to be written.

    Raises ContactNotFound, ContactErased; Moved where it was absorbed meanwhile: roll back and repeat.
    """
    root = await root_of(connection, workspace, contact_id)
    if root is None:
        raise ContactNotFound(f"workspace {workspace} has no contact {contact_id}. Is the workspace right (--workspace)?")
    if will_write:
        await lock(connection, [(workspace, root)])
    snapshot = snapshot_of(await read_contacts(connection, workspace, [root]))
    contact = snapshot.contacts[workspace, root]
    if contact.erased_at is not None:
        raise ContactErased(contact_id, contact.erased_at)
    if contact.is_absorbed:
        raise Moved("the contact was absorbed just now")
    return snapshot, contact


def demand_version(contact: Contact, expected: int | None) -> None:
    """Raises VersionConflict where the contact is at another version than the one that somebody looked at."""
    if expected is not None and contact.version != expected:
        raise VersionConflict(f"contact {contact.contact_id} is at version {contact.version} by now, not at {expected}: look again")


async def write(connection: Connection, plan: Plan, shards: int, user: User) -> None:
    """Write a plan whose contacts are locked, and say in the log what was done."""
    incarnation = await incarnations.present(connection)
    await apply(connection, plan, shards=shards, incarnation=incarnation.name)
    acts = list(acts_of(plan, user))
    if user.journal is not None:
        user.journal.extend(acts)
    elif acts:
        await log.append(connection, plan.changes[0].workspace, acts)
