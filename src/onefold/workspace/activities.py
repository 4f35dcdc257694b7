"""Comments, tasks and approvals on records (product-facts, 3.12): who may write what, and what follows from it.

A task or an approval mentions whom it concerns; only they say whether something is approved, which makes it done. `started_at` is when it
first left the backlog. Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from onefold.errors import ContactErased, ContactNotFound, InvalidMessage, OrganizationNotFound, Refused, VersionConflict
from onefold.records import activities as rows
from onefold.records import organizations, users
from onefold.records.activities import Activity
from onefold.records.reads import load_record
from onefold.records.visibility import demand_contact

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from onefold.records.store import Connection
    from onefold.records.visibility import Visible

Type = Literal["comments", "tasks", "approvals"]
Priority = Literal["normal", "high", "urgent"]
Status = Literal["backlog", "todo", "doing", "done"]
ObjectType = Literal["contacts", "organizations"]
MOST_CONTENT, MOST_MENTIONS = 20_000, 50
NOW = "select clock_timestamp()"


class ActivityNotFound(Refused):
    """There is no such activity, or it is on a record that the caller does not see."""

    code = "activity_not_found"


class NotYours(Refused):
    """What only its author, or only whom it mentions, may do."""

    code = "not_yours"


@dataclass(frozen=True, slots=True)
class New:
    """What is to be written on a record."""

    object_type: ObjectType
    object_id: UUID
    type: Type
    content: str
    mentions: Sequence[UUID] = ()
    parent_id: UUID | None = None
    priority: Priority = "normal"
    status: Status = "backlog"
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be different; None leaves it."""

    content: str | None = None
    mentions: Sequence[UUID] | None = None
    priority: Priority | None = None
    status: Status | None = None
    is_approved: bool | None = None
    due_at: datetime | None = None


async def create(connection: Connection, workspace: str, new: New, author: UUID, visible: Visible) -> Activity:
    """Write one. Raises ContactNotFound, OrganizationNotFound, InvalidMessage."""
    object_id = await _record(connection, workspace, new.object_type, new.object_id, visible)
    if new.parent_id is not None:
        parent = await find(connection, workspace, new.parent_id, visible)
        there = await _record(connection, workspace, parent.object_type, parent.object_id, visible)
        if (parent.object_type, there) != (new.object_type, object_id):
            raise InvalidMessage("an answer is on the same record as what it answers", code="invalid_parent")
    at: datetime = await connection.fetchval(NOW)
    activity = Activity(
        workspace,
        uuid.uuid4(),
        new.object_type,
        object_id,
        new.type,
        new.parent_id,
        author,
        _content(new.content),
        new.priority,
        new.status,
        None,
        new.due_at,
        at if new.status != "backlog" else None,
        1,
        at,
        at,
        await _mentions(connection, workspace, new.type, new.mentions),
    )
    await rows.insert(connection, activity)
    return activity


async def find(connection: Connection, workspace: str, activity_id: UUID, visible: Visible, *, will_write: bool = False) -> Activity:
    """One. Raises ActivityNotFound."""
    found = await rows.get(connection, workspace, activity_id, visible, will_write=will_write)
    if found is None:
        raise ActivityNotFound(f"there is no activity {activity_id}")
    return found


async def edit(
    connection: Connection, workspace: str, activity_id: UUID, wanted: Edit, who: UUID, visible: Visible, *, version: int | None
) -> tuple[Activity, Activity]:
    """Change one; gives the one before and the one after. What it says only its author changes. Raises VersionConflict, NotYours."""
    before = await find(connection, workspace, activity_id, visible, will_write=True)
    if version is not None and before.version != version:
        raise VersionConflict(f"activity {activity_id} is at version {before.version} by now, not at {version}: look again")
    if wanted.content is not None and before.user_id != who:
        raise NotYours("only its author changes what an activity says")
    after = await _changed(connection, workspace, before, wanted, who)
    if after == before:
        return before, before
    at: datetime = await connection.fetchval(NOW)
    started = before.started_at or (at if after.status != "backlog" else None)
    after = after._replace(started_at=started, updated_at=at, version=before.version + 1)
    await rows.update(connection, after)
    return before, after


async def destroy(connection: Connection, workspace: str, activity_id: UUID, who: UUID, visible: Visible, *, anybodys: bool) -> Activity:
    """Delete one, with what answers it: one's own, or `anybodys`. Raises ActivityNotFound, NotYours."""
    found = await find(connection, workspace, activity_id, visible, will_write=True)
    if found.user_id != who and not anybodys:
        raise NotYours("only its author deletes an activity")
    await rows.delete(connection, found)
    return found


async def _changed(connection: Connection, workspace: str, before: Activity, wanted: Edit, who: UUID) -> Activity:
    after = before
    if wanted.content is not None:
        after = after._replace(content=_content(wanted.content))
    if wanted.mentions is not None:
        after = after._replace(mentions=await _mentions(connection, workspace, before.type, wanted.mentions))
    for name in ("priority", "status", "due_at"):
        value = getattr(wanted, name)
        if value is not None:
            after = after._replace(**{name: value})
    if wanted.is_approved is not None:
        if before.type != "approvals" or who not in after.mentions:
            raise NotYours("only whom an approval mentions says whether it is approved")
        after = after._replace(is_approved=wanted.is_approved, status="done" if wanted.is_approved else after.status)
    return after


async def _record(connection: Connection, workspace: str, object_type: str, object_id: UUID, visible: Visible) -> UUID:
    """The record that is meant, redirects followed, if the caller sees it."""
    if object_type == "organizations":
        found = await organizations.find(connection, workspace, object_id)
        if found is None or not await organizations.is_seen(connection, workspace, object_id, visible):
            raise OrganizationNotFound(f"there is no organization {object_id}")
        return object_id
    await demand_contact(connection, workspace, object_id, visible)
    try:
        record = await load_record(connection, [workspace], object_id)
    except ContactErased as error:
        raise ContactNotFound(str(error)) from error
    if record is None:
        raise ContactNotFound(f"there is no contact {object_id}")
    return record.contact.contact_id


async def _mentions(connection: Connection, workspace: str, kind: str, wanted: Sequence[UUID]) -> list[UUID]:
    found = sorted(set(wanted))
    if kind != "comments" and not found:
        raise InvalidMessage("a task or an approval mentions at least one user: whom it concerns", code="mentions_needed")
    if len(found) > MOST_MENTIONS:
        raise InvalidMessage(f"an activity mentions at most {MOST_MENTIONS} users", code="too_many")
    for each in found:
        user = await users.user_by_id(connection, workspace, each)
        if user is None or user.archived_at is not None:
            raise InvalidMessage(f"there is no user {each} to mention", code="unknown_user")
    return found


def _content(text: str) -> str:
    said = text.strip()
    if not 0 < len(said) <= MOST_CONTENT or "\0" in said:
        raise InvalidMessage(f"an activity says something, in at most {MOST_CONTENT:,} characters", code="invalid_content")
    return said
