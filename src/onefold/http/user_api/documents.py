"""Documents of contacts: lists, one, and what is done to it. Their templates are among the definitions."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from onefold.errors import InvalidMessage
from onefold.http.paging import Cursor, Limit, Page, cursor_of, place_of
from onefold.http.user_api.classification import (
    Hooks,
    Placed,
    RelatedShown,
    Relation,
    StageShown,
    change_of,
    relationships_shown,
    stages_shown,
)
from onefold.http.user_api.door import Doing, DoorRoute, Work, allowed
from onefold.identity.adoption import Change, Edit, Placement
from onefold.identity.adoption import Relation as Related
from onefold.records import document_lists
from onefold.records.trees import root_of
from onefold.records.visibility import demand_contact
from onefold.workspace import documents as use_cases
from onefold.workspace.document_log import act_of

if TYPE_CHECKING:
    from onefold.records.documents import Document

router = APIRouter(route_class=DoorRoute, tags=["documents"])

Names = Annotated[list[str], Field(max_length=100)]
Asked = Annotated[str | None, Query(max_length=200)]


class DocumentShown(BaseModel):
    """A document."""

    id: UUID
    slug: str = Field(description="Unique among the documents of its template; never changes.")
    title: str
    template_id: UUID
    template: str = Field(description="Its slug.")
    contact_id: UUID = Field(description="Whose it is; the survivor's where it was made of one that was absorbed.")
    parent_id: UUID | None
    attributes: dict[str, Any]
    taxonomies: list[str]
    tags: list[str]
    workflows: dict[str, StageShown]
    ownership_mode: Literal["independent", "sync_with_contact"]
    owners: list[str] = Field(description="The contact's where the ownership is synchronised.")
    followers: list[str]
    relationships: dict[str, list[RelatedShown]]
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class DocumentWritten(DocumentShown):
    """A document as it is after a write."""

    skipped_tags: list[str] = Field(description="Unknown ones, which were left out.")


class DocumentMade(BaseModel):
    """A document to make."""

    model_config = ConfigDict(extra="forbid")

    template_id: UUID | None = Field(None, description="Its template; this, or `template`.")
    template: str | None = Field(None, max_length=63, description="The slug of its template.")
    contact_id: UUID
    slug: str = Field(min_length=1, max_length=63)
    title: str = Field(min_length=1, max_length=200)
    parent_id: UUID | None = None
    attributes: dict[str, Any] = Field(default={}, description="Values of the template's attributes.")
    taxonomies: Names = []
    tags: Names = []
    owners: Names = []
    followers: Names = []
    workflows: dict[str, Placed] = {}
    relate: list[Relation] = Field(default=[], max_length=200)
    reason: str | None = Field(None, max_length=1_000)


class DocumentEdited(Hooks):
    """What is to be different; what is left out stays."""

    title: str | None = Field(None, min_length=1, max_length=200)
    parent_id: UUID | None = Field(None, description="Below which document; null: below none.")
    attributes: dict[str, Any] = Field(default={}, description="Values of the template's attributes; null clears.")


@router.get("/documents")
@allowed("documents", "read")
async def list_documents(
    work: Doing,
    limit: Limit = 50,
    cursor: Cursor = None,
    contact_id: UUID | None = None,
    parent_id: UUID | None = None,
    template: Annotated[str | None, Query(max_length=63, description="Slug.")] = None,
    tag: Asked = None,
    taxonomy: Asked = None,
    owner: Asked = None,
    follower: Asked = None,
    workflow: Asked = None,
    step: Annotated[str | None, Query(max_length=130, description="Workflow and step: onboarding/signed.")] = None,
    archived: Annotated[Literal["without", "with", "only"], Query()] = "without",
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "created_at",
) -> Page[DocumentShown]:
    """Documents, in the order of their making."""
    links = {
        "profile": template,
        "tag": tag,
        "taxonomy": taxonomy,
        "owner": owner,
        "follower": follower,
        "workflow": workflow,
        "step": step,
    }
    root = await root_of(work.connection, work.workspace, contact_id) if contact_id is not None else None
    if contact_id is not None and root is None:
        return Page(items=[], next=None)
    asked = document_lists.Asked(
        root,
        {kind: value for kind, value in links.items() if value is not None},
        parent_id,
        {"without": False, "only": True, "with": None}[archived],
        newest_first=sort.startswith("-"),
    )
    place = place_of(cursor, tuple[datetime, UUID])
    found = await document_lists.page(work.connection, work.workspace, asked, work.visible, after=place, limit=limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    following = cursor_of((last.created_at, last.document_id)) if last is not None else None
    return Page(items=[shown_document(each) for each in found[:limit]], next=following)


@router.post("/documents", status_code=201)
@allowed("documents", "create")
async def create_document(work: Doing, body: DocumentMade) -> DocumentWritten:
    """Make a document of a contact. A Journey Manager owns what they make, unless its template says that owners are the contact's."""
    work.caller.demand_fields("documents", ["owners"] if body.owners else [])
    await demand_contact(work.connection, work.workspace, body.contact_id, work.sight["contacts"])
    if body.parent_id is not None:
        await use_cases.find(work.connection, work.workspace, body.parent_id, work.sight["documents"])
    named = body.template_id if body.template_id is not None else body.template
    if named is None or (body.template_id is not None and body.template is not None):
        raise InvalidMessage("say which template it is of: template_id or template, one of them", code="template_needed")
    change = Change(
        taxonomies=Edit(body.taxonomies),
        tags=Edit(body.tags),
        owners=Edit(body.owners),
        followers=Edit(body.followers),
        workflows={slug: Placement(each.step, each.done) for slug, each in body.workflows.items()},
        relate=[Related(each.relationship, str(each.id), each.pivot) for each in body.relate],
    )
    maker = str(work.caller.user_id) if work.caller.visible(work.caller.scope("documents", "update")).kinds is not None else None
    template = await use_cases.template_of(work.connection, work.workspace, named)
    new = use_cases.New(body.contact_id, body.slug, body.title, body.attributes, change, body.parent_id, maker, work.sight)
    return _written(work, await use_cases.create(work.connection, template, new), body.reason)


@router.get("/documents/{document_id}")
@allowed("documents", "read")
async def read_document(work: Doing, document_id: UUID) -> DocumentShown:
    """One document."""
    found = await use_cases.find(work.connection, work.workspace, document_id, work.visible)
    work.version = found.version
    return shown_document(found)


@router.patch("/documents/{document_id}")
@allowed("documents", "update")
async def edit_document(work: Doing, document_id: UUID, body: DocumentEdited) -> DocumentWritten:
    """Change a document, and what hangs on it, in one version. Its contact, template and slug stay."""
    version = work.expected_version()
    work.caller.demand_fields("documents", ["owners"] if body.owners.add or body.owners.remove else [])
    before = await use_cases.find(work.connection, work.workspace, document_id, work.visible, will_write=True)
    if body.parent_id is not None:
        await use_cases.find(work.connection, work.workspace, body.parent_id, work.sight["documents"])
    parent_id: UUID | Literal["stays"] | None = body.parent_id if "parent_id" in body.model_fields_set else "stays"
    wanted = use_cases.Wanted(body.title, parent_id, body.attributes, change_of(body), version, work.sight)
    return _written(work, await use_cases.edit(work.connection, before, wanted), body.reason)


@router.delete("/documents/{document_id}", status_code=204)
@allowed("documents", "archive")
async def delete_document(work: Doing, document_id: UUID) -> Response:
    """Archive a document; once archived, destroy it."""
    found = await use_cases.find(work.connection, work.workspace, document_id, work.visible, will_write=True)
    if found.archived_at is None:
        done = await use_cases.shelve(work.connection, found, is_archived=True, if_version=work.if_match)
        work.journal.append(act_of(done, work.caller.actor, None, work.origin))
    else:
        work.caller.demand("documents", "destroy")
        await use_cases.destroy(work.connection, found, if_version=work.if_match)
        work.note("destroyed", "documents", document_id)
    return Response(status_code=204)


@router.post("/documents/{document_id}/restore")
@allowed("documents", "archive")
async def restore_document(work: Doing, document_id: UUID) -> DocumentWritten:
    """Take a document out of the archive."""
    found = await use_cases.find(work.connection, work.workspace, document_id, work.visible, will_write=True)
    return _written(work, await use_cases.shelve(work.connection, found, is_archived=False, if_version=work.if_match), None)


def shown_document(found: Document) -> DocumentShown:
    """A document as the API shows it."""
    held = found.classification
    return DocumentShown(
        id=found.document_id,
        slug=found.slug,
        title=found.title,
        template_id=found.template_id,
        template=found.template,
        contact_id=found.contact_id,
        parent_id=found.parent_id,
        attributes=found.values,
        taxonomies=list(held.taxonomies),
        tags=list(found.tags),
        workflows=stages_shown(held),
        ownership_mode="sync_with_contact" if found.follows_contact else "independent",
        owners=list(held.owners),
        followers=list(held.followers),
        relationships=relationships_shown(held),
        version=found.version,
        created_at=found.created_at,
        updated_at=found.updated_at,
        archived_at=found.archived_at,
    )


def _written(work: Work, done: use_cases.Done, reason: str | None) -> DocumentWritten:
    if done.is_change:
        work.journal.append(act_of(done, work.caller.actor, reason, work.origin))
    work.version = done.after.version
    return DocumentWritten(**shown_document(done.after).model_dump(), skipped_tags=list(done.skipped_tags))
