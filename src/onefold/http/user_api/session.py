"""Sign in, sign out, and who one is."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Cookie, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from onefold.access import matrix, sessions, sign_in_links
from onefold.access.users import find_user
from onefold.http.problems import TOO_MANY, Answered
from onefold.http.user_api.door import COOKIE, Doing, DoorRoute, allowed, lasting, open_to_everybody
from onefold.http.user_api.users import UserShown, shown_user
from onefold.outreach import notices
from onefold.records import users

if TYPE_CHECKING:
    from onefold.access.sessions import SignedIn
    from onefold.access.sign_in_links import Made
    from onefold.http.user_api.door import Work
    from onefold.records.store import Connection
    from onefold.records.users import UserRow

router = APIRouter(route_class=DoorRoute, tags=["session"])

BROWSER: Final = "__Host-onefold-browser"
"""What a browser keeps that asked for a link: there it needs no code."""
_BROWSER_SECONDS: Final = 7 * 86_400
"""As long as a link lives at most."""
Browser = Annotated[str | None, Cookie(alias=BROWSER, include_in_schema=False)]


class SignIn(BaseModel):
    """Who somebody is, and how they show it."""

    model_config = ConfigDict(extra="forbid")

    workspace: str = Field(pattern="^[a-z0-9][a-z0-9_-]{0,62}$")
    email: str = Field(min_length=1, max_length=320)
    password: SecretStr = Field(max_length=1_000)


class LinkWanted(BaseModel):
    """Whom a link is to be sent to."""

    model_config = ConfigDict(extra="forbid")

    workspace: str = Field(pattern="^[a-z0-9][a-z0-9_-]{0,62}$")
    email: str = Field(min_length=1, max_length=320)


class LinkSent(BaseModel):
    """Whether or not somebody has the e-mail."""

    expires_in_seconds: int = Field(description="For how long the link works, if one was sent.")


class LinkFollowed(BaseModel):
    """What the link brought; in another browser than the one that asked for it, the message's code, too."""

    model_config = ConfigDict(extra="forbid")

    token: SecretStr = Field(max_length=200, description="What stands behind the # of the link.")
    code: SecretStr | None = Field(None, max_length=20)


class SignedInByLink(BaseModel):
    """Who signed in, and where the workspace leads them."""

    user: UserShown
    redirect_url: str = Field(description="A path of this site, or a URL at an origin that the workspace lists.")


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
    return await _begun(work, begun, response)


@router.post("/sign-in-links", status_code=202, responses=TOO_MANY)
@open_to_everybody
async def ask_for_link(work: Doing, body: LinkWanted, response: Response, browser: Browser = None) -> LinkSent:
    """Let a link be sent to whoever signs in with this e-mail, if somebody does: the answer does not say. The browser gets a cookie."""
    origin, secret = work.parts.links_url, sign_in_links.browser_of(browser)

    async def send(connection: Connection, user: UserRow, made: Made) -> None:
        brought = {"link": sign_in_links.link(origin, made.token), "code": made.code}
        await notices.sign_in_link(connection, user, made.template, brought, made.life)

    life = await sign_in_links.ask(work.store, (body.workspace, body.email), secret, work.origin, send)
    response.set_cookie(BROWSER, secret, max_age=_BROWSER_SECONDS, path="/", secure=True, httponly=True, samesite="lax")
    return LinkSent(expires_in_seconds=round(life.total_seconds()))


@router.post("/session/link", status_code=201, responses=TOO_MANY)
@open_to_everybody
async def sign_in_by_link(work: Doing, body: LinkFollowed, response: Response, browser: Browser = None) -> SignedInByLink:
    """Begin a session by a link. In another browser than the one that asked for it: 409 `code_needed` without the message's code."""
    code = body.code.get_secret_value() if body.code is not None else None
    found = await sign_in_links.follow(work.store, work.parts.lives, (body.token.get_secret_value(), code, browser), work.origin)
    return SignedInByLink(user=await _begun(work, found.signed_in, response), redirect_url=found.redirect_url)


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


async def _begun(work: Work, begun: SignedIn, response: Response) -> UserShown:
    """The user of a session that has begun, whose cookie goes with the answer."""
    longest = round(begun.lives.longest.total_seconds())
    response.set_cookie(COOKIE, begun.token, max_age=longest, path="/", secure=True, httponly=True, samesite="lax")
    async with work.store.transaction([begun.caller.workspace]) as connection:
        return shown_user(await find_user(connection, begun.caller.workspace, begun.caller.user_id))
