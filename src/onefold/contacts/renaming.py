"""A job: what contacts show of their organization follows its title, however many they are (product.md, section 7).

In chunks by contact id, each contact one version and one change. After the last id it looks again from the first, until nobody differs: a
merge may have carried an old title past it. Whoever gives a contact an organization holds its row, so none gets an old one from then on.
The log says once that the organization was renamed, not again of each contact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from onefold.contacts import acting
from onefold.contacts.acting import User
from onefold.contacts.tools import Advance
from onefold.identity import decided
from onefold.identity.contact import ContactId
from onefold.records import incarnations, organizations
from onefold.records.apply import apply
from onefold.records.snapshots import lock, read_contacts, snapshot_of

if TYPE_CHECKING:
    from onefold.contacts.tools import Tools
    from onefold.records.store import Connection
    from onefold.records.workspace_jobs import WorkspaceJob

CHUNK: Final = 500
"""Contacts of one transaction."""


async def step(connection: Connection, job: WorkspaceJob, tools: Tools) -> Advance:
    """The next contacts that show another title."""
    progress = dict(job.progress)
    wanted = UUID(job.input["organization_id"])
    organization = (await organizations.hold(connection, job.workspace, [wanted])).get(wanted)
    if organization is None:
        return Advance(progress, is_done=True)
    after = UUID(progress["after"]) if "after" in progress else None
    ids = await organizations.contacts_called_otherwise(connection, organization, after=after, most=CHUNK)
    if not ids:
        if after is None:
            return Advance(progress, is_done=True)
        del progress["after"]
        return Advance(progress)
    await lock(connection, [(job.workspace, each) for each in ids])
    snapshot = snapshot_of(await read_contacts(connection, job.workspace, ids))
    plan = decided.rename(snapshot, wanted, organization.title, await acting.begin(connection, User(job.actor, job.reason)))
    if plan.writes:
        incarnation = await incarnations.present(connection)
        await apply(connection, plan, shards=tools.shards, incarnation=incarnation.name)
    progress.update(after=str(ContactId(ids[-1])), rewritten=progress["rewritten"] + len(plan.changes))
    return Advance(progress)
