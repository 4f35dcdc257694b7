"""Rows of definitions: profiles, taxonomies, tags, relationships, workflows, templates. What they mean is known to `onefold.workspace`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
import msgspec

from onefold.errors import AlreadyExists
from onefold.records.rows import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from onefold.records.store import Connection

_COLUMNS = (
    "workspace, definition_id, kind, scope, slug, title, parent_id, sequence, hierarchy_sort, data, version, created_at, updated_at,"
    " archived_at"
)
# Whoever changes a tree, or hangs something on a record by slug, waits for whoever changes the same kind: trees are small, changes are few.
LOCK_KIND = "select pg_advisory_xact_lock(hashtextextended($1 || chr(31) || $2 || chr(31) || $3, 27))"
INSERT = f"""
insert into definitions (workspace, definition_id, kind, scope, slug, title, parent_id, sequence, hierarchy_sort, data)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning {_COLUMNS}
"""
BY_ID = f"select {_COLUMNS} from definitions where definition_id = $2 and workspace = $1 and kind = $3"
LOCKED_BY_ID = f"{BY_ID} for no key update"
BY_SLUGS = f"""
select {_COLUMNS} from definitions where workspace = $1 and kind = $2 and scope = any($3::text[]) and slug = any($4::text[])
"""
SHARED_BY_SLUGS = f"{BY_SLUGS} order by definition_id for share"
PAGE = f"""
select {_COLUMNS} from definitions
where workspace = $1 and kind = $2 and ($3::text is null or scope = $3) and (archived_at is not null) = $4
  and ($5::text is null or (scope, hierarchy_sort, definition_id) > ($5, $6::integer[], $7::uuid))
  and ($9::text is null or starts_with(lower(title), lower($9)) or starts_with(slug, lower($9)))
order by scope, hierarchy_sort, definition_id limit $8
"""
TREE = f"select {_COLUMNS} from definitions where workspace = $1 and kind = $2 and scope = $3 order by hierarchy_sort, definition_id"
SHARED_TREE = f"{TREE} for share"
UPDATE = f"""
update definitions set title = $3, data = $4, parent_id = $5, archived_at = $6, version = version + 1, updated_at = now()
where definition_id = $2 and workspace = $1 returning {_COLUMNS}
"""
ARRANGE = """
update definitions d set parent_id = n.parent_id, sequence = n.sequence, hierarchy_sort = n.sort::integer[]
from unnest($2::uuid[], $3::uuid[], $4::integer[], $5::text[]) as n (definition_id, parent_id, sequence, sort)
where d.definition_id = n.definition_id and d.workspace = $1
"""
DELETE = "delete from definitions where definition_id = $2 and workspace = $1"
USES = """
select object_type, count(distinct object_id) as uses from links
where workspace = $1 and object_type = any($4::text[]) and kind = $2 and ($3::text is null or value = $3) group by object_type order by 1
"""


class Definition(NamedTuple):
    """One of them."""

    workspace: str
    definition_id: UUID
    kind: str
    scope: str
    slug: str
    title: str
    parent_id: UUID | None
    sequence: int
    hierarchy_sort: list[int]
    data: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class NewDefinition(NamedTuple):
    """One to store."""

    workspace: str
    definition_id: UUID
    kind: str
    scope: str
    slug: str
    title: str
    parent_id: UUID | None
    sequence: int
    hierarchy_sort: Sequence[int]
    data: Mapping[str, Any]


class Place(NamedTuple):
    """Where a definition stands in its tree."""

    definition_id: UUID
    parent_id: UUID | None
    sequence: int
    hierarchy_sort: tuple[int, ...]


async def lock_kind(connection: Connection, workspace: str, kind: str, scope: str) -> None:
    """Wait for whoever changes definitions of this kind and scope; others wait for this transaction."""
    await connection.execute(LOCK_KIND, workspace, kind, scope)


async def insert_definition(connection: Connection, new: NewDefinition) -> Definition:
    """Store one. Raises AlreadyExists where the slug is taken."""
    try:
        async with connection.transaction():
            row = await connection.fetchrow(INSERT, *new[:-1], to_json(new.data))
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists(f"there is a {new.kind.replace('_', ' ')} {new.slug!r} already") from error
    return _of(row)


async def definition_by_id(
    connection: Connection, workspace: str, kind: str, definition_id: UUID, *, will_write: bool = False
) -> Definition | None:
    """One; locked, where it is to be written."""
    row = await connection.fetchrow(LOCKED_BY_ID if will_write else BY_ID, workspace, definition_id, kind)
    return _of(row) if row is not None else None


async def definitions_by_slug(
    connection: Connection, workspace: str, kind: str, scopes: Sequence[str], slugs: Sequence[str], *, will_use: bool = False
) -> dict[str, Definition]:
    """Those of these slugs that there are, the archived ones too; with `will_use` nobody destroys one until this transaction has ended."""
    if not slugs:
        return {}
    statement = SHARED_BY_SLUGS if will_use else BY_SLUGS
    return {row["slug"]: _of(row) for row in await connection.fetch(statement, workspace, kind, list(scopes), list(slugs))}


async def list_definitions(
    connection: Connection,
    workspace: str,
    kind: str,
    *,
    scope: str | None = None,
    archived: bool = False,
    after: tuple[str, list[int], UUID] | None = None,
    limit: int,
    prefix: str | None = None,
) -> list[Definition]:
    """In the order of their trees, after a place."""
    rows = await connection.fetch(PAGE, workspace, kind, scope, archived, *(after or (None, None, None)), limit, prefix)
    return [_of(row) for row in rows]


async def tree_of(connection: Connection, workspace: str, kind: str, scope: str, *, will_use: bool = False) -> list[Definition]:
    """All of a kind and scope, in the order of their tree, the archived ones too; with `will_use` none is destroyed until the end."""
    return [_of(row) for row in await connection.fetch(SHARED_TREE if will_use else TREE, workspace, kind, scope)]


async def update_definition(connection: Connection, changed: Definition) -> Definition:
    """Store what one is now, as one version more."""
    row = await connection.fetchrow(
        UPDATE, changed.workspace, changed.definition_id, changed.title, to_json(changed.data), changed.parent_id, changed.archived_at
    )
    return _of(row)


async def arrange(connection: Connection, workspace: str, places: Sequence[Place]) -> None:
    """Store where these stand."""
    if places:
        sorts = ["{" + ",".join(map(str, each.hierarchy_sort)) + "}" for each in places]
        columns = [[each[number] for each in places] for number in range(3)]
        await connection.execute(ARRANGE, workspace, *columns, sorts)


async def delete_definition(connection: Connection, definition: Definition) -> None:
    """Delete one."""
    await connection.execute(DELETE, definition.workspace, definition.definition_id)


async def uses_of(connection: Connection, workspace: str, link: str, value: str | None, records: Sequence[str]) -> dict[str, int]:
    """How many records of these types carry it, by their type; None: whatever the value."""
    return {row["object_type"]: row["uses"] for row in await connection.fetch(USES, workspace, link, value, list(records))}


def _of(row: Any) -> Definition:
    found = Definition(*row.values())
    return found._replace(data=msgspec.json.decode(row["data"]))
