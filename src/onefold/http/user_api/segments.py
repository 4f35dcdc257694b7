"""Segments: saved queries over contacts, whose members are kept by themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from onefold.http.user_api.door import Doing, DoorRoute, allowed
from onefold.records import contact_lists
from onefold.records import segments as records
from onefold.records.contact_lists import Archived, Filters
from onefold.records.segments import Segment
from onefold.segments.query import parse
from onefold.workspace import segments

router = APIRouter(route_class=DoorRoute, tags=["segments"])

SAMPLE = 10
MOST_COUNTED = 10_000


class SegmentShown(BaseModel):
    """A segment."""

    slug: str
    title: str
    query: dict[str, Any]
    version: int
    state: str = Field(description="filling: its members are still being looked for; live.")
    members: int | None = Field(description="Null where it was not counted.")
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = Field(description="Archived ones have no members.")


class SegmentMade(BaseModel):
    """A segment to save."""

    model_config = ConfigDict(extra="forbid")

    slug: str = Field(max_length=63)
    title: str = Field(min_length=1, max_length=200)
    query: dict[str, Any]


class SegmentEdited(BaseModel):
    """What of a segment is to be different."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = Field(None, min_length=1, max_length=200)
    query: dict[str, Any] | None = None


class Previewed(BaseModel):
    """A query to try."""

    model_config = ConfigDict(extra="forbid")

    query: dict[str, Any]


class SegmentPreview(BaseModel):
    """Who would be in it."""

    members: int
    is_more: bool = Field(description="Whether there are more than were counted.")
    sample: list[UUID]


@router.get("/segments")
@allowed("segments", "read")
async def list_segments(work: Doing, archived: Archived = "without") -> list[SegmentShown]:
    """All segments, with how many are in each now."""
    wanted = {"without": (False,), "with": (False, True), "only": (True,)}[archived]
    return [_shown(each, members) for each, members in await records.list_segments(work.connection, work.workspace, archived=wanted)]


@router.post("/segments", status_code=201)
@allowed("segments", "create")
async def create_segment(work: Doing, body: SegmentMade) -> SegmentShown:
    """Save a segment. Its members are looked for afterwards, in chunks."""
    made = await segments.create(work.connection, work.workspace, body.slug, body.title, body.query)
    await segments.ask_for_fill(work.connection, made, work.caller.actor)
    work.note("created", "segments", made.slug, version=made.version)
    work.version = made.version
    return _shown(made, None)


@router.post("/segments/preview")
@allowed("segments", "read")
async def preview_segment(work: Doing, body: Previewed) -> SegmentPreview:
    """How many would be in it, and some of them; of those whom the caller may see."""
    work.caller.demand("contacts", "read")
    visible = work.caller.visible(work.caller.scope("contacts", "read"))
    filters = Filters(query=parse(body.query), visible=(visible.user_id, visible.kinds) if visible.kinds is not None else None)
    found = await contact_lists.page(work.connection, work.workspace, filters, None, MOST_COUNTED + 1)
    return SegmentPreview(
        members=min(len(found), MOST_COUNTED), is_more=len(found) > MOST_COUNTED, sample=[each.contact_id for each in found[:SAMPLE]]
    )


@router.get("/segments/{slug}")
@allowed("segments", "read")
async def read_segment(work: Doing, slug: str) -> SegmentShown:
    """One segment."""
    found = await segments.find(work.connection, work.workspace, slug)
    work.version = found.version
    return _shown(found, None)


@router.patch("/segments/{slug}")
@allowed("segments", "update")
async def edit_segment(work: Doing, slug: str, body: SegmentEdited) -> SegmentShown:
    """Change the query or the title: its members are looked for anew."""
    present = await segments.find(work.connection, work.workspace, slug)
    expected = work.expected_version()
    raw = body.query if body.query is not None else present.raw
    edited = await segments.edit(work.connection, work.workspace, slug, raw, body.title, if_version=expected)
    await segments.ask_for_fill(work.connection, edited, work.caller.actor)
    work.note("updated", "segments", slug, version=edited.version)
    work.version = edited.version
    return _shown(edited, None)


@router.delete("/segments/{slug}", status_code=204)
@allowed("segments", "archive")
async def delete_segment(work: Doing, slug: str) -> None:
    """Archive a segment: its members leave. Destroy an archived one that they have left."""
    found = await segments.find(work.connection, work.workspace, slug)
    if found.archived_at is None:
        archived = await segments.archive(work.connection, work.workspace, slug, datetime.now(UTC), if_version=work.if_match)
        await segments.ask_for_fill(work.connection, archived, work.caller.actor)
        work.note("archived", "segments", slug, version=archived.version)
        return
    work.caller.demand("segments", "destroy")
    await segments.destroy(work.connection, found, work.caller.actor)
    work.note("destroyed", "segments", slug)


@router.post("/segments/{slug}/restore")
@allowed("segments", "archive")
async def restore_segment(work: Doing, slug: str) -> SegmentShown:
    """Take a segment out of the archive: its members are looked for anew."""
    restored = await segments.archive(work.connection, work.workspace, slug, None, if_version=work.if_match)
    if restored.is_filling:
        await segments.ask_for_fill(work.connection, restored, work.caller.actor)
        work.note("restored", "segments", slug, version=restored.version)
    work.version = restored.version
    return _shown(restored, None)


def _shown(segment: Segment, members: int | None) -> SegmentShown:
    return SegmentShown(
        slug=segment.slug,
        title=segment.title,
        query=segment.raw,
        version=segment.version,
        state=segment.state,
        members=members,
        created_at=segment.created_at,
        updated_at=segment.updated_at,
        archived_at=segment.archived_at,
    )
