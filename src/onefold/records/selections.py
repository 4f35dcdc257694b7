"""Contacts that a segment query finds, in the order of their ids: for whoever works through all of them. Called by `contacts.bulk`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.segments.compile import compile_query

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.records.store import Connection
    from onefold.segments.query import Query

# By the primary key, so many at a time: however rare the matches are, a chunk costs the same. Archived ones are in no segment.
LOOK = """
select c.contact_id, c.merged_into is null and c.erased_at is null and c.archived_at is null and {condition} as matches
from contacts c where c.workspace = $1 and c.contact_id > $2 order by c.contact_id limit $3
"""


async def matching(connection: Connection, workspace: str, query: Query, after: UUID, most: int) -> tuple[list[UUID], list[UUID]]:
    """The next contacts behind an id, and those of them that the query finds."""
    compiled = compile_query(query, 4)
    rows = await connection.fetch(LOOK.format(condition=compiled.sql), workspace, after, most, *compiled.parameters)
    return [row["contact_id"] for row in rows], [row["contact_id"] for row in rows if row["matches"]]
