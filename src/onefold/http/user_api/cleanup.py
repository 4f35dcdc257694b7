"""For how long ghosts are kept that never come back (product.md, section 11)."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from onefold.contacts import ghosts as use_cases
from onefold.contacts.ghosts import LONGEST_DAYS
from onefold.http.user_api.door import Doing, DoorRoute, allowed
from onefold.records import ghosts

router = APIRouter(route_class=DoorRoute, tags=["settings"])


class CleanupShown(BaseModel):
    """The setting."""

    delete_ghosts_inactive_for: int | None = Field(description="Days; null: ghosts are kept for ever.")
    version: int


class CleanupSet(BaseModel):
    """The setting, as it is to be."""

    model_config = ConfigDict(extra="forbid")

    delete_ghosts_inactive_for: int | None = Field(ge=1, le=LONGEST_DAYS, description="Days; null: ghosts are kept for ever.")


@router.get("/settings/ghost-cleanup")
@allowed("cleanup", "read")
async def read_cleanup(work: Doing) -> CleanupShown:
    """After how many days a ghost that is neither seen nor changed is destroyed."""
    found = await ghosts.keeping(work.connection, work.workspace)
    work.version = found.version
    return CleanupShown(delete_ghosts_inactive_for=found.inactive_days, version=found.version)


@router.put("/settings/ghost-cleanup")
@allowed("cleanup", "update")
async def set_cleanup(work: Doing, body: CleanupSet) -> CleanupShown:
    """Say after how many days. Leads, contacts and vendors are never destroyed by it."""
    expected = work.expected_version()
    before, after = await use_cases.keep_for(work.connection, work.workspace, body.delete_ghosts_inactive_for, if_version=expected)
    if before != after:
        work.note("updated", "cleanup", work.workspace, version=after.version, changes=[use_cases.change_told(before, after)])
    work.version = after.version
    return CleanupShown(delete_ghosts_inactive_for=after.inactive_days, version=after.version)
