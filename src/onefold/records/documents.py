"""Documents as they lie in Postgres: one row each, that names its contact as it was given; redirects are followed when it is read.

Whoever makes one holds the contact (`hold_contacts`), so that no erasure misses it. Called by `workspace.documents`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
import msgspec

from onefold.errors import AlreadyExists
from onefold.identity.classification import UNCLASSIFIED, Classification
from onefold.records.rows import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from onefold.records.definitions import Definition
    from onefold.records.rows import Row
    from onefold.records.store import Connection
    from onefold.records.visibility import Visible

# Owners and followers of one that follows its contact are those of the contact that its id leads to.
COLUMNS = """d.workspace, d.document_id, d.template_id, d.template, d.contact_id as given_contact, c.root as contact_id, d.parent_id,
  d.slug, d.title, d.follows_contact, d.attributes, d.tags, d.classification, d.version, d.created_at, d.updated_at, d.archived_at,
  case when d.follows_contact then r.classification end as held_by_contact"""
FROM = """documents d join contacts c on c.contact_id = d.contact_id and c.workspace = d.workspace
  join contacts r on r.contact_id = c.root and r.workspace = c.workspace"""
IS_VISIBLE = """exists (select from links l where l.object_id = d.document_id and l.workspace = d.workspace
    and l.object_type = 'documents' and l.kind = any({kinds}::text[]) and l.value = {user})"""
_VISIBLE = f"($3::text[] is null or {IS_VISIBLE.format(kinds='$3', user='$4')})"
FIND = f"select {COLUMNS} from {FROM} where d.document_id = $1 and d.workspace = $2 and {_VISIBLE}"
LOCK = f"{FIND} for no key update of d"
BY_SLUGS = f"""
select {COLUMNS} from {FROM} where d.workspace = $1 and d.template_id = $2 and d.slug = any($3::text[]) order by d.document_id
for no key update of d
"""
HOLD_CONTACTS = """
select contact_id, root, erased_at from contacts where contact_id = any($2::uuid[]) and workspace = $1 order by contact_id for share
"""
INSERT = """
insert into documents (workspace, document_id, template_id, template, contact_id, parent_id, slug, title, follows_contact, attributes, tags,
  classification, version, created_at, updated_at, archived_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1, $13, $13, $14)
"""
# A slug that somebody else took just now is a race: the caller repeats.
INSERT_MANY = """
insert into documents (workspace, document_id, template_id, template, contact_id, slug, title, follows_contact, attributes, tags,
  classification, created_at, updated_at, archived_at)
select $1, n.document_id, $2, $3, n.contact_id, n.slug, n.title, $4, n.attributes, n.tags, n.classification, $5, $5, n.archived_at
from unnest($6::uuid[], $7::uuid[], $8::text[], $9::text[], $10::jsonb[], $11::jsonb[], $12::jsonb[], $13::timestamptz[])
  as n (document_id, contact_id, slug, title, attributes, tags, classification, archived_at)
order by n.slug
"""
HOLDERS = """
select identifier_key, contact_id from identifiers where identifier_key = any($1::bytea[]) and workspace = $2 and held_until is null
"""
UPDATE = """
update documents set title = $3, parent_id = $4, follows_contact = $5, attributes = $6, tags = $7, classification = $8, archived_at = $9,
  version = version + 1, updated_at = $10
where document_id = $1 and workspace = $2
"""
# Whatever lies below it stands in its place.
LIFT = """
update documents set parent_id = $3, version = version + 1, updated_at = clock_timestamp() where parent_id = $1 and workspace = $2
"""
DELETE = "delete from documents where document_id = $1 and workspace = $2"
REMEMBER = "insert into destroyed_documents (document_id, workspace, contact_id) values ($1, $2, $3)"
LOCK_TREE = "select pg_advisory_xact_lock(hashtextextended($1, 34))"
ABOVE = """
with recursive above as (
  select document_id, parent_id, 1 as level from documents where document_id = $1 and workspace = $2
  union all
  select d.document_id, d.parent_id, a.level + 1
  from above a join documents d on d.document_id = a.parent_id and d.workspace = $2 where a.level < $3
)
select document_id from above
"""
# By its index of slugs, in their order.
OTHERWISE_OWNED = f"""
select {COLUMNS} from {FROM}
where d.workspace = $1 and d.template_id = $2 and d.slug > $3 and d.follows_contact <> $4 order by d.slug limit $5
"""
SWITCH = """
update documents d set follows_contact = n.follows_contact, classification = n.classification, version = d.version + 1, updated_at = $5
from unnest($2::uuid[], $3::boolean[], $4::jsonb[]) as n (document_id, follows_contact, classification)
where d.document_id = n.document_id and d.workspace = $1 and d.document_id = any($2::uuid[])
"""
# Children of somebody else's documents lose their parent, and are told so by their version.
ORPHAN = """
update documents set parent_id = null, version = version + 1 where workspace = $2 and parent_id in (
  select document_id from documents where contact_id = any($1::uuid[]) and workspace = $2) and contact_id <> all($1::uuid[])
"""
FORGET = "delete from documents where contact_id = any($1::uuid[]) and workspace = $2 returning document_id"
FORGET_DESTROYED = "delete from destroyed_documents where contact_id = any($1::uuid[]) and workspace = $2 returning document_id"

_decode_attributes = msgspec.json.Decoder(dict[str, dict[str, Any]]).decode
_decode_tags = msgspec.json.Decoder(list[str]).decode
_decode_classification = msgspec.json.Decoder(Classification).decode


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it is shown: its contact is the one that the given id leads to."""

    workspace: str
    document_id: UUID
    template_id: UUID
    template: str
    given_contact: UUID
    contact_id: UUID
    parent_id: UUID | None
    slug: str
    title: str
    follows_contact: bool
    """Whose owners and followers: the contact's, or its own."""
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None
    attributes: dict[str, dict[str, Any]] | None = None
    """Under its template."""
    tags: Sequence[str] = ()
    classification: Classification = UNCLASSIFIED

    @property
    def values(self) -> dict[str, Any]:
        """Its attributes."""
        return (self.attributes or {}).get(self.template, {})


class Held(NamedTuple):
    """A contact that is held."""

    contact_id: UUID
    root: UUID
    """Where its id leads."""
    erased_at: datetime | None


async def find(connection: Connection, workspace: str, document_id: UUID, visible: Visible, *, will_write: bool = False) -> Document | None:
    """The document of this id, if the caller may see it; locked, where it is to be written."""
    kinds = list(visible.kinds) if visible.kinds is not None else None
    row = await connection.fetchrow(LOCK if will_write else FIND, document_id, workspace, kinds, visible.user_id)
    return document_of(row) if row is not None else None


async def by_slugs(connection: Connection, workspace: str, template_id: UUID, slugs: Iterable[str]) -> dict[str, Document]:
    """Documents of a template by their slugs, locked."""
    rows = await connection.fetch(BY_SLUGS, workspace, template_id, sorted(set(slugs)))
    return {row["slug"]: document_of(row) for row in rows}


async def hold_contacts(connection: Connection, workspace: str, contacts: Iterable[UUID]) -> dict[UUID, Held]:
    """Contacts of these ids. Nobody changes, erases or absorbs them until the transaction ends."""
    rows = await connection.fetch(HOLD_CONTACTS, workspace, sorted(set(contacts)))
    return {row["contact_id"]: Held(*row.values()) for row in rows}


async def insert(connection: Connection, new: Document) -> None:
    """Store a new one. Raises AlreadyExists where its template has one of that slug."""
    try:
        async with connection.transaction():
            await connection.execute(
                INSERT,
                new.workspace,
                new.document_id,
                new.template_id,
                new.template,
                new.given_contact,
                new.parent_id,
                new.slug,
                new.title,
                new.follows_contact,
                to_json(new.attributes or {}),
                to_json(new.tags),
                to_json(_own(new)),
                new.created_at,
                new.archived_at,
            )
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists(f"there is a document {new.slug!r} of the template {new.template} already") from error


async def insert_many(connection: Connection, new: Sequence[Document]) -> None:
    """Store new ones of one template, below none."""
    if not new:
        return
    one = new[0]
    columns = zip(
        *(
            (
                each.document_id,
                each.given_contact,
                each.slug,
                each.title,
                to_json(each.attributes or {}),
                to_json(each.tags),
                to_json(_own(each)),
                each.archived_at,
            )
            for each in new
        ),
        strict=True,
    )
    shared = one.workspace, one.template_id, one.template, one.follows_contact, one.created_at
    await connection.execute(INSERT_MANY, *shared, *map(list, columns))


async def holders(connection: Connection, workspace: str, keys: Iterable[bytes]) -> dict[bytes, UUID]:
    """Who holds identifiers now, by their keys."""
    rows = await connection.fetch(HOLDERS, list(keys), workspace)
    return {row["identifier_key"]: row["contact_id"] for row in rows}


async def update(connection: Connection, wanted: Document, at: datetime) -> None:
    """Store what is different of a locked one: one more version."""
    await connection.execute(
        UPDATE,
        wanted.document_id,
        wanted.workspace,
        wanted.title,
        wanted.parent_id,
        wanted.follows_contact,
        to_json(wanted.attributes or {}),
        to_json(wanted.tags),
        to_json(_own(wanted)),
        wanted.archived_at,
        at,
    )


async def delete(connection: Connection, gone: Document) -> None:
    """Delete a locked one; what lies below it moves up."""
    await connection.execute(LIFT, gone.document_id, gone.workspace, gone.parent_id)
    await connection.execute(DELETE, gone.document_id, gone.workspace)
    await connection.execute(REMEMBER, gone.document_id, gone.workspace, gone.given_contact)


async def lock_tree(connection: Connection, workspace: str) -> None:
    """Be the only one that gives documents other parents until the transaction ends."""
    await connection.execute(LOCK_TREE, workspace)


async def way_up(connection: Connection, workspace: str, document_id: UUID, most: int) -> list[UUID]:
    """A document and those above it, up to so many."""
    return [row["document_id"] for row in await connection.fetch(ABOVE, document_id, workspace, most)]


def follows(template: Definition) -> bool:
    """Whether documents of it have the owners and followers of their contact."""
    return bool(template.data["ownership_mode"] == "sync_with_contact")


async def owned_otherwise(connection: Connection, template: Definition, *, after: str = "", most: int) -> list[Document]:
    """Documents that have their owners from elsewhere than their template says, behind a slug."""
    rows = await connection.fetch(OTHERWISE_OWNED, template.workspace, template.definition_id, after, follows(template), most)
    return [document_of(row) for row in rows]


async def switch_ownership(connection: Connection, workspace: str, wanted: Sequence[Document], at: datetime) -> None:
    """Let locked documents have their owners from elsewhere: one more version each."""
    ids, modes = [each.document_id for each in wanted], [each.follows_contact for each in wanted]
    await connection.execute(SWITCH, workspace, ids, modes, [to_json(_own(each)) for each in wanted], at)


async def forget_of(connection: Connection, workspace: str, contacts: Sequence[UUID]) -> list[UUID]:
    """Delete every document of erased contacts; gives the ids of all they ever had, the destroyed ones too."""
    await connection.execute(ORPHAN, contacts, workspace)
    return [row[0] for statement in (FORGET, FORGET_DESTROYED) for row in await connection.fetch(statement, contacts, workspace)]


def _own(document: Document) -> Classification:
    """What is its own of what hangs on it."""
    held = document.classification
    return msgspec.structs.replace(held, owners=(), followers=()) if document.follows_contact else held


def document_of(row: Row) -> Document:
    """A document from a row of `COLUMNS`."""
    found = dict(row)
    held = found.pop("held_by_contact")
    found["attributes"] = _decode_attributes(row["attributes"])
    found["tags"] = _decode_tags(row["tags"])
    classification = _decode_classification(row["classification"])
    if held is not None:
        contact = _decode_classification(held)
        classification = msgspec.structs.replace(classification, owners=contact.owners, followers=contact.followers)
    found["classification"] = classification
    return Document(**found)
