"""How addresses are validated: codes, links, where texts go (product.md, section 6)."""

from __future__ import annotations

from fastapi import APIRouter

from onefold.http.user_api.door import Doing, DoorRoute, allowed
from onefold.records.validation_settings import ValidationSettings
from onefold.workspace import validation

router = APIRouter(route_class=DoorRoute, tags=["settings"])


@router.get("/settings/validation")
@allowed("validation", "read")
async def read_validation(work: Doing) -> ValidationSettings:
    """How the workspace validates addresses. The version is the ETag: 0 while all is as by default."""
    found = await validation.show(work.connection, work.workspace)
    work.version = found.version
    return found.settings


@router.put("/settings/validation")
@allowed("validation", "update")
async def set_validation(work: Doing, body: ValidationSettings) -> ValidationSettings:
    """Put these settings in the place of all; what is left out is as by default. What is under way stays as it was made."""
    expected = work.expected_version()
    before, after = await validation.change(work.connection, work.workspace, body, if_version=expected)
    if before != after:
        changes = validation.changes_told(before, after)
        work.note("updated", validation.OBJECT_TYPE, work.workspace, version=after.version, changes=changes)
    work.version = after.version
    return after.settings
