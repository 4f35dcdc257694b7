"""Instance seeds: many documents of one template, some in one call, many as a file that a job loads (product-facts, 1.7 and 4)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from onefold.contacts import imports
from onefold.errors import JobNotFound
from onefold.http.paging import Cursor, Limit, Page
from onefold.http.problems import Answered
from onefold.http.user_api.door import Doing, DoorRoute, allowed, lasting
from onefold.http.user_api.imports import LineShown, begun, lines_page
from onefold.http.user_api.jobs import JobShown
from onefold.records import workspace_jobs
from onefold.workspace import document_loading, documents
from onefold.workspace.document_loading import Item

router = APIRouter(route_class=DoorRoute, tags=["documents"])

MOST: Final = 200
"""Items of one call; more go as a file."""
JSONL: Final = ("application/jsonl", "application/x-ndjson", "application/x-jsonlines")
_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in JSONL}}
}


class Seed(BaseModel):
    """Documents of one template."""

    model_config = ConfigDict(extra="forbid")

    template: str = Field(min_length=1, max_length=63, description="Slug.")
    items: list[Item] = Field(min_length=1, max_length=MOST)
    reason: str | None = Field(None, max_length=1_000)


class ItemShown(BaseModel):
    """What became of an item."""

    slug: str
    outcome: Literal["created", "updated", "unchanged"]
    id: UUID
    skipped_tags: list[str] = Field(description="Unknown ones, which were left out.")


class SeedShown(BaseModel):
    """What became of a seed."""

    items: list[ItemShown]


@router.post("/documents/seeds")
@allowed("seeds", "create")
async def seed_documents(work: Doing, body: Seed) -> SeedShown:
    """Make and change up to 200 documents, each known by its slug: all of them, or none. The same seed again changes nothing."""
    template = await documents.template_of(work.connection, work.workspace, body.template)
    loaded = await document_loading.load_all(work.connection, template, body.items)
    work.journal += document_loading.acts_of(loaded, work.caller.actor, body.reason, work.origin)
    shown = [
        ItemShown(slug=each.slug, outcome=each.outcome, id=each.done.after.document_id, skipped_tags=list(each.done.skipped_tags))
        for each in loaded
        if each.done is not None and each.outcome != "refused"
    ]
    return SeedShown(items=shown)


@router.post("/documents/seeds/files", status_code=202, openapi_extra=_BODY)
@lasting("seeds", "create", takes_stream=True)
async def seed_documents_from_a_file(
    work: Doing,
    request: Request,
    template: Annotated[str, Query(min_length=1, max_length=63, description="Slug.")],
    name: Annotated[str | None, Query(max_length=200, description="What people call it by, such as the file's name.")] = None,
) -> JobShown:
    """Make and change documents from JSONL, an item a line, of any length. Answered when all is stored; the job tells how far it is."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in JSONL:
        raise Answered(415, "jsonl", f"Say what it is: Content-Type {', '.join(JSONL)}.")
    async with work.store.transaction([work.workspace]) as connection:
        known = await documents.template_of(connection, work.workspace, template)
    job = await imports.upload(
        work.store,
        work.workspace,
        "jsonl",
        request.stream(),
        work.user(),
        name=name,
        kind=document_loading.KIND,
        more={"template": known.slug},
    )
    return await begun(work, "seeds", job)


@router.get("/documents/seeds/files/{job_id}/lines")
@allowed("seeds", "read")
async def list_seeded_lines(
    work: Doing,
    job_id: UUID,
    limit: Limit = 50,
    cursor: Cursor = None,
    refused: Annotated[bool, Query(description="Only those that were refused.")] = False,
) -> Page[LineShown]:
    """What became of the lines so far, in their order."""
    if (await workspace_jobs.find(work.connection, work.workspace, job_id)).kind != document_loading.KIND:
        raise JobNotFound(f"{job_id} loads no documents")
    return await lines_page(work, job_id, limit, cursor, refused_only=refused)
