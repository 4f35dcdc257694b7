"""The other side of a relationship: whether a record is there, and whether it is related already. Called by whoever relates records."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from onefold.errors import InvalidMessage
from onefold.identity.adoption import RelationTaken
from onefold.records.visibility import EVERYBODYS

if TYPE_CHECKING:
    from onefold.identity.adoption import Change
    from onefold.records.store import Connection
    from onefold.records.visibility import Sight, Visible

DEFINITION = """
select data ->> 'object_type_2' as object_type, data ->> 'cardinality_1' as cardinality from definitions
where workspace = $1 and kind = 'relationship' and scope = $2 and slug = $3
"""
# Whether it is there, for whoever sees it (S77).
_EXISTS = """
select exists (select from {table} where {key} = $2 and workspace = $1 {more} and ($3::text[] is null or exists (
  select from links l where l.object_id = {seen_by} and l.workspace = $1 and l.object_type = '{table}'
    and l.kind = any($3) and l.value = $4)))
"""
EXISTS = {
    "contacts": _EXISTS.format(table="contacts", key="contact_id", seen_by="root", more="and erased_at is null"),
    "organizations": _EXISTS.format(table="organizations", key="organization_id", seen_by="organization_id", more=""),
    "documents": _EXISTS.format(table="documents", key="document_id", seen_by="document_id", more=""),
    "users": _EXISTS.format(table="users", key="user_id", seen_by="user_id", more="and archived_at is null"),
}
# Two who relate the same record at once, where it may be related once, wait for one another.
LOCK = "select pg_advisory_xact_lock(hashtextextended($1 || chr(31) || $2 || chr(31) || $3, 28))"
TAKEN_BY = """
select object_id from links where workspace = $1 and object_type = $2 and kind = 'relationship:' || $3 and value = $4 limit 1
"""


class OtherSide(NamedTuple):
    """What a record would be related to."""

    object_type: str
    exists: bool
    taken_by: UUID | None
    """Who is related to it, where only one may be."""


async def other_side(connection: Connection, workspace: str, scope: str, slug: str, related_id: str, sight: Sight) -> OtherSide:
    """The other side of a relationship of records of this kind; locked against others who relate the same one, where one may."""
    row = await connection.fetchrow(DEFINITION, workspace, scope, slug)
    object_type = row["object_type"] if row is not None else scope
    visible = sight.get(object_type, EVERYBODYS)
    try:
        exists = object_type in EXISTS and await _exists(connection, workspace, object_type, UUID(related_id), visible)
    except ValueError:
        exists = False
    taken = None
    if row is not None and row["cardinality"] == "one":
        await connection.execute(LOCK, workspace, slug, related_id)
        taken = await connection.fetchval(TAKEN_BY, workspace, scope, slug, related_id)
    return OtherSide(object_type, bool(exists), taken)


async def demand_others(
    connection: Connection, workspace: str, scope: str, record_id: UUID, change: Change, sight: Sight = MappingProxyType({})
) -> None:
    """That the other sides are there to be seen, and where one of them allows one record on this side, that it has none yet.

    Raises InvalidMessage, RelationTaken.
    """
    for slug, related_id, _ in change.relate:
        found = await other_side(connection, workspace, scope, slug, related_id, sight)
        if not found.exists:
            raise InvalidMessage(f"{slug}: there is no record {related_id} among the {found.object_type}", code="unknown_record")
        if found.object_type == scope and UUID(related_id) == record_id:
            raise InvalidMessage(f"{slug}: a record is not related to itself", code="unknown_record")
        if found.taken_by is not None and found.taken_by != record_id:
            raise RelationTaken(f"{slug} allows {related_id} one record on this side, and it has another")  # which is whoever's


async def _exists(connection: Connection, workspace: str, object_type: str, related_id: UUID, visible: Visible) -> bool:
    return bool(await connection.fetchval(EXISTS[object_type], workspace, related_id, visible.kinds, visible.user_id))
