"""Jobs of the workspace: what is under way, and how far (decision 0035)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from onefold.http.paging import Cursor, Limit, Page, cursor_of, place_of
from onefold.http.user_api.door import Doing, DoorRoute, allowed
from onefold.records import workspace_jobs
from onefold.records.workspace_jobs import WorkspaceJob

router = APIRouter(route_class=DoorRoute, tags=["jobs"])

State = Literal["waiting", "running", "done", "failed", "cancelled"]
_OURS = frozenset({"after", "part", "parts", "header"})
"""What of a job's progress says nothing to people."""


class JobShown(BaseModel):
    """A job."""

    job_id: UUID
    kind: str
    state: State
    input: dict[str, Any]
    progress: dict[str, Any] = Field(description="Counts, by kind.")
    actor: str
    reason: str | None
    error: str | None = Field(description="Why it failed; of one that waits, what it waits after.")
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


@router.get("/jobs")
@allowed("jobs", "read")
async def list_jobs(
    work: Doing,
    limit: Limit = 50,
    cursor: Cursor = None,
    kind: Annotated[str | None, Query(max_length=60, pattern=r"^[a-z-]+$")] = None,
    state: State | None = None,
) -> Page[JobShown]:
    """Jobs, the latest first."""
    found = await workspace_jobs.page(
        work.connection, work.workspace, before=place_of(cursor, tuple[datetime, UUID]), kind=kind, state=state, limit=limit + 1
    )
    last = found[limit - 1] if len(found) > limit else None
    return Page(
        items=[shown_job(each) for each in found[:limit]], next=cursor_of((last.created_at, last.job_id)) if last is not None else None
    )


@router.get("/jobs/{job_id}")
@allowed("jobs", "read")
async def read_job(work: Doing, job_id: UUID) -> JobShown:
    """One job, and how far it is."""
    return shown_job(await workspace_jobs.find(work.connection, work.workspace, job_id))


@router.post("/jobs/{job_id}/cancel")
@allowed("jobs", "update")
async def cancel_job(work: Doing, job_id: UUID) -> JobShown:
    """End a job. What it did so far stays."""
    job = await workspace_jobs.cancel(work.connection, work.workspace, job_id)
    work.note("cancelled", "jobs", job_id)
    return shown_job(job)


def shown_job(job: WorkspaceJob) -> JobShown:
    """A job as the API shows it."""
    return JobShown(
        job_id=job.job_id,
        kind=job.kind,
        state=job.state,
        input={name: value for name, value in job.input.items() if value is not None},
        progress={name: value for name, value in job.progress.items() if name not in _OURS},
        actor=job.actor,
        reason=job.reason,
        error=job.error,
        created_at=job.created_at,
        updated_at=job.updated_at,
        finished_at=job.finished_at,
    )
