"""Look who is in a segment, chunk by chunk, as a job: begun where one is made or edited, ended early where it is edited again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from onefold.contacts.tools import Advance
from onefold.records import segments

if TYPE_CHECKING:
    from onefold.contacts.tools import Tools
    from onefold.records.store import Connection
    from onefold.records.workspace_jobs import WorkspaceJob

CHUNK = 5_000


async def step(connection: Connection, job: WorkspaceJob, tools: Tools) -> Advance:
    """The next contacts. Where the fill of a newer query has done it, or the segment is gone, there is nothing to do."""
    del tools
    found = await segments.find_segment(connection, job.workspace, job.input["slug"])
    if found is None or not found.is_filling:
        return Advance(dict(job.progress), is_done=True)
    after, transitions = await segments.fill_chunk(connection, found, CHUNK, datetime.now(UTC))
    moved = job.progress.get("moved", 0) + len(transitions)
    return Advance({"moved": moved}, is_done=not after.is_filling)
