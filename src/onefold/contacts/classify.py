"""Hang something on a contact, or take it off: profiles with their attributes, taxonomies, tags, workflows, owners, relationships.

What may hang is decided by `onefold.identity.adoption` on the workspace's definitions; here they are loaded, and locked until the end, so
that nobody destroys one meanwhile. The preview is the plan itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from onefold.contacts import acting
from onefold.errors import InvalidMessage
from onefold.identity import decided
from onefold.identity.adoption import Hung, RelationTaken, hung
from onefold.identity.survivorship import UNBOUND, attribute_path
from onefold.messages.reading import storable
from onefold.records import relations
from onefold.records.catalogs import catalog_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.contacts.acting import User
    from onefold.identity.adoption import Change
    from onefold.identity.contact import Contact
    from onefold.identity.plan import Plan
    from onefold.records.store import Connection


@dataclass(frozen=True, slots=True)
class Classifying:
    """A contact as it is, and the plan that changes what hangs on it."""

    contact: Contact
    plan: Plan
    skipped_tags: Sequence[str]
    """Unknown ones, which are left out."""


async def classify(
    connection: Connection,
    workspace: str,
    contact_id: UUID,
    change: Change,
    user: User,
    *,
    if_version: int | None = None,
    shards: int | None = None,
) -> Classifying:
    """Plan to change what hangs on a contact, redirects followed; with `shards` of the outbox, carry it out.

    Raises ContactNotFound, VersionConflict, InvalidMessage, InvalidAttributes, RelationTaken; Moved: roll back and repeat.
    """
    snapshot, contact = await acting.one_contact(connection, workspace, contact_id, will_write=shards is not None)
    acting.demand_version(contact, if_version)
    present = Hung(contact.classification, contact.tags, {slug: held for slug, held in contact.attributes.items() if slug != UNBOUND})
    catalog = await catalog_for(connection, workspace, "contacts", present, change, will_use=shards is not None)
    act = await acting.begin(connection, user)
    after = hung(catalog, present, change, act.at)
    await _check_related(connection, workspace, contact, change)
    values = {attribute_path(slug, profile): storable(value) for (profile, slug), value in after.values.items()}
    plan = decided.classify(snapshot, contact, after.classification, act, tags=after.tags, values=values)
    if shards is not None and plan.writes:
        await acting.write(connection, plan, shards, user)
    return Classifying(contact, plan, after.skipped_tags)


async def _check_related(connection: Connection, workspace: str, contact: Contact, change: Change) -> None:
    """That the other sides are there, and where one of them allows one record on this side, that it has none yet."""
    for slug, related_id, _ in change.relate:
        found = await relations.other_side(connection, workspace, "contacts", slug, related_id)
        if not found.exists:
            raise InvalidMessage(f"{slug}: there is no record {related_id} among the {found.object_type}", code="unknown_record")
        if found.object_type == "contacts" and UUID(related_id) == contact.contact_id:
            raise InvalidMessage(f"{slug}: a contact is not related to itself", code="unknown_record")
        if found.taken_by is not None and found.taken_by != contact.contact_id:
            raise RelationTaken(f"{slug} allows {related_id} one record on this side, and it is {found.taken_by}")
