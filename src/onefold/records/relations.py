"""The other side of a relationship: whether a record is there, and whether it is related already. Called by whoever relates records."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from onefold.errors import InvalidMessage
from onefold.identity.adoption import RelationTaken

if TYPE_CHECKING:
    from onefold.identity.adoption import Change
    from onefold.records.store import Connection

DEFINITION = """
select data ->> 'object_type_2' as object_type, data ->> 'cardinality_1' as cardinality from definitions
where workspace = $1 and kind = 'relationship' and scope = $2 and slug = $3
"""
EXISTS = {
    "contacts": "select exists (select from contacts where contact_id = $2 and workspace = $1 and erased_at is null)",
    "organizations": "select exists (select from organizations where organization_id = $2 and workspace = $1)",
    "documents": "select exists (select from documents where document_id = $2 and workspace = $1)",
    "users": "select exists (select from users where user_id = $2 and workspace = $1 and archived_at is null)",
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


async def other_side(connection: Connection, workspace: str, scope: str, slug: str, related_id: str) -> OtherSide:
    """The other side of a relationship of records of this kind; locked against others who relate the same one, where one may."""
    row = await connection.fetchrow(DEFINITION, workspace, scope, slug)
    object_type = row["object_type"] if row is not None else scope
    try:
        exists = object_type in EXISTS and await connection.fetchval(EXISTS[object_type], workspace, UUID(related_id))
    except ValueError:
        exists = False
    taken = None
    if row is not None and row["cardinality"] == "one":
        await connection.execute(LOCK, workspace, slug, related_id)
        taken = await connection.fetchval(TAKEN_BY, workspace, scope, slug, related_id)
    return OtherSide(object_type, bool(exists), taken)


async def demand_others(connection: Connection, workspace: str, scope: str, record_id: UUID, change: Change) -> None:
    """That the other sides are there, and where one of them allows one record on this side, that it has none yet.

    Raises InvalidMessage, RelationTaken.
    """
    for slug, related_id, _ in change.relate:
        found = await other_side(connection, workspace, scope, slug, related_id)
        if not found.exists:
            raise InvalidMessage(f"{slug}: there is no record {related_id} among the {found.object_type}", code="unknown_record")
        if found.object_type == scope and UUID(related_id) == record_id:
            raise InvalidMessage(f"{slug}: a record is not related to itself", code="unknown_record")
        if found.taken_by is not None and found.taken_by != record_id:
            raise RelationTaken(f"{slug} allows {related_id} one record on this side, and it is {found.taken_by}")
