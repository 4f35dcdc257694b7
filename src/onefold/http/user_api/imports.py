"""Imports: a file goes in as it comes, a job imports it, and a report says of every line what became of it (product.md, section 6)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from msgspec import Meta
from pydantic import BaseModel, Field

from onefold.contacts import imports
from onefold.errors import JobNotFound
from onefold.http.paging import Cursor, Limit, Page, cursor_of, place_of
from onefold.http.problems import Answered
from onefold.http.user_api.door import Doing, DoorRoute, allowed, lasting
from onefold.http.user_api.jobs import JobShown, shown_job
from onefold.messages.spreadsheets import csv_row
from onefold.records import imports as records
from onefold.records import log, workspace_jobs

if TYPE_CHECKING:
    from onefold.contacts.imports import Format
    from onefold.http.user_api.door import Work
    from onefold.records.workspace_jobs import WorkspaceJob

router = APIRouter(route_class=DoorRoute, tags=["imports"])

FORMATS: Final[dict[str, Format]] = {
    "text/csv": "csv",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/x-jsonlines": "jsonl",
}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in FORMATS}}
}
PAGE_LINES = 1_000
LineNumber = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class LineShown(BaseModel):
    """What became of one line."""

    line: int = Field(description="Its number in the file, from 1 on.")
    outcome: Literal["created", "updated", "merged", "unchanged", "refused"]
    contact_id: UUID | None
    code: str | None = Field(description="Why it was refused, or what held a part of it back.")
    reason: str | None


@router.post("/imports", status_code=202, openapi_extra=_BODY)
@lasting("imports", "create", takes_stream=True)
async def import_contacts(
    work: Doing,
    request: Request,
    name: Annotated[str | None, Query(max_length=200, description="What people call it by, such as the file's name.")] = None,
) -> JobShown:
    """Import contacts from CSV or JSONL, of any length. Answered when all of it is stored; the job tells how far it is."""
    form = FORMATS.get(request.headers.get("content-type", "").partition(";")[0].strip().lower())
    if form is None:
        raise Answered(415, "csv_or_jsonl", f"Say what it is: Content-Type {', '.join(FORMATS)}.")
    job = await imports.upload(work.store, work.workspace, form, request.stream(), work.user(), name=name)
    return await begun(work, "imports", job)


@router.get("/imports/{job_id}/lines")
@allowed("imports", "read")
async def list_lines(
    work: Doing,
    job_id: UUID,
    limit: Limit = 50,
    cursor: Cursor = None,
    refused: Annotated[bool, Query(description="Only those that were refused.")] = False,
) -> Page[LineShown]:
    """What became of the lines so far, in their order."""
    await _demand(work, job_id)
    return await lines_page(work, job_id, limit, cursor, refused_only=refused)


@router.get(
    "/imports/{job_id}/report.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
@lasting("imports", "read")
async def download_report(work: Doing, job_id: UUID, refused: bool = False) -> StreamingResponse:
    """The same as a table, for a spreadsheet."""
    async with work.store.transaction([work.workspace]) as connection:
        job = await workspace_jobs.find(connection, work.workspace, job_id)
        _demand_import(job.kind, job_id)
    headers = {"content-disposition": f'attachment; filename="import-{job_id}.csv"', "cache-control": "no-store"}
    return StreamingResponse(_table(work, job_id, refused_only=refused), media_type="text/csv; charset=utf-8", headers=headers)


async def begun(work: Work, object_type: str, job: WorkspaceJob) -> JobShown:
    """Say in the log that a job began from a file, and show it."""
    work.note("began", object_type, job.job_id)
    async with work.store.transaction([work.workspace]) as connection:
        await log.append(connection, work.workspace, work.journal)
    return shown_job(job)


async def lines_page(work: Work, job_id: UUID, limit: int, cursor: str | None, *, refused_only: bool) -> Page[LineShown]:
    """What became of a file's lines, after the place that a cursor says."""
    place = place_of(cursor, tuple[LineNumber])
    after = place[0] if place is not None else 0
    found = await records.lines(work.connection, work.workspace, job_id, after=after, most=limit + 1, refused_only=refused_only)
    return Page(
        items=[LineShown.model_validate(each._asdict()) for each in found[:limit]],
        next=cursor_of((found[limit - 1].line,)) if len(found) > limit else None,
    )


async def _table(work: Work, job_id: UUID, *, refused_only: bool) -> AsyncIterator[str]:
    yield csv_row(LineShown.model_fields)
    after = 0
    while True:
        async with work.store.transaction([work.workspace]) as connection:
            found = await records.lines(connection, work.workspace, job_id, after=after, most=PAGE_LINES, refused_only=refused_only)
        if not found:
            return
        yield "".join(map(csv_row, found))
        after = found[-1].line


async def _demand(work: Work, job_id: UUID) -> None:
    _demand_import((await workspace_jobs.find(work.connection, work.workspace, job_id)).kind, job_id)


def _demand_import(kind: str, job_id: UUID) -> None:
    if kind != imports.KIND:
        raise JobNotFound(f"{job_id} is no import")
