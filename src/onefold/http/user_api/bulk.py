"""Bulk operations on contacts: one thing for many, as a job with progress (product.md, section 12; decision 0035)."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from onefold.contacts import bulk
from onefold.contacts.bulk import MOST_IDS, Action, Asked, Operation
from onefold.http.user_api.door import Doing, DoorRoute, allowed
from onefold.http.user_api.jobs import JobShown, shown_job

router = APIRouter(route_class=DoorRoute, tags=["jobs"])

Names = Annotated[list[str], Field(max_length=100)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OperationAsked(_Body):
    """What is to be done to each contact."""

    action: Action
    add: Names = Field(default=[], description="Tags, slugs of profiles or taxonomies, or ids of users.")
    remove: Names = []
    organization_id: UUID | None = Field(None, description="For `organization`; null: to none.")


class BulkAsked(_Body):
    """The operation, and whom it is for: either `ids`, or all that a segment query finds when their turn comes."""

    operation: OperationAsked
    ids: list[UUID] | None = Field(None, max_length=MOST_IDS)
    query: dict[str, Any] | None = Field(None, description="A segment query; archived contacts match none.")
    reason: str | None = Field(None, max_length=1_000)


@router.post("/contacts/bulk", status_code=202)
@allowed("jobs", "create")
async def begin_bulk(work: Doing, body: BulkAsked) -> JobShown:
    """Archive, restore, tag, classify, own, follow or give an organization to many contacts; each a version and an entry of the log."""
    asked = Asked(msgspec.convert(body.operation.model_dump(), Operation), body.ids, body.query)
    job = await bulk.begin(work.connection, work.workspace, asked, work.user(body.reason))
    work.note("began", "jobs", job.job_id, reason=body.reason)
    return shown_job(job)
