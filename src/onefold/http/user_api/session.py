"""Sign in, sign out, and who one is."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from onefold.access import matrix, sessions
from onefold.access.users import find_user
from onefold.http.problems import TOO_MANY, Answered
from onefold.http.user_api.door import COOKIE, Doing, DoorRoute, allowed, lasting, open_to_everybody
from onefold.http.user_api.users import UserShown, shown_user
from onefold.outreach import notices
from onefold.records import users

router = APIRouter(route_class=DoorRoute, tags=["session"])


class SignIn(BaseModel):
    """Who somebody is, and how they show it."""

    model_config = ConfigDict(extra="forbid")

    workspace: str = Field(pattern="^[a-z0-9][a-z0-9_-]{0,62}$")
    email: str = Field(min_length=1, max_length=320)
    password: SecretStr = Field(max_length=1_000)


class SessionShown(BaseModel):
    """A session that goes on."""

    session_id: UUID
    created_at: datetime
    last_used_at: datetime
    ends_at: datetime
    address: str | None
    user_agent: str | None
    is_this: bool


class Me(BaseModel):
    """The caller, and what they may do."""

    user: UserShown
    workspace: str
    permissions: dict[str, dict[str, str]] = Field(description="By resource and action, how far: owned, followed, everything.")
    sessions: list[SessionShown]


@router.post("/session", status_code=201, responses=TOO_MANY)
@open_to_everybody
async def sign_in(work: Doing, body: SignIn, response: Response) -> UserShown:
    """Begin a session: its cookie comes with the answer. Whatever is wrong, the answer is one and the same."""
    parts = work.parts
    begun = await sessions.sign_in(
        work.store, parts.passwords, parts.lives, (body.workspace, body.email), body.password.get_secret_value(), work.origin
    )
    longest = round(begun.lives.longest.total_seconds())
    response.set_cookie(COOKIE, begun.token, max_age=longest, path="/", secure=True, httponly=True, samesite="lax")
    async with work.store.transaction([begun.caller.workspace]) as connection:
        return shown_user(await find_user(connection, begun.caller.workspace, begun.caller.user_id))


@router.delete("/session", status_code=204)
@allowed("account", "update")
async def sign_out(work: Doing, response: Response) -> None:
    """End the session that calls."""
    await sessions.sign_out(work.connection, work.caller)
    work.note("signed_out", "users", work.caller.user_id)
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")


@router.get("/me")
@allowed("account", "read")
async def me(work: Doing) -> Me:
    """Who calls, what they may do, and where else they are signed in."""
    caller = work.caller
    user = await find_user(work.connection, caller.workspace, caller.user_id)
    found = await users.list_sessions(work.connection, caller.workspace, caller.user_id)
    return Me(
        user=shown_user(user),
        workspace=caller.workspace,
        permissions={
            resource: {action: caller.scope(resource, action).name.lower() for action in actions if caller.scope(resource, action)}
            for resource, actions in matrix.ACTIONS.items()
        },
        sessions=[SessionShown(**_asdict(each), is_this=each.session_id == caller.session_id) for each in found],
    )


class PasswordChanged(BaseModel):
    """The password as it is, and as it is to be."""

    model_config = ConfigDict(extra="forbid")

    present: SecretStr = Field(max_length=1_000)
    wanted: SecretStr = Field(max_length=1_000)


@router.put("/me/password", status_code=204, responses=TOO_MANY)
@lasting("account", "update")
async def change_password(work: Doing, body: PasswordChanged) -> None:
    """Choose another password: 12 to 128 characters, not easily guessed. Every other session of yours ends, and you are told by mail."""
    if work.caller.is_machine:
        raise Answered(403, "not_allowed", "A service key does not change a password. Sign in.")
    present, wanted = body.present.get_secret_value(), body.wanted.get_secret_value()
    tell = notices.password_changed
    await sessions.change_password(work.store, work.parts.passwords, work.caller, present, wanted, tell)


@router.delete("/sessions/{session_id}", status_code=204)
@allowed("account", "update")
async def end_session(work: Doing, session_id: UUID) -> None:
    """End one of one's own sessions."""
    own = await users.list_sessions(work.connection, work.workspace, work.caller.user_id)
    if any(each.session_id == session_id for each in own):
        await users.end_session(work.connection, work.workspace, session_id)
        work.note("session_ended", "users", work.caller.user_id)


def _asdict(row: users.SessionRow) -> dict[str, Any]:
    return row._asdict()
