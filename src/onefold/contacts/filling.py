"""Look who is in a segment, chunk by chunk, as a job: begun where one is made, edited or archived, ended early where it is edited again.

Where one was destroyed, the same job takes away what it knew of contacts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from onefold.contacts.tools import Advance
from onefold.records import segments

if TYPE_CHECKING:
    from onefold.contacts.tools import Tools
    from onefold.records.store import Connection
    from onefold.records.workspace_jobs import WorkspaceJob

CHUNK = 5_000


async def step(connection: Connection, job: WorkspaceJob, tools: Tools) -> Advance:
    """The next contacts; of a segment that is gone, the next memberships to forget. A fill of a newer query leaves nothing to do."""
    del tools
    found = await segments.find_segment(connection, job.workspace, job.input["slug"])
    named = job.input.get("segment_id")  # not in jobs that are older than the end of a segment
    if named is not None and (found is None or str(found.segment_id) != named):
        return Advance(dict(job.progress), is_done=await segments.forget_members(connection, job.workspace, UUID(named), CHUNK))
    if found is None or not found.is_filling:
        return Advance(dict(job.progress), is_done=True)
    after, transitions = await segments.fill_chunk(connection, found, CHUNK, datetime.now(UTC))
    moved = job.progress.get("moved", 0) + len(transitions)
    return Advance({"moved": moved}, is_done=not after.is_filling)
