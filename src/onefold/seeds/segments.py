"""Items that save a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.errors import SegmentNotFound
from onefold.records.log import Act
from onefold.workspace import segments

if TYPE_CHECKING:
    from onefold.records.segments import Segment
    from onefold.seeds.apply import Work
    from onefold.seeds.definitions import Made
    from onefold.seeds.items import SegmentData


async def make(work: Work, data: SegmentData) -> Made:
    """Make it so. A new, edited or archived one is filled afterwards, by its job."""
    try:
        present = await segments.find(work.connection, work.workspace, data.slug)
    except SegmentNotFound:
        made = await segments.create(work.connection, work.workspace, data.slug, data.title, data.query)
        if data.deleted_at is not None:
            made = await segments.archive(work.connection, work.workspace, data.slug, data.deleted_at)
        await _changed(work, "created", made)
        return data.slug, "created", {}
    pairs: dict[str, tuple[object, object]] = {"title": (present.title, data.title), "query": (present.raw, data.query)}
    if "deleted_at" in data.model_fields_set:
        pairs["archived_at"] = (present.archived_at, data.deleted_at)
    changes = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    if {"title", "query"} & changes.keys():
        present = await segments.edit(work.connection, work.workspace, data.slug, data.query, data.title)
    if "archived_at" in changes:
        present = await segments.archive(work.connection, work.workspace, data.slug, data.deleted_at)
    if changes:
        await _changed(work, "updated", present)
    return data.slug, "updated" if changes else "unchanged", changes


async def _changed(work: Work, action: str, segment: Segment) -> None:
    await segments.ask_for_fill(work.connection, segment, work.user.actor)
    _note(work, action, str(segment.segment_id))


def _note(work: Work, action: str, segment_id: str) -> None:
    user = work.user
    if user.journal is not None:
        user.journal.append(Act(user.actor, action, "segments", segment_id, None, None, user.reason, (), user.origin))
