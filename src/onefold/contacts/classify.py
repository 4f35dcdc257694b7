"""Hang something on a contact, or take it off: profiles with their attributes, taxonomies, tags, workflows, owners, relationships.

What may hang is decided by `onefold.identity.adoption` on the workspace's definitions; here they are loaded, and locked until the end, so
that nobody destroys one meanwhile. The preview is the plan itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from onefold.contacts import acting
from onefold.identity import decided
from onefold.identity.adoption import Hung, hung
from onefold.identity.survivorship import UNBOUND, attribute_path
from onefold.messages.reading import storable
from onefold.records import relations
from onefold.records.catalogs import catalog_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from onefold.contacts.acting import User
    from onefold.identity.adoption import Change
    from onefold.identity.contact import Contact
    from onefold.identity.plan import Plan
    from onefold.records.store import Connection
    from onefold.records.visibility import Sight


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
    sight: Sight = MappingProxyType({}),
) -> Classifying:
    """Plan to change what hangs on a contact, redirects followed; with `shards` of the outbox, carry it out. Related is what is in sight.

    Raises ContactNotFound, VersionConflict, InvalidMessage, InvalidAttributes, RelationTaken; Moved: roll back and repeat.
    """
    snapshot, contact = await acting.one_contact(connection, workspace, contact_id, will_write=shards is not None)
    acting.demand_version(contact, if_version)
    present = Hung(contact.classification, contact.tags, {slug: held for slug, held in contact.attributes.items() if slug != UNBOUND})
    catalog = await catalog_for(connection, workspace, "contacts", present, change, will_use=shards is not None)
    act = await acting.begin(connection, user)
    after = hung(catalog, present, change, act.at)
    await relations.demand_others(connection, workspace, "contacts", contact.contact_id, change, sight)
    values = {attribute_path(slug, profile): storable(value) for (profile, slug), value in after.values.items()}
    plan = decided.classify(snapshot, contact, after.classification, act, tags=after.tags, values=values)
    if shards is not None and plan.writes:
        await acting.write(connection, plan, shards, user)
    return Classifying(contact, plan, after.skipped_tags)
