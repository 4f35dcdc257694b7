"""Use cases on segments: create, edit, fill. A query is checked before it is stored; a fill goes on where it stopped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from onefold.errors import AlreadyExists, Refused, SegmentNotFound, VersionConflict
from onefold.records import segments as records
from onefold.records import workspace_jobs
from onefold.segments.query import parse
from onefold.workspace.workspaces import SLUG, InvalidSlug

if TYPE_CHECKING:
    from collections.abc import Callable

    from onefold.records.segments import Segment
    from onefold.records.store import Connection, Store


class SegmentInUse(Refused):
    """A segment that cannot be destroyed yet."""

    code = "segment_in_use"


FILL_CONTACTS = 5_000
"""Contacts that one transaction of a fill looks at."""


async def create(connection: Connection, workspace: str, slug: str, title: str, raw: object) -> Segment:
    """Store a segment, to be filled. Raises InvalidQuery, InvalidSlug, AlreadyExists."""
    if not SLUG.fullmatch(slug):
        raise InvalidSlug(f"{slug!r} is no slug: use lower-case letters, digits, - and _, beginning with a letter or digit")
    parse(raw)
    segment = await records.insert_segment(connection, workspace, uuid4(), slug, title, raw)
    if segment is None:
        raise AlreadyExists(f"workspace {workspace} has a segment {slug} already; edit it with `onefold segments edit {slug}`")
    return segment


async def edit(
    connection: Connection, workspace: str, slug: str, raw: object, title: str | None = None, *, if_version: int | None = None
) -> Segment:
    """Give a segment another query, to be filled anew. Raises InvalidQuery, SegmentNotFound, VersionConflict."""
    parse(raw)
    present = await find(connection, workspace, slug)
    _demand_version(present, if_version)
    segment = await records.edit_segment(connection, workspace, slug, title or present.title, raw)
    if segment is None:
        raise _missing(workspace, slug)
    return segment


async def find(connection: Connection, workspace: str, slug: str) -> Segment:
    """The segment of this slug. Raises SegmentNotFound."""
    segment = await records.find_segment(connection, workspace, slug)
    if segment is None:
        raise _missing(workspace, slug)
    return segment


async def archive(connection: Connection, workspace: str, slug: str, at: datetime | None, *, if_version: int | None = None) -> Segment:
    """Archive a segment, whose members leave, or (`at` no time) take it out, to be filled anew. Raises SegmentNotFound, VersionConflict."""
    present = await find(connection, workspace, slug)
    _demand_version(present, if_version)
    if present.archived_at == at:
        return present
    segment = await records.archive_segment(connection, workspace, slug, at)
    if segment is None:
        raise _missing(workspace, slug)
    return segment


async def destroy(connection: Connection, segment: Segment, actor: str) -> None:
    """Let an archived segment be no more; a job deletes what it knew of contacts. Raises SegmentInUse while members are leaving."""
    if segment.archived_at is None or segment.is_filling:
        raise SegmentInUse(f"segment {segment.slug} has members that are still leaving: archive it, and wait until its state is live")
    await records.destroy_segment(connection, segment)
    await ask_for_fill(connection, segment, actor)


async def ask_for_fill(connection: Connection, segment: Segment, actor: str) -> None:
    """Let a job of the workspace fill the segment, or clear it away once it is destroyed, where nobody waits for it."""
    await workspace_jobs.create(connection, segment.workspace, workspace_jobs.SEGMENT_FILL, _named(segment), actor=actor)


async def fill(store: Store, segment: Segment, progress: Callable[[int, int], None] = lambda _entered, _left: None) -> Segment:
    """Fill a segment to its end, in a transaction for each chunk; whoever is interrupted calls it again.

    Ends early, having done no harm, when the segment is edited meanwhile: the fill of the newer query does the work.
    """
    version = segment.version
    while segment.is_filling and segment.version == version:
        async with store.transaction([segment.workspace]) as connection:
            segment, transitions = await records.fill_chunk(connection, segment, FILL_CONTACTS, datetime.now(UTC))
        entered = sum(each.entered for each in transitions)
        progress(entered, len(transitions) - entered)
    return segment


def _named(segment: Segment) -> dict[str, str]:
    return {"slug": segment.slug, "segment_id": str(segment.segment_id)}


def _demand_version(present: Segment, wanted: int | None) -> None:
    if wanted is not None and present.version != wanted:
        raise VersionConflict(f"segment {present.slug} is at version {present.version} by now, not at {wanted}: look again")


def _missing(workspace: str, slug: str) -> SegmentNotFound:
    return SegmentNotFound(f"workspace {workspace} has no segment {slug}; `onefold segments list` shows those that it has")
