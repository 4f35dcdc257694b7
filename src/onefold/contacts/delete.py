"""Delete a contact as lists of records do: the first time archives it, the second time destroys it (product.md, section 7).

Destroying takes what erasing a person takes (decision 0036): nobody could see, export or erase what it left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.contacts import acting
from onefold.contacts.change import Changing, archive
from onefold.contacts.erase import erase
from onefold.errors import NotArchived
from onefold.identity.plan import Rule
from onefold.records.store import Moved

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.contacts.acting import User
    from onefold.records.store import Connection


async def delete(
    connection: Connection,
    workspace: str,
    contact_id: UUID,
    user: User,
    *,
    if_version: int | None = None,
    if_archived: bool | None = None,
    shards: int | None = None,
) -> Changing:
    """Plan to archive an active contact, or to destroy an archived one; with `shards` of the outbox, carry it out.

    `if_archived` says which of the two is meant. Raises ContactNotFound, ContactErased, VersionConflict, NotArchived; Moved where
    somebody was faster: roll back and repeat.
    """
    _, contact = await acting.one_contact(connection, workspace, contact_id, will_write=False)
    acting.demand_version(contact, if_version)
    is_archived = contact.archived_at is not None
    if if_archived is not None and is_archived is not if_archived:
        raise NotArchived(f"contact {contact.contact_id} is {'archived already' if is_archived else 'active: archive it first'}")
    if not is_archived:
        return await archive(connection, workspace, contact_id, "archive", user, shards=shards, if_version=if_version)
    erasing = await erase(connection, workspace, contact_id, user, shards=shards, rule=Rule.DESTROYED, if_version=if_version)
    if erasing.tree.root.archived_at is None:
        raise Moved("somebody restored the contact just now")
    return Changing(contact, erasing.plan)
