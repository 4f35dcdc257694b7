"""OpenID issuers by which the workspace's contacts sign in at the Contact API (security.md, S45). Users' issuers are `issuers`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from onefold.access import contact_issuers as use_cases
from onefold.access.contact_issuers import LONGEST_AUDIENCE, LONGEST_ISSUER, MOST_AUDIENCES, MOST_DOMAINS, Edit
from onefold.access.issuers import LONGEST_TITLE, LONGEST_URL
from onefold.http.user_api.door import Doing, DoorRoute, allowed
from onefold.records import contact_issuers
from onefold.records.contact_issuers import ContactIssuerRow, NewContactIssuer

router = APIRouter(route_class=DoorRoute, tags=["issuers"])

_URL = r"^[!-~]+$"
_VOUCHED = "Domains of addresses that this issuer gives out itself, such as gmail.com of Google: there its word is a proof. None: nowhere."
Issuer = Annotated[str, Field(min_length=1, max_length=LONGEST_ISSUER, pattern=_URL)]
Url = Annotated[str, Field(min_length=1, max_length=LONGEST_URL, pattern=_URL)]
Title = Annotated[str, Field(min_length=1, max_length=LONGEST_TITLE)]
Audience = Annotated[str, Field(min_length=1, max_length=LONGEST_AUDIENCE, pattern=_URL)]
Audiences = Annotated[list[Audience], Field(min_length=1, max_length=MOST_AUDIENCES)]
Domains = Annotated[list[Annotated[str, Field(min_length=1, max_length=255)]], Field(max_length=MOST_DOMAINS)]
Named = Annotated[str, Query(alias="issuer", max_length=LONGEST_ISSUER, pattern=_URL, description="As in its tokens' `iss`.")]


class ContactIssuerMade(BaseModel):
    """An issuer by which contacts may sign in."""

    model_config = ConfigDict(extra="forbid")

    issuer: Issuer = Field(description="Its URL, exactly as its tokens say in `iss`; https, or http on this machine.")
    title: Title
    audiences: Audiences = Field(description="What its tokens may say in `aud`: the site's client ids.")
    email_domains: Domains = Field(default_factory=list, description=_VOUCHED)
    jwks_uri: Url | None = Field(None, description="Where its keys are. Left out: where its discovery document says.")


class ContactIssuerEdited(BaseModel):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    audiences: Audiences | None = None
    email_domains: Domains | None = Field(None, description="Of what was proved by its word before, all stays.")
    is_enabled: bool | None = Field(None, description="False: it signs in nobody, and its sessions are out at once.")


class ContactIssuerShown(BaseModel):
    """An issuer by which contacts sign in."""

    issuer: str
    title: str
    audiences: list[str]
    email_domains: list[str]
    jwks_uri: str | None
    is_enabled: bool
    created_at: datetime


@router.get("/contact-issuers")
@allowed("issuers", "read")
async def list_all(work: Doing) -> list[ContactIssuerShown]:
    """Every issuer by which contacts sign in."""
    return [_shown(row) for row in await contact_issuers.every(work.connection, work.workspace)]


@router.post("/contact-issuers", status_code=201)
@allowed("issuers", "create")
async def trust_contact_issuer(work: Doing, body: ContactIssuerMade) -> ContactIssuerShown:
    """Let contacts sign in by an issuer. Whom it calls what is one person; an address is proved only in its `email_domains`."""
    made = await use_cases.trust(work.connection, NewContactIssuer(work.workspace, **body.model_dump()))
    work.note("created", "contact_issuers", made.issuer)
    return _shown(made)


@router.patch("/contact-issuers")
@allowed("issuers", "update")
async def edit_contact_issuer(work: Doing, issuer: Named, body: ContactIssuerEdited) -> ContactIssuerShown:
    """Change what is said of an issuer, or let it sign in nobody for now."""
    before, after = await use_cases.edit(work.connection, work.workspace, issuer, Edit(**body.model_dump()))
    changes: list[dict[str, object]] = [
        {"type": "field", "slug": name, "old_value": getattr(before, name), "new_value": getattr(after, name)}
        for name in Edit._fields
        if getattr(before, name) != getattr(after, name)
    ]
    if changes:
        work.note("updated", "contact_issuers", issuer, changes=changes)
    return _shown(after)


@router.delete("/contact-issuers", status_code=204)
@allowed("issuers", "destroy")
async def distrust_contact_issuer(work: Doing, issuer: Named) -> None:
    """Let an issuer sign in nobody any more: its sessions are out at once. Who signed in by it keeps their record."""
    await use_cases.distrust(work.connection, work.workspace, issuer)
    work.note("destroyed", "contact_issuers", issuer)


def _shown(row: ContactIssuerRow) -> ContactIssuerShown:
    return ContactIssuerShown(**{name: getattr(row, name) for name in ContactIssuerShown.model_fields})
