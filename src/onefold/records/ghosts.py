"""Ghosts that nobody saw for long: for how long a workspace keeps them, which they are, and everything that goes with them.

Called by `contacts.ghosts`. They are found in the order of when they were made, along an index that being seen does not touch, so the
sweep costs resolvers no index of its own; of each page only those go that nobody saw or changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from onefold.identity.tree import Tree
from onefold.records.rows import CONTACT_COLUMNS, TENURE_COLUMNS, contact_of, tenure_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from onefold.identity.contact import Contact, ContactId, Tenure
    from onefold.records.store import Connection

FIND = "select inactive_days, version from ghost_cleanup where workspace = $1"
SET = """
insert into ghost_cleanup as g (workspace, inactive_days) values ($1, $2)
on conflict (workspace) do update set inactive_days = excluded.inactive_days, version = g.version + 1, updated_at = now()
returning inactive_days, version
"""
DUE = """
select g.workspace, g.inactive_days from ghost_cleanup g
where g.workspace = any($1::text[]) and g.inactive_days is not null and not exists (
  select from workspace_jobs j where j.workspace = g.workspace and j.kind = $2
    and (j.state in ('waiting', 'running') or j.created_at > clock_timestamp() - $3::interval))
order by g.workspace
"""
# Contacts of every type lie on the way; those that are no ghosts are passed by without being read again.
PAGE = """
select contact_id, created_at, identifiers_total, type = 'ghost' and greatest(last_seen_at, updated_at) < $4 as is_inactive
from contacts
where workspace = $1 and (created_at, contact_id) > ($2, $3) and created_at < $4 and merged_into is null and erased_at is null
order by created_at, contact_id limit $5
"""
TREES = f"""
select {CONTACT_COLUMNS} from contacts where contact_id = any($1::uuid[]) and workspace = $2
union all
select {CONTACT_COLUMNS} from contacts where root = any($1::uuid[]) and workspace = $2 and merged_into is not null
"""
MEMBERS = """
select root, contact_id from contacts where root = any($1::uuid[]) and workspace = $2 and merged_into is not null
"""
TENURES = f"select {TENURE_COLUMNS} from identifiers where contact_id = any($1::uuid[]) and workspace = $2"
COUNT = """
select count(*) from contacts
where workspace = $1 and type = 'ghost' and created_at < $2 and greatest(last_seen_at, updated_at) < $2
  and merged_into is null and erased_at is null
"""
PROGRESS = "select partition, next_offset from progress where consumer = $1 and topic = $2"

BEGINNING = UUID(int=0)


class Keeping(NamedTuple):
    """For how long a workspace keeps ghosts."""

    inactive_days: int | None
    """None: for ever."""
    version: int


class Found(NamedTuple):
    """One contact of a page."""

    contact_id: ContactId
    created_at: datetime
    identifiers_total: int
    is_inactive: bool
    """A ghost that was neither seen nor changed since."""


async def keeping(connection: Connection, workspace: str) -> Keeping:
    """For how long a workspace keeps ghosts."""
    row = await connection.fetchrow(FIND, workspace)
    return Keeping(row["inactive_days"], row["version"]) if row is not None else Keeping(None, 0)


async def keep_for(connection: Connection, workspace: str, days: int | None) -> Keeping:
    """Say for how long."""
    row = await connection.fetchrow(SET, workspace, days)
    assert row is not None  # noqa: S101 -- the statement gives a row
    return Keeping(row["inactive_days"], row["version"])


async def due(connection: Connection, named: Sequence[str], kind: str, every: object) -> list[tuple[str, int]]:
    """Workspaces that keep ghosts for so many days, and for which no job of this kind is under way, or was begun within a while."""
    return [(row["workspace"], row["inactive_days"]) for row in await connection.fetch(DUE, list(named), kind, every)]


async def page(connection: Connection, workspace: str, after: tuple[datetime, UUID], before: datetime, limit: int) -> list[Found]:
    """The next contacts that were made before a time, in the order of their making."""
    return [Found(*row) for row in await connection.fetch(PAGE, workspace, *after, before, limit)]


async def absorbed_by(connection: Connection, workspace: str, roots: Sequence[ContactId]) -> dict[ContactId, set[ContactId]]:
    """Whom each of these absorbed, if anybody."""
    found: dict[ContactId, set[ContactId]] = {}
    for row in await connection.fetch(MEMBERS, list(roots), workspace):
        found.setdefault(row["root"], set()).add(row["contact_id"])
    return found


async def load_trees(connection: Connection, workspace: str, roots: Sequence[ContactId]) -> list[Tree]:
    """The contacts of these roots as they are now, with whom they absorbed and what they hold, without merges; at most one a root."""
    contacts = [contact_of(row) for row in await connection.fetch(TREES, list(roots), workspace)]
    tenures: dict[ContactId, list[Tenure]] = {}
    for row in await connection.fetch(TENURES, list(roots), workspace):
        each = tenure_of(row)
        tenures.setdefault(each.contact_id, []).append(each)
    wanted = set(roots)
    absorbed: dict[ContactId, dict[ContactId, Contact]] = {}
    for contact in contacts:
        if contact.contact_id not in wanted and contact.root is not None:
            absorbed.setdefault(contact.root, {})[contact.contact_id] = contact
    return [
        Tree(each, absorbed.get(each.contact_id, {}), tenures.get(each.contact_id, []), ())
        for each in contacts
        if each.contact_id in wanted
    ]


async def count(connection: Connection, workspace: str, before: datetime) -> int:
    """How many ghosts were neither seen nor changed since."""
    found: int = await connection.fetchval(COUNT, workspace, before)
    return found


async def decided_up_to(connection: Connection, consumer: str, topic: str) -> dict[int, int]:
    """Up to where a consumer has decided on a topic, by partition."""
    return {row["partition"]: row["next_offset"] for row in await connection.fetch(PROGRESS, consumer, topic)}
