"""Contacts that have no identifier: an import may make some, and nothing of an event could lead to them (product.md, section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity import survivorship
from onefold.identity.contact import Contact, ContactId, Provenance
from onefold.identity.plan import Rule
from onefold.identity.snapshot import Snapshot
from onefold.identity.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onefold.identity.interaction import Interaction
    from onefold.identity.plan import Plan


def create(wanted: Iterable[tuple[ContactId, Interaction]]) -> Plan:
    """The plan that makes a contact of each interaction, under the id beside it. Values for which there is no room are left out (R11)."""
    work = Workbench(Snapshot(), iter(()))
    for contact_id, interaction in wanted:
        contact = Contact(
            contact_id,
            interaction.workspace,
            version=0,
            created_at=interaction.appended_at,
            updated_at=interaction.appended_at,
            first_seen_at=interaction.at,
            last_seen_at=interaction.at,
            tags=list(interaction.tags),
            is_vendor=interaction.is_vendor,
            root=contact_id,
        )
        origin = Provenance(interaction.value_assurance, interaction.at, interaction.event_id)
        for path, _, value in survivorship.fitting(contact, list(survivorship.values_of(interaction))):
            survivorship.put(contact, path, value, origin)
        work.create(contact)
        work.close(interaction, Rule.NEW_VISITOR)
    return work.finish([])
