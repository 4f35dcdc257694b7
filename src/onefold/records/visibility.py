"""Whose records a caller sees: what goes into queries, so that ownership is checked there and not after loading (security.md, S77)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from onefold.errors import ContactNotFound

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
Sight: TypeAlias = Mapping[str, Visible]
"""Whose records of each kind somebody sees; of a kind that is not named, everybody's."""


async def demand_contact(connection: Connection, workspace: str, contact_id: UUID, visible: Visible) -> None:
    """Raises ContactNotFound where the contact that an id leads to is not the caller's to see: as if there were none (S31)."""
    if visible.kinds is None:
        return
    if not await connection.fetchval(SEES_CONTACT, workspace, contact_id, list(visible.kinds), visible.user_id):
        raise ContactNotFound(f"workspace {workspace} has no contact {contact_id}")
