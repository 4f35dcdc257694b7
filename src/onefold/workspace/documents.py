"""Documents of contacts: made, changed, archived, restored, destroyed (product.md, section 7; decision 0038).

A document is of one contact and one template for good, and its template is the one profile that it has: what hangs on it is decided by the
same function as what hangs on a contact. Where the template says so, owners and followers are the contact's. Nothing here commits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID, uuid4

from onefold.errors import ContactErased, ContactNotFound, InvalidMessage, Refused, VersionConflict
from onefold.identity.adoption import NO_EDIT, Change, Edit, Hung, hung
from onefold.identity.attributes import InvalidAttributes
from onefold.identity.classification import UNCLASSIFIED
from onefold.messages.reading import storable
from onefold.records import documents as records
from onefold.records import relations
from onefold.records.catalogs import catalog_for
from onefold.records.definitions import definition_by_id, definitions_by_slug
from onefold.records.documents import Document
from onefold.records.store import Moved
from onefold.records.visibility import EVERYBODYS
from onefold.workspace.definitions import DefinitionNotFound
from onefold.workspace.kinds import TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from onefold.identity.adoption import Catalog
    from onefold.records.definitions import Definition
    from onefold.records.store import Connection
    from onefold.records.visibility import Sight, Visible

SCOPE = "documents"
SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
LONGEST_TITLE, DEEPEST = 200, 20
NO_CHANGE = Change()
NOW = "select clock_timestamp()"


class DocumentNotFound(Refused):
    """There is no such document, or none that the caller may see."""

    code = "document_not_found"


class DocumentRefused(Refused):
    """What was asked for comes too early, or would make no tree; the text says which."""

    code = "document_refused"


@dataclass(frozen=True, slots=True)
class New:
    """What is to be made."""

    contact_id: UUID
    slug: str
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    """Of the template's attributes."""
    change: Change = NO_CHANGE
    """What else is to hang on it."""
    parent_id: UUID | None = None
    maker: str | None = None
    """Who is to own it because they make it, by their user id."""
    sight: Sight = field(default_factory=dict)
    """What it may be related to."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be different; what is not named stays."""

    title: str | None = None
    parent_id: UUID | Literal["stays"] | None = "stays"
    values: Mapping[str, Any] = field(default_factory=dict)
    """Of the template's attributes; None clears."""
    change: Change = NO_CHANGE
    if_version: int | None = None
    sight: Sight = field(default_factory=dict)
    """What it may be related to."""


@dataclass(frozen=True, slots=True)
class Done:
    """A document before and after."""

    before: Document | None
    after: Document
    skipped_tags: Sequence[str] = ()
    """Unknown ones, which were left out."""

    @property
    def is_change(self) -> bool:
        """Whether anything is different."""
        return self.before != self.after


async def template_of(connection: Connection, workspace: str, named: UUID | str) -> Definition:
    """The template of this id or slug, which nobody changes until the transaction ends. Raises DefinitionNotFound."""
    slug = named
    if isinstance(named, UUID):
        found = await definition_by_id(connection, workspace, TEMPLATE.name, named)
        slug = found.slug if found is not None else ""
    held = await definitions_by_slug(connection, workspace, TEMPLATE.name, [SCOPE], [str(slug)], will_use=True)
    if slug not in held:
        raise DefinitionNotFound(f"there is no document template {named}")
    return held[str(slug)]


async def create(connection: Connection, template: Definition, new: New) -> Done:
    """Make a document of a held template.

    Raises InvalidMessage, InvalidAttributes, AlreadyExists, ContactNotFound, ContactErased, DocumentNotFound (its parent), RelationTaken;
    Moved where its contact was absorbed meanwhile: roll back and repeat.
    """
    contact_id = await _hold_contact(connection, template.workspace, new.contact_id)
    at = await connection.fetchval(NOW)
    begun = replace(draft(template, new.slug, new.title, contact_id, at), parent_id=new.parent_id)
    if new.parent_id is not None:
        await _demand_parent(connection, begun, new.parent_id)
    change = at_first(template, new.change)
    if new.maker is not None and not begun.follows_contact:
        change = replace(change, owners=Edit((*change.owners.add, new.maker)))
    made, skipped = await _hang(connection, begun, new.values, change, at, new.sight)
    await records.insert(connection, made)
    return Done(None, await _as_stored(connection, made), skipped)


async def edit(connection: Connection, before: Document, wanted: Wanted) -> Done:
    """Change a locked document. Raises as `create`, and VersionConflict."""
    _demand(before, wanted.if_version)
    at = await connection.fetchval(NOW)
    after = replace(before, title=_title(wanted.title)) if wanted.title is not None else before
    if wanted.parent_id is None:
        after = replace(after, parent_id=None)
    elif wanted.parent_id != "stays":
        await _demand_parent(connection, before, wanted.parent_id)
        after = replace(after, parent_id=wanted.parent_id)
    after, skipped = await _hang(connection, after, wanted.values, replace(wanted.change, profiles=NO_EDIT), at, wanted.sight)
    return replace(await _store(connection, before, after, at), skipped_tags=skipped)


async def find(connection: Connection, workspace: str, document_id: UUID, visible: Visible, *, will_write: bool = False) -> Document:
    """One that the caller may see; locked, where it is to be written. Raises DocumentNotFound; Moved: roll back and repeat."""
    found = await records.find(connection, workspace, document_id, visible)
    if found is not None and will_write:
        if found.follows_contact:  # nobody gives the contact other owners meanwhile, behind the back of what lists go by
            await _hold_contact(connection, workspace, found.given_contact)
        locked = await records.find(connection, workspace, document_id, visible, will_write=True)
        if locked is not None and locked.follows_contact and not found.follows_contact:
            raise Moved("the document began to follow its contact just now")
        found = locked
    if found is None:
        raise DocumentNotFound(f"workspace {workspace} has no document {document_id}")
    return found


async def shelve(connection: Connection, before: Document, *, is_archived: bool, if_version: int | None = None) -> Done:
    """Archive a locked document, which is the first delete; or take it out of the archive."""
    _demand(before, if_version)
    if (before.archived_at is not None) == is_archived:
        return Done(before, before)
    at = await connection.fetchval(NOW)
    return await _store(connection, before, replace(before, archived_at=at if is_archived else None), at)


async def destroy(connection: Connection, gone: Document, *, if_version: int | None = None) -> None:
    """Delete a locked and archived document for good; what lies below it moves up. Raises DocumentRefused, VersionConflict."""
    _demand(gone, if_version)
    if gone.archived_at is None:
        raise DocumentRefused(f"{gone.slug} is not archived; archive it first, then it can be destroyed")
    await records.lock_tree(connection, gone.workspace)
    await records.delete(connection, gone)


def draft(template: Definition, slug: str, title: str, contact_id: UUID, at: datetime, *, archived_at: datetime | None = None) -> Document:
    """A document as it is before anything hangs on it. Raises InvalidMessage."""
    if template.archived_at is not None:
        raise archived(template)
    if SLUG.fullmatch(slug) is None:
        raise InvalidMessage(f"{slug!r} is no slug: small letters, digits, - and _, at most 63", code="invalid_slug")
    return Document(
        template.workspace, uuid4(), template.definition_id, template.slug, contact_id, contact_id, None, slug, _title(title),
        records.follows(template), 1, at, at, archived_at, {},
    )  # fmt: skip


def archived(template: Definition) -> InvalidMessage:
    """Why an archived template makes no documents."""
    return InvalidMessage(f"the template {template.slug} is archived: no new documents are made of it", code="archived_template")


def at_first(template: Definition, change: Change) -> Change:
    """A change of a new document: it has its template, with all that comes with it."""
    return replace(change, profiles=Edit((template.slug,)))


async def catalog_of(connection: Connection, template: Definition, changes: Sequence[Change]) -> Catalog:
    """The catalog for all of these changes of documents of one template."""
    tags = [slug for each in changes for slug in each.tags.add]
    taxonomies = [slug for each in changes for slug in each.taxonomies.add]
    every = at_first(template, Change(tags=Edit(tags), taxonomies=Edit(taxonomies)))
    return await catalog_for(connection, template.workspace, SCOPE, Hung(UNCLASSIFIED, [], {}), every, will_use=True)


def with_hanging(
    catalog: Catalog, document: Document, values: Mapping[str, Any], change: Change, at: datetime
) -> tuple[Document, Sequence[str]]:
    """The document with what is to hang on it, and the tags that were skipped. Raises InvalidMessage, InvalidAttributes, RelationTaken."""
    if document.follows_contact and any(change.owners + change.followers):
        raise InvalidMessage(
            f"documents of {document.template} have the owners and followers of their contact: change them there", code="follows_contact"
        )
    if values:
        change = replace(change, attributes={document.template: values})
    try:
        after = hung(catalog, _present(document), change, at)
    except InvalidAttributes as error:
        nested = f"attributes.{document.template}."
        found = [(each["where"].replace(nested, "attributes.", 1), each["why"]) for each in error.facts["errors"]]
        raise InvalidAttributes(found) from error
    stored: Any = storable({profile: dict(held) for profile, held in after.attributes.items()})
    return replace(document, attributes=stored, tags=list(after.tags), classification=after.classification), after.skipped_tags


def _present(document: Document) -> Hung:
    return Hung(document.classification, list(document.tags), document.attributes or {})


async def _hold_contact(connection: Connection, workspace: str, named: UUID) -> UUID:
    """Whom an id leads to, held until the end. Raises ContactNotFound, ContactErased; Moved."""
    held = (await records.hold_contacts(connection, workspace, [named])).get(named)
    if held is None:
        raise ContactNotFound(f"workspace {workspace} has no contact {named}")
    if held.root != named:
        held = (await records.hold_contacts(connection, workspace, [held.root])).get(held.root)
        if held is None or held.root != held.contact_id:
            raise Moved("the contact was absorbed just now")
    if held.erased_at is not None:
        raise ContactErased(named, held.erased_at)
    return held.root


async def _hang(
    connection: Connection, document: Document, values: Mapping[str, Any], change: Change, at: datetime, sight: Sight
) -> tuple[Document, Sequence[str]]:
    """The document with what is to hang on it, and the tags that were skipped."""
    catalog = await catalog_for(connection, document.workspace, SCOPE, _present(document), change, will_use=True)
    after = with_hanging(catalog, document, values, change, at)
    await relations.demand_others(connection, document.workspace, SCOPE, document.document_id, change, sight)
    return after


async def _store(connection: Connection, before: Document, after: Document, at: datetime) -> Done:
    """One more version, if anything is different."""
    if after == before:
        return Done(before, before)
    await records.update(connection, after, at)
    return Done(before, await _as_stored(connection, after))


async def _as_stored(connection: Connection, document: Document) -> Document:
    return await find(connection, document.workspace, document.document_id, EVERYBODYS)


async def _demand_parent(connection: Connection, document: Document, parent_id: UUID) -> None:
    """That a document may lie below another. Raises DocumentNotFound, DocumentRefused."""
    await records.lock_tree(connection, document.workspace)
    way = await records.way_up(connection, document.workspace, parent_id, DEEPEST)
    if not way:
        raise DocumentNotFound(f"workspace {document.workspace} has no document {parent_id}")
    if document.document_id in way:
        raise DocumentRefused("a document cannot lie below itself")
    if len(way) >= DEEPEST:
        raise DocumentRefused(f"documents lie {DEEPEST} levels deep at most")


def _demand(document: Document, version: int | None) -> None:
    if version is not None and document.version != version:
        raise VersionConflict(f"document {document.slug} is at version {document.version} by now, not at {version}: look again")


def _title(title: str) -> str:
    text = str(storable(title)).strip()
    if not 0 < len(text) <= LONGEST_TITLE:
        raise InvalidMessage(f"a title has 1 to {LONGEST_TITLE} characters", code="invalid_title")
    return text
