"""Contacts as a door shows them: with the identifiers that they list and the segments that they are in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from onefold.records.snapshots import read_contacts, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from onefold.identity.contact import Contact, ContactId
    from onefold.records.store import Connection

SEGMENTS = """
select m.contact_id, array_agg(s.slug order by s.slug) as slugs
from memberships m join segments s on s.segment_id = m.segment_id and s.workspace = m.workspace
where m.contact_id = any($1::uuid[]) and m.workspace = $2 and m.is_member group by m.contact_id
"""
OPEN_TENURES = """
select tenure_id, identifier_key from identifiers where contact_id = $1 and workspace = $2 and held_until is null
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A contact, with the identifiers that it lists."""

    contact: Contact
    segments: Sequence[str]


async def shown(connection: Connection, workspace: str, roots: Sequence[UUID]) -> list[Shown]:
    """These contacts, in their order; those that are gone by now are left out."""
    if not roots:
        return []
    contacts: Mapping[tuple[str, ContactId], Contact] = snapshot_of(await read_contacts(connection, workspace, roots)).contacts
    by_id: dict[UUID, Contact] = {contact_id: contact for (_, contact_id), contact in contacts.items()}
    segments = {row["contact_id"]: row["slugs"] for row in await connection.fetch(SEGMENTS, list(roots), workspace)}
    return [Shown(by_id[each], segments.get(each, ())) for each in roots if each in by_id]


async def open_tenures(connection: Connection, workspace: str, contact_id: UUID) -> list[tuple[int, bytes]]:
    """Number and identifier key of everything that a contact holds."""
    return [(row["tenure_id"], row["identifier_key"]) for row in await connection.fetch(OPEN_TENURES, contact_id, workspace)]
