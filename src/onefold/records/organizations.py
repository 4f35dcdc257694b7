"""Organizations as they lie in Postgres: a tree whose order is kept, so that a list in tree order and everything below a node are ranges.

Whoever changes the tree's shape holds its lock (`lock_tree`), so that no two moves make a cycle; whoever gives an organization to a contact
holds the organization's row shared (`hold`), so that a rename or an end at the same time is not missed. Called by `workspace.organizations`
and `contacts`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from onefold.identity.classification import UNCLASSIFIED, Classification
from onefold.identity.membership import Membership
from onefold.records.rows import to_json
from onefold.records.visibility import EVERYBODYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from onefold.records.rows import Row
    from onefold.records.store import Connection
    from onefold.records.visibility import Visible

MOST_DEPTH = 50
"""Levels of a tree."""
_NUMBER_BYTES = 4
_LOCKS = 0x0F021
_ROOTS = "'00000000-0000-0000-0000-000000000000'::uuid"
_SIBLINGS = f"workspace = $1 and under = coalesce($2::uuid, {_ROOTS})"

COLUMNS = (
    "workspace, organization_id, slug, title, parent_id, sequence, place, attributes, tags, classification, version, created_at,"
    " updated_at, archived_at"
)
LOCK_TREE = "select pg_advisory_xact_lock($1, hashtext($2))"
FIND = f"select {COLUMNS} from organizations where organization_id = $1 and workspace = $2"
FIND_SLUG = f"select {COLUMNS} from organizations where slug = $1 and workspace = $2"
LOCK = f"select {COLUMNS} from organizations where organization_id = $1 and workspace = $2 for update"
HOLD = f"select {COLUMNS} from organizations where organization_id = any($1::uuid[]) and workspace = $2 order by organization_id for share"
BY_SLUGS = """
select workspace, slug, organization_id, title from organizations
where slug = any($1::text[]) and workspace = any($2::text[]) and archived_at is null
"""
HOLD_SLUGS = f"{BY_SLUGS} order by organization_id for share"
INSERT = f"""
insert into organizations ({COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11, $11, null)
on conflict (slug, workspace) do nothing returning {COLUMNS}
"""
UPDATE = f"""
update organizations set title = $3, attributes = $4, tags = $5, classification = $6, archived_at = $7, version = version + 1,
  updated_at = $8
where organization_id = $1 and workspace = $2 returning {COLUMNS}
"""
DELETE = "delete from organizations where organization_id = $1 and workspace = $2"
SIBLINGS = f"select organization_id, sequence, archived_at from organizations where {_SIBLINGS} order by sequence, organization_id"
# From the end: the archived ones, and the last of the others.
LAST_ACTIVE = f"select sequence from organizations where {_SIBLINGS} and archived_at is null order by sequence desc limit 1"
LAST = f"select sequence from organizations where {_SIBLINGS} order by sequence desc limit 1"
ADOPT = """
update organizations set parent_id = $3, version = version + 1, updated_at = $4
where organization_id = any($1::uuid[]) and workspace = $2
"""
RENUMBER = """
update organizations o set sequence = n.sequence
from unnest($2::uuid[], $3::integer[]) as n (organization_id, sequence)
where o.organization_id = n.organization_id and o.workspace = $1 and o.organization_id = any($2::uuid[]) and o.sequence <> n.sequence
"""
PUT_IN_PLACE = """
with recursive below as (
  select o.organization_id, coalesce(p.place, ''::bytea) || int4send(o.sequence) as place
  from organizations o left join organizations p on p.organization_id = o.parent_id and p.workspace = o.workspace
  where o.organization_id = any($2::uuid[]) and o.workspace = $1
  union all
  select o.organization_id, b.place || int4send(o.sequence)
  from below b join organizations o on o.parent_id = b.organization_id and o.workspace = $1
)
update organizations o set place = b.place from below b
where o.organization_id = b.organization_id and o.workspace = $1 and o.place <> b.place
"""
BELOW = f"""
select {COLUMNS} from organizations where workspace = $1 and place > $2 and place < $3 order by place, organization_id limit $4
"""
LEVELS = "select coalesce(max(octet_length(place)), 0) / 4 from organizations where workspace = $1 and place >= $2 and place < $3"
PAGE = f"""
select {COLUMNS} from organizations where workspace = $1 and (place, organization_id) > ($2, $3) and (archived_at is not null) = $4
order by place, organization_id limit $5
"""
# Whose the caller may see (S77).
_SEEN = """exists (select from links l where l.object_id = o.organization_id and l.workspace = o.workspace
  and l.object_type = 'organizations' and l.kind = any({kinds}::text[]) and l.value = {user})"""
PAGE_SEEN = f"""
select {COLUMNS} from organizations o where workspace = $1 and (place, organization_id) > ($2, $3) and (archived_at is not null) = $4
  and {_SEEN.format(kinds="$6", user="$7")}
order by place, organization_id limit $5
"""
BELOW_SEEN = f"""
select {COLUMNS} from organizations o where workspace = $1 and place > $2 and place < $3 and {_SEEN.format(kinds="$5", user="$6")}
order by place, organization_id limit $4
"""
SEEN = f"select {_SEEN.format(kinds='$3', user='$4')} from organizations o where organization_id = $1 and workspace = $2"
EVERYTHING = f"select {COLUMNS} from organizations where workspace = $1 order by place, organization_id"
COUNT_CONTACTS = """
select count(*) from contacts
where organization_id = $1 and workspace = $2 and merged_into is null and erased_at is null
"""
# By the index of an organization's contacts, in its order. Absorbed ones show nothing.
CALLED_OTHERWISE = """
select contact_id from contacts
where workspace = $1 and organization_id = $2 and contact_id > $4 and merged_into is null and erased_at is null
  and organization_name is distinct from $3
order by contact_id limit $5
"""

_decode_attributes = msgspec.json.Decoder(dict[str, dict[str, Any]]).decode
_decode_tags = msgspec.json.Decoder(list[str]).decode
_decode_classification = msgspec.json.Decoder(Classification).decode


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization as it is stored."""

    organization_id: UUID
    workspace: str
    slug: str
    title: str
    parent_id: UUID | None
    sequence: int
    """Among its siblings, from 1 on; archived ones come after those that are active."""
    place: bytes
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By profile."""
    tags: list[str] = field(default_factory=list)
    classification: Classification = UNCLASSIFIED

    @property
    def hierarchy_sort(self) -> list[int]:
        """The numbers on the way from its root to it: what lists sort by."""
        starts = range(0, len(self.place), _NUMBER_BYTES)
        return [int.from_bytes(self.place[start : start + _NUMBER_BYTES]) for start in starts]

    @property
    def hierarchy(self) -> str:
        """The same as text, such as 1.2.3."""
        return ".".join(map(str, self.hierarchy_sort))

    def is_within(self, other: Organization) -> bool:
        """Whether it is the other one, or below it."""
        return self.place.startswith(other.place)


class Sibling(NamedTuple):
    """A child of one parent, in its order."""

    organization_id: UUID
    sequence: int
    archived_at: datetime | None


async def lock_tree(connection: Connection, workspace: str) -> None:
    """Be the only one that changes the shape of the workspace's tree until the transaction ends."""
    await connection.execute(LOCK_TREE, _LOCKS, workspace)


async def find(connection: Connection, workspace: str, organization_id: UUID) -> Organization | None:
    """The organization of this id."""
    return _maybe(await connection.fetchrow(FIND, organization_id, workspace))


async def find_by_slug(connection: Connection, workspace: str, slug: str) -> Organization | None:
    """The organization that others call by this slug."""
    return _maybe(await connection.fetchrow(FIND_SLUG, slug, workspace))


async def everything(connection: Connection, workspace: str) -> list[Organization]:
    """All organizations of a workspace in the order of the tree, the archived ones too."""
    return [_organization(row) for row in await connection.fetch(EVERYTHING, workspace)]


async def lock(connection: Connection, workspace: str, organization_id: UUID) -> Organization | None:
    """The organization, locked: nobody changes it, or gives it to a contact, until the transaction ends."""
    return _maybe(await connection.fetchrow(LOCK, organization_id, workspace))


async def hold(connection: Connection, workspace: str, organizations: Iterable[UUID]) -> dict[UUID, Organization]:
    """Organizations that are to be given to contacts: none is renamed or destroyed until the transaction ends."""
    rows = await connection.fetch(HOLD, sorted(set(organizations)), workspace)
    return {row["organization_id"]: _organization(row) for row in rows}


async def memberships(connection: Connection, wanted: Iterable[tuple[str, str]], *, will_write: bool) -> dict[tuple[str, str], Membership]:
    """The organizations that are called so, by workspace and slug; archived ones take nobody new. Held, where contacts get them."""
    named = set(wanted)
    slugs, workspaces = sorted({slug for _, slug in named}), sorted({workspace for workspace, _ in named})
    rows = await connection.fetch(HOLD_SLUGS if will_write else BY_SLUGS, slugs, workspaces)
    found = {(row["workspace"], row["slug"]): Membership(row["organization_id"], row["title"]) for row in rows}
    return {key: membership for key, membership in found.items() if key in named}


async def insert(connection: Connection, new: Organization) -> Organization | None:
    """Store a new one; None where the slug is taken."""
    return _maybe(
        await connection.fetchrow(
            INSERT,
            new.workspace,
            new.organization_id,
            new.slug,
            new.title,
            new.parent_id,
            new.sequence,
            new.place,
            to_json(new.attributes),
            to_json(new.tags),
            to_json(new.classification),
            new.created_at,
        )
    )


async def update(connection: Connection, wanted: Organization, at: datetime) -> Organization:
    """Store what is different of a locked organization, but for its place in the tree: one more version."""
    row = await connection.fetchrow(
        UPDATE,
        wanted.organization_id,
        wanted.workspace,
        wanted.title,
        to_json(wanted.attributes),
        to_json(wanted.tags),
        to_json(wanted.classification),
        wanted.archived_at,
        at,
    )
    assert row is not None  # noqa: S101 -- it is locked
    return _organization(row)


async def delete(connection: Connection, workspace: str, organization_id: UUID) -> None:
    """Delete a locked organization that has no children."""
    await connection.execute(DELETE, organization_id, workspace)


async def siblings(connection: Connection, workspace: str, parent_id: UUID | None) -> list[Sibling]:
    """The children of a parent, or the roots, in their order."""
    return [Sibling(*row) for row in await connection.fetch(SIBLINGS, workspace, parent_id)]


async def room_at_the_end(connection: Connection, workspace: str, parent_id: UUID | None) -> int | None:
    """The number of a new last child; None where archived siblings stand behind it, which must make room."""
    last = await connection.fetchval(LAST, workspace, parent_id) or 0
    active = await connection.fetchval(LAST_ACTIVE, workspace, parent_id) or 0
    return last + 1 if last == active else None


async def adopt(connection: Connection, workspace: str, children: Sequence[UUID], parent_id: UUID | None, at: datetime) -> None:
    """Give organizations another parent; their numbers are the caller's next step."""
    await connection.execute(ADOPT, list(children), workspace, parent_id, at)


async def arrange(connection: Connection, workspace: str, order: Sequence[UUID]) -> None:
    """Number siblings in this order, and put them and all below them in their places."""
    ids = list(order)
    await connection.execute(RENUMBER, workspace, ids, list(range(1, len(ids) + 1)))
    await connection.execute(PUT_IN_PLACE, workspace, ids)


async def below(
    connection: Connection, organization: Organization, *, after: bytes | None = None, most: int, visible: Visible = EVERYBODYS
) -> list[Organization]:
    """Everything below an organization that the caller sees, as a walk through the tree meets it, behind a place."""
    place = after if after is not None else organization.place
    arguments = organization.workspace, place, _behind(organization.place), most
    if visible.kinds is None:
        return [_organization(row) for row in await connection.fetch(BELOW, *arguments)]
    return [_organization(row) for row in await connection.fetch(BELOW_SEEN, *arguments, list(visible.kinds), visible.user_id)]


async def is_seen(connection: Connection, workspace: str, organization_id: UUID, visible: Visible) -> bool:
    """Whether the caller sees the organization of this id, if there is one: whoever sees everybody's is not asked of the store."""
    if visible.kinds is None:
        return True
    return bool(await connection.fetchval(SEEN, organization_id, workspace, list(visible.kinds), visible.user_id))


async def levels(connection: Connection, organization: Organization) -> int:
    """How many levels the tree has down to the lowest below this one."""
    found: int = await connection.fetchval(LEVELS, organization.workspace, organization.place, _behind(organization.place))
    return found


async def page(
    connection: Connection,
    workspace: str,
    *,
    after: tuple[bytes, UUID] | None,
    is_archived: bool,
    limit: int,
    visible: Visible = EVERYBODYS,
) -> list[Organization]:
    """Organizations that the caller sees, as a walk through the tree meets them, behind a place."""
    place, organization_id = after if after is not None else (b"", UUID(int=0))
    arguments = workspace, place, organization_id, is_archived, limit
    if visible.kinds is None:
        return [_organization(row) for row in await connection.fetch(PAGE, *arguments)]
    return [_organization(row) for row in await connection.fetch(PAGE_SEEN, *arguments, list(visible.kinds), visible.user_id)]


async def count_contacts(connection: Connection, workspace: str, organization_id: UUID) -> int:
    """Contacts that belong to it: archived ones too, those that were absorbed or erased not."""
    found: int = await connection.fetchval(COUNT_CONTACTS, organization_id, workspace)
    return found


async def contacts_called_otherwise(connection: Connection, organization: Organization, *, after: UUID | None, most: int) -> list[UUID]:
    """Contacts that show another title than it has, by id, behind one."""
    behind = after if after is not None else UUID(int=0)
    arguments = organization.workspace, organization.organization_id, organization.title, behind, most
    return [row[0] for row in await connection.fetch(CALLED_OTHERWISE, *arguments)]


def place_of(parent: Organization | None, sequence: int) -> bytes:
    """Where a child of this number stands."""
    return (parent.place if parent is not None else b"") + sequence.to_bytes(_NUMBER_BYTES)


def _behind(place: bytes) -> bytes:
    """The first place that is behind everything below one."""
    return (int.from_bytes(place) + 1).to_bytes(len(place))


def _maybe(row: Row | None) -> Organization | None:
    return _organization(row) if row is not None else None


def _organization(row: Row) -> Organization:
    found = dict(row)
    found["attributes"] = _decode_attributes(row["attributes"])
    found["tags"] = _decode_tags(row["tags"])
    found["classification"] = _decode_classification(row["classification"])
    return Organization(**found)
