"""Whose records a caller sees: what goes into queries, so that ownership is checked there and not after loading (security.md, S77)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from onefold.errors import ContactNotFound, OrganizationNotFound

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.records.store import Connection

SEES_CONTACT = """
select exists (
  select from contacts c join links l on l.object_id = c.root and l.workspace = c.workspace
  where c.contact_id = $2 and c.workspace = $1 and l.object_type = 'contacts' and l.kind = any($3::text[]) and l.value = $4)
"""


@dataclass(frozen=True, slots=True)
class Visible:
    """Whose records: those with a row of `links` of one of these kinds that names the user."""

    user_id: str
    kinds: tuple[str, ...] | None
    """None: everybody's."""


EVERYBODYS = Visible("", None)

SEES_RECORD = """
select exists (
  select from links where workspace = $1 and object_id = $2 and object_type = $3 and kind = any($4::text[]) and value = $5)
"""


async def demand_record(connection: Connection, workspace: str, object_type: str, object_id: UUID, visible: Visible) -> None:
    """Raises ContactNotFound or OrganizationNotFound where a record is not the caller's to see (S31)."""
    if object_type == "contacts" or visible.kinds is None:
        await demand_contact(connection, workspace, object_id, visible)
    elif not await connection.fetchval(SEES_RECORD, workspace, object_id, object_type, list(visible.kinds), visible.user_id):
        raise OrganizationNotFound(f"workspace {workspace} has no record {object_id}")


async def demand_contact(connection: Connection, workspace: str, contact_id: UUID, visible: Visible) -> None:
    """Raises ContactNotFound where the contact that an id leads to is not the caller's to see: as if there were none (S31)."""
    if visible.kinds is None:
        return
    if not await connection.fetchval(SEES_CONTACT, workspace, contact_id, list(visible.kinds), visible.user_id):
        raise ContactNotFound(f"workspace {workspace} has no contact {contact_id}")
