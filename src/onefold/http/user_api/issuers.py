"""OpenID issuers that the workspace trusts, and the subjects by which they know its users (security.md, S80-S82)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from onefold.access import issuers as use_cases
from onefold.access.oidc import AUDIENCE, MOST_SUBJECT
from onefold.access.users import find_user
from onefold.http.user_api.door import Doing, DoorRoute, allowed
from onefold.records import issuers
from onefold.records.issuers import IssuerRow, SubjectRow

router = APIRouter(route_class=DoorRoute, tags=["issuers"])

_URL, _SUBJECT = r"^[!-~]+$", r"^[^\x00-\x1f\x7f]+$"
Url = Annotated[str, Field(min_length=1, max_length=use_cases.LONGEST_URL, pattern=_URL)]
NamedIssuer = Annotated[str, Query(alias="issuer", max_length=use_cases.LONGEST_URL, pattern=_URL, description="As in its tokens' `iss`.")]
NamedSubject = Annotated[str, Query(alias="subject", max_length=MOST_SUBJECT, pattern=_SUBJECT, description="As in its tokens' `sub`.")]


class IssuerMade(BaseModel):
    """An issuer to trust."""

    model_config = ConfigDict(extra="forbid")

    issuer: Url = Field(description="Its URL, exactly as its tokens say in `iss`; https, or http on this machine.")
    title: str = Field(min_length=1, max_length=use_cases.LONGEST_TITLE)
    jwks_uri: Url | None = Field(None, description="Where its keys are. Left out: where its discovery document says.")


class IssuerEdited(BaseModel):
    """Whether an issuer counts."""

    model_config = ConfigDict(extra="forbid")

    is_enabled: bool = Field(description="False: its tokens are out at once, and its subjects are kept.")


class IssuerShown(BaseModel):
    """An issuer that is trusted."""

    issuer: str
    title: str
    jwks_uri: str | None
    is_enabled: bool
    audience: str = Field(description="What its tokens must say in `aud` to count here.")
    created_at: datetime


class SubjectLinked(BaseModel):
    """How an issuer calls a user."""

    model_config = ConfigDict(extra="forbid")

    issuer: Url
    subject: str = Field(min_length=1, max_length=MOST_SUBJECT, pattern=_SUBJECT, description="Its name for the user, which is no e-mail.")


class SubjectShown(BaseModel):
    """How an issuer calls a user."""

    issuer: str
    subject: str
    created_at: datetime


@router.get("/issuers")
@allowed("issuers", "read")
async def list_all(work: Doing) -> list[IssuerShown]:
    """Every issuer that the workspace trusts."""
    return [_shown(row) for row in await issuers.list_issuers(work.connection, work.workspace)]


@router.post("/issuers", status_code=201)
@allowed("issuers", "create")
async def trust_issuer(work: Doing, body: IssuerMade) -> IssuerShown:
    """Trust an issuer to say who somebody is. Which user that is, is said by linking subjects."""
    made = await use_cases.trust_issuer(work.connection, work.workspace, body.issuer, body.title, body.jwks_uri)
    work.note("created", "issuers", made.issuer)
    return _shown(made)


@router.patch("/issuers")
@allowed("issuers", "update")
async def enable_issuer(work: Doing, issuer: NamedIssuer, body: IssuerEdited) -> IssuerShown:
    """Let an issuer's tokens count no longer for now, or again."""
    edited = await use_cases.enable_issuer(work.connection, work.workspace, issuer, is_enabled=body.is_enabled)
    work.note("enabled" if body.is_enabled else "disabled", "issuers", issuer)
    return _shown(edited)


@router.delete("/issuers", status_code=204)
@allowed("issuers", "destroy")
async def distrust_issuer(work: Doing, issuer: NamedIssuer) -> None:
    """Trust an issuer no longer: its tokens are out at once, and whom it called what is forgotten."""
    await use_cases.distrust_issuer(work.connection, work.workspace, issuer)
    work.note("destroyed", "issuers", issuer)


@router.get("/users/{user_id}/subjects")
@allowed("issuers", "read")
async def list_subjects(work: Doing, user_id: UUID) -> list[SubjectShown]:
    """By what subjects a user is known."""
    await find_user(work.connection, work.workspace, user_id)
    return [_subject(row) for row in await issuers.list_subjects(work.connection, work.workspace, user_id)]


@router.post("/users/{user_id}/subjects", status_code=201)
@allowed("users", "update")
async def link_subject(work: Doing, user_id: UUID, body: SubjectLinked) -> SubjectShown:
    """Let whoever shows a token of this subject be this user."""
    made = await use_cases.link_subject(work.connection, work.caller, user_id, body.issuer, body.subject)
    work.note("subject_linked", "users", user_id)
    return _subject(made)


@router.delete("/users/{user_id}/subjects", status_code=204)
@allowed("users", "update")
async def unlink_subject(work: Doing, user_id: UUID, issuer: NamedIssuer, subject: NamedSubject) -> None:
    """Let this subject be nobody: its tokens are out at once."""
    await use_cases.unlink_subject(work.connection, work.caller, user_id, issuer, subject)
    work.note("subject_unlinked", "users", user_id)


def _shown(row: IssuerRow) -> IssuerShown:
    return IssuerShown(
        issuer=row.issuer,
        title=row.title,
        jwks_uri=row.jwks_uri,
        is_enabled=row.is_enabled,
        audience=AUDIENCE + row.workspace,
        created_at=row.created_at,
    )


def _subject(row: SubjectRow) -> SubjectShown:
    return SubjectShown(issuer=row.issuer, subject=row.subject, created_at=row.created_at)
