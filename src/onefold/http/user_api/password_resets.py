"""Choosing another password by a link that came by mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from onefold.access import resets
from onefold.http.problems import TOO_MANY
from onefold.http.user_api.door import Doing, DoorRoute, open_to_everybody
from onefold.http.user_api.session import LinkSent, LinkWanted
from onefold.outreach import notices

if TYPE_CHECKING:
    from onefold.records.store import Connection
    from onefold.records.users import UserRow

router = APIRouter(route_class=DoorRoute, tags=["session"])


class ResetConfirmed(BaseModel):
    """What the link brought, and the password as it is to be."""

    model_config = ConfigDict(extra="forbid")

    token: SecretStr = Field(max_length=200, description="What stands behind the # of the link.")
    wanted: SecretStr = Field(max_length=1_000)


@router.post("/password-resets", status_code=202, responses=TOO_MANY)
@open_to_everybody
async def ask_for_reset(work: Doing, body: LinkWanted) -> LinkSent:
    """Let a link be sent to whoever signs in with this e-mail, if somebody does: the answer does not say. Nothing ends until it is used."""
    origin = work.parts.links_url

    async def send(connection: Connection, user: UserRow, token: str) -> None:
        await notices.new_password(connection, user, resets.link(origin, token), resets.LIFE)

    await resets.ask(work.store, (body.workspace, body.email), work.origin, send)
    return LinkSent(expires_in_seconds=round(resets.LIFE.total_seconds()))


@router.post("/password-resets/confirm", status_code=204, responses=TOO_MANY)
@open_to_everybody
async def confirm_reset(work: Doing, body: ResetConfirmed) -> None:
    """Choose another password by a link, once: all sessions of its user end, and they are told. Opening the link changes nothing."""
    token, wanted = body.token.get_secret_value(), body.wanted.get_secret_value()
    await resets.confirm(work.store, work.parts.passwords, token, wanted, work.origin, notices.password_changed)
