"""Items that save a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.errors import SegmentNotFound
from onefold.records.log import Act
from onefold.workspace import segments

if TYPE_CHECKING:
    from onefold.seeds.apply import Work
    from onefold.seeds.definitions import Made
    from onefold.seeds.items import SegmentData


async def make(work: Work, data: SegmentData) -> Made:
    """Make it so. A new or edited one is filled afterwards, by `onefold segments fill` or by its job."""
    try:
        present = await segments.find(work.connection, work.workspace, data.slug)
    except SegmentNotFound:
        made = await segments.create(work.connection, work.workspace, data.slug, data.title, data.query)
        _note(work, "created", str(made.segment_id))
        return data.slug, "created", {}
    pairs = {"title": (present.title, data.title), "query": (present.raw, data.query)}
    changes = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    if changes:
        await segments.edit(work.connection, work.workspace, data.slug, data.query, data.title)
        _note(work, "updated", str(present.segment_id))
    return data.slug, "updated" if changes else "unchanged", changes


def _note(work: Work, action: str, segment_id: str) -> None:
    user = work.user
    if user.journal is not None:
        user.journal.append(Act(user.actor, action, "segments", segment_id, None, None, user.reason, (), user.origin))
