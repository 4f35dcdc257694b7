"""Comments, tasks and approvals on contacts and organizations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from onefold.access.matrix import Scope
from onefold.http.paging import Cursor, Limit, Page, cursor_of, place_of
from onefold.http.problems import Answered
from onefold.http.user_api.door import Doing, DoorRoute, Work, allowed
from onefold.records import activities as rows
from onefold.records.activities import Activity
from onefold.workspace import activities as use_cases
from onefold.workspace.activities import Edit, New, ObjectType, Priority, Status, Type

router = APIRouter(route_class=DoorRoute, tags=["activities"])

Content = Annotated[str, Field(min_length=1, max_length=20_000)]
Mentions = Annotated[list[UUID], Field(max_length=50, description="Users whom it concerns; a task or an approval needs one.")]


class ActivityShown(BaseModel):
    """A comment, task or approval."""

    activity_id: UUID
    object_type: str
    object_id: UUID = Field(description="The record that it was written on; of an absorbed contact it redirects.")
    type: str
    parent_id: UUID | None
    user_id: UUID = Field(description="Who wrote it.")
    content: str
    priority: str
    status: str
    is_approved: bool | None
    mentions: list[UUID]
    due_at: datetime | None
    started_at: datetime | None = Field(description="When it first left the backlog.")
    version: int
    created_at: datetime
    updated_at: datetime


class ActivityMade(BaseModel):
    """One to write."""

    model_config = ConfigDict(extra="forbid")

    object_type: ObjectType
    object_id: UUID
    type: Type
    content: Content
    mentions: Mentions = []
    parent_id: UUID | None = Field(None, description="What it answers.")
    priority: Priority = "normal"
    status: Status = "backlog"
    due_at: AwareDatetime | None = None


class ActivityEdited(BaseModel):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    content: Content | None = Field(None, description="Its author's to change.")
    mentions: Mentions | None = None
    priority: Priority | None = None
    status: Status | None = None
    is_approved: bool | None = Field(None, description="For whom an approval mentions to say; true makes it done.")
    due_at: AwareDatetime | None = None


@router.get("/activities")
@allowed("activities", "read")
async def list_activities(
    work: Doing,
    limit: Limit = 50,
    cursor: Cursor = None,
    object_type: ObjectType | None = None,
    object_id: UUID | None = None,
    type: Annotated[Type | None, Query(description="Only of this type.")] = None,  # noqa: A002 -- the parameter's name
    status: Status | None = None,
    mentions: Annotated[UUID | None, Query(description="Whom they mention, instead of the record that they are on.")] = None,
    is_open: Annotated[bool, Query(description="With `mentions`: those in which something is still to be done, or the others.")] = True,
) -> Page[ActivityShown]:
    """Those on a record, or those that mention a user; the latest first."""
    before = place_of(cursor, tuple[datetime, UUID])
    if mentions is not None:
        found = await rows.of_user(work.connection, work.workspace, work.visible, mentions, is_open=is_open, before=before, limit=limit + 1)
    elif object_type is not None and object_id is not None:
        found = await rows.on_object(
            work.connection,
            work.workspace,
            work.visible,
            (object_type, object_id),
            kind=type,
            status=status,
            before=before,
            limit=limit + 1,
        )
    else:
        raise Answered(422, "incomplete", "Say which record (object_type and object_id), or whom they mention (mentions).")
    last = found[limit - 1] if len(found) > limit else None
    following = cursor_of((last.created_at, last.activity_id)) if last is not None else None
    return Page(items=[shown_activity(each) for each in found[:limit]], next=following)


@router.post("/activities", status_code=201)
@allowed("activities", "create")
async def create_activity(work: Doing, body: ActivityMade) -> ActivityShown:
    """Write a comment, a task or an approval on a record."""
    new = New(**{name: getattr(body, name) for name in ActivityMade.model_fields})
    made = await use_cases.create(work.connection, work.workspace, new, work.caller.user_id, work.visible)
    return _told(work, made, "created")


@router.get("/activities/{activity_id}")
@allowed("activities", "read")
async def read_activity(work: Doing, activity_id: UUID) -> ActivityShown:
    """One of them."""
    return _told(work, await use_cases.find(work.connection, work.workspace, activity_id, work.visible), None)


@router.patch("/activities/{activity_id}")
@allowed("activities", "update")
async def edit_activity(work: Doing, activity_id: UUID, body: ActivityEdited) -> ActivityShown:
    """Go on with one: its status, whom it concerns, whether it is approved."""
    wanted = Edit(**{name: getattr(body, name) for name in ActivityEdited.model_fields})
    before, after = await use_cases.edit(
        work.connection, work.workspace, activity_id, wanted, work.caller.user_id, work.visible, version=work.expected_version()
    )
    return _told(work, after, "updated" if before != after else None, before)


@router.delete("/activities/{activity_id}", status_code=204)
@allowed("activities", "destroy")
async def destroy_activity(work: Doing, activity_id: UUID) -> None:
    """Delete one, with what answers it."""
    anybodys = work.scope is Scope.EVERYTHING
    visible = work.caller.visible(work.caller.scope("activities", "read"))
    await use_cases.destroy(work.connection, work.workspace, activity_id, work.caller.user_id, visible, anybodys=anybodys)
    work.note("destroyed", "activities", activity_id)


def shown_activity(found: Activity) -> ActivityShown:
    """As the API shows it."""
    return ActivityShown(**{name: getattr(found, name) for name in ActivityShown.model_fields})


def _told(work: Work, found: Activity, action: str | None, before: Activity | None = None) -> ActivityShown:
    """In the log stands what became of it, never what it says: that goes with whom it is about."""
    if action is not None:
        names = ("status", "priority", "is_approved", "due_at")
        pairs = [(name, getattr(before, name) if before is not None else None, getattr(found, name)) for name in names]
        changes: list[dict[str, object]] = [
            {"type": "field", "slug": name, "old_value": old, "new_value": new} for name, old, new in pairs if old != new
        ]
        work.note(action, "activities", found.activity_id, version=found.version, changes=changes)
    work.version = found.version
    work.told_of = (str(found.object_id),)
    return shown_activity(found)
