"""Users and their roles; for Super Admins to change (product.md, section 9)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from onefold.access import resets
from onefold.access import users as use_cases
from onefold.access.matrix import TITLES, Role, rank
from onefold.access.users import Wish
from onefold.http.paging import Cursor, Limit, Page, cursor_of, place_of
from onefold.http.user_api.door import Doing, DoorRoute, allowed
from onefold.outreach import notices
from onefold.records import users
from onefold.records.activities import open_of
from onefold.records.users import UserRow

router = APIRouter(route_class=DoorRoute, tags=["users"])

_HIDDEN = ("super_admin", "master", "service_account", "coach")
"""Left out of what Journey Managers see (product-facts 2.1)."""


class UserShown(BaseModel):
    """A user."""

    user_id: UUID
    email: str
    given_name: str | None
    last_name: str | None
    roles: list[str]
    is_enabled: bool
    has_password: bool
    must_reset: bool
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    open_activities: int | None = Field(None, description="Tasks and approvals that mention the user and are not done; in lists.")


class UserMade(BaseModel):
    """A user to make. No password: whoever it is chooses one, after proving the address."""

    model_config = ConfigDict(extra="forbid")

    email: str = Field(max_length=320)
    given_name: str | None = Field(None, max_length=200)
    last_name: str | None = Field(None, max_length=200)
    roles: list[Role] = Field(min_length=1, max_length=5)


class UserEdited(BaseModel):
    """What of a user is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    email: str | None = Field(None, max_length=320)
    given_name: str | None = Field(None, max_length=200)
    last_name: str | None = Field(None, max_length=200)
    roles: list[Role] | None = Field(None, min_length=1, max_length=5)
    is_enabled: bool | None = None


class RoleShown(BaseModel):
    """A role that a user can have."""

    role: str
    title: str
    may_grant: bool = Field(description="Whether the caller may grant it.")


def shown_user(row: UserRow, open_activities: int | None = None) -> UserShown:
    """A user as the API shows them: never what a password is compared with."""
    return UserShown(
        open_activities=open_activities,
        user_id=row.user_id,
        email=row.email,
        given_name=row.given_name,
        last_name=row.last_name,
        roles=row.roles,
        is_enabled=row.is_enabled,
        has_password=row.password_hash is not None,
        must_reset=row.must_reset,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        archived_at=row.archived_at,
    )


@router.get("/users")
@allowed("users", "read")
async def list_users(
    work: Doing,
    limit: Limit = 50,
    cursor: Cursor = None,
    role: Annotated[Role | None, Query(description="Only who has this role.")] = None,
    archived: Annotated[bool, Query(description="The archived ones instead of the active ones.")] = False,
) -> Page[UserShown]:
    """Users, the oldest first."""
    place = place_of(cursor, tuple[datetime, UUID])
    hidden = _HIDDEN if work.caller.roles == {"journey_manager"} else None
    found = await users.list_users(
        work.connection, work.workspace, after=place, limit=limit + 1, role=role, archived=archived, without_roles=hidden
    )
    counts = await open_of(work.connection, work.workspace, [each.user_id for each in found])
    last = found[limit - 1] if len(found) > limit else None
    return Page(
        items=[shown_user(each, counts.get(each.user_id, 0)) for each in found[:limit]],
        next=cursor_of((last.created_at, last.user_id)) if last is not None else None,
    )


@router.post("/users", status_code=201)
@allowed("users", "create")
async def create_user(work: Doing, body: UserMade) -> UserShown:
    """Make a user. They sign in once they have chosen a password, or through a trusted issuer."""
    wish = Wish(body.email, body.given_name, body.last_name, body.roles)
    made = await use_cases.create_user(work.connection, work.workspace, work.caller, wish, None)
    work.note("created", "users", made.user_id, version=made.version, changes=_changes(None, made))
    work.version = made.version
    return shown_user(made)


@router.get("/users/{user_id}")
@allowed("users", "read")
async def read_user(work: Doing, user_id: UUID) -> UserShown:
    """One user."""
    found = await use_cases.find_user(work.connection, work.workspace, user_id)
    if work.caller.roles == {"journey_manager"} and set(found.roles) & set(_HIDDEN):
        raise use_cases.UserNotFound(f"there is no user {user_id}")
    work.version = found.version
    return shown_user(found)


@router.patch("/users/{user_id}")
@allowed("users", "update")
async def edit_user(work: Doing, user_id: UUID, body: UserEdited) -> UserShown:
    """Change a user. What they may do changes at their next call."""
    wish = Wish(body.email, body.given_name, body.last_name, body.roles, body.is_enabled)
    before, after = await use_cases.edit_user(work.connection, work.caller, user_id, wish, work.expected_version())
    if before != after:
        work.note("updated", "users", user_id, version=after.version, changes=_changes(before, after))
    work.version = after.version
    return shown_user(after)


@router.delete("/users/{user_id}", status_code=204)
@allowed("users", "archive")
async def archive_user(work: Doing, user_id: UUID) -> None:
    """Archive a user: they are signed out, and cannot sign in."""
    before, after = await use_cases.archive_user(work.connection, work.caller, user_id)
    if before != after:
        work.note("archived", "users", user_id, version=after.version)


@router.post("/users/{user_id}/restore")
@allowed("users", "archive")
async def restore_user(work: Doing, user_id: UUID) -> UserShown:
    """Take a user out of the archive."""
    before, after = await use_cases.archive_user(work.connection, work.caller, user_id, restore=True)
    if before != after:
        work.note("restored", "users", user_id, version=after.version)
    work.version = after.version
    return shown_user(after)


@router.post("/users/{user_id}/reset", status_code=202)
@allowed("users", "update")
async def start_reset(work: Doing, user_id: UUID) -> UserShown:
    """Void a user's password and end their sessions; they choose a new one by a link that is sent to their address."""
    after, token = await use_cases.start_reset(work.connection, work.caller, user_id)
    await notices.password_reset(work.connection, after, resets.link(work.parts.links_url, token), resets.LIFE)
    work.note("reset_started", "users", user_id, version=after.version)
    work.version = after.version
    return shown_user(after)


@router.get("/roles")
@allowed("users", "read")
async def list_roles(work: Doing) -> list[RoleShown]:
    """The roles, and which of them the caller may grant."""
    mine, may = rank(work.caller.roles), bool(work.caller.scope("users", "update"))
    return [RoleShown(role=role, title=title, may_grant=may and rank([role]) <= mine) for role, title in TITLES.items()]


def _changes(before: UserRow | None, after: UserRow) -> list[dict[str, object]]:
    fields = ("given_name", "last_name", "roles", "is_enabled")
    found = [(name, getattr(before, name, None), getattr(after, name)) for name in fields]
    changes: list[dict[str, object]] = [
        {"type": "field", "slug": name, "old_value": old, "new_value": new} for name, old, new in found if old != new
    ]
    if before is None or before.email != after.email:
        changes.append({"type": "field", "slug": "email", "old_value": None, "new_value": None})
    return changes
