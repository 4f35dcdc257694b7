"""Identifiers of one contact: given, called otherwise, changed, validated by hand, removed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from onefold.contacts import identifiers
from onefold.contacts.change import validate
from onefold.contacts.identifiers import Amendment, Raw
from onefold.errors import IdentifierNotFound
from onefold.http.problems import Answered
from onefold.http.user_api.contact_shapes import ContactShown, IdentifierEdited, IdentifierGiven, Why, identifier_id
from onefold.http.user_api.contacts import naming_the_holder, root_for, show
from onefold.http.user_api.door import Doing, DoorRoute, Work, allowed
from onefold.identity.holding import Label
from onefold.identity.identifiers import Identifier, IdentifierKey
from onefold.records import contact_pages
from onefold.records.histories import open_now

router = APIRouter(route_class=DoorRoute, tags=["identifiers"])

_SHOWN: dict[int | str, dict[str, Any]] = {200: {"model": ContactShown}}


@router.post("/contacts/{contact_id}/identifiers", status_code=201, responses={201: {"model": ContactShown}})
@allowed("contacts", "update")
async def add_identifier(work: Doing, contact_id: UUID, body: IdentifierGiven) -> Response:
    """Give the contact an identifier that nobody holds. 409 names whoever does, if the caller may see them."""
    root = await root_for(work, contact_id)
    raw = [Raw(body.semantic_type, body.identifier, body.slug, body.outreach)]
    async with naming_the_holder(work):
        await identifiers.add(
            work.connection,
            work.workspace,
            root,
            raw,
            work.user(),
            numbers=work.parts.numbers,
            if_version=work.if_match,
            shards=work.shards,
        )
    return await show(work, root, status=201)


@router.patch("/contacts/{contact_id}/identifiers/{identifier_id}", responses=_SHOWN)
@allowed("contacts", "update")
async def edit_identifier(work: Doing, contact_id: UUID, identifier_id: UUID, body: IdentifierEdited) -> Response:
    """Call it otherwise, say whether to write to it; or change its value, which then is not validated."""
    root = await root_for(work, contact_id)
    label = Label(body.slug, body.takes_over) if "slug" in body.model_fields_set else None
    wanted = Amendment(label, body.outreach, body.identifier, work.expected_version())
    async with naming_the_holder(work):
        await identifiers.amend(
            work.connection,
            work.workspace,
            root,
            await _key(work, root, identifier_id),
            wanted,
            work.user(body.reason),
            numbers=work.parts.numbers,
            shards=work.shards,
        )
    return await show(work, root)


@router.delete("/contacts/{contact_id}/identifiers/{identifier_id}", responses=_SHOWN)
@allowed("contacts", "update")
async def remove_identifier(work: Doing, contact_id: UUID, identifier_id: UUID) -> Response:
    """Take it from the contact, which stays; no older event brings it back."""
    root = await root_for(work, contact_id)
    key = await _key(work, root, identifier_id)
    version = work.expected_version()
    await identifiers.remove(work.connection, work.workspace, root, key, work.user(), if_version=version, shards=work.shards)
    return await show(work, root)


@router.post("/contacts/{contact_id}/identifiers/{identifier_id}/validate", responses=_SHOWN)
@allowed("contacts", "update")
async def validate_identifier(work: Doing, contact_id: UUID, identifier_id: UUID, body: Why | None = None) -> Response:
    """Say that somebody has checked it: a lead becomes a contact."""
    root = await root_for(work, contact_id)
    key = await _key(work, root, identifier_id)
    (held,) = await open_now(work.connection, work.workspace, [key])
    named = Identifier(held.semantic_type, held.identifier, held.normalised, None, key)
    user = work.user(body.reason if body is not None else None)
    await validate(work.connection, work.workspace, named, user, shards=work.shards, if_version=work.if_match)
    return await show(work, root)


class LinkShown(BaseModel):
    """A link for a message to an identifier's owner."""

    url: str = Field(
        description="Of a page with one button; a POST to it does the same (RFC 8058): List-Unsubscribe, List-Unsubscribe-Post."
    )


@router.get("/contacts/{contact_id}/identifiers/{identifier_id}/unsubscribe-link")
@allowed("contacts", "read")
async def unsubscribe_link(work: Doing, contact_id: UUID, identifier_id: UUID) -> LinkShown:
    """By which its owner gets no more messages that they did not ask for. Put it into each of these."""
    key = await _key(work, await root_for(work, contact_id), identifier_id)
    if work.parts.unsubscribing is None:
        raise Answered(503, "validation_off", "There are no such links here: whoever runs this service sets ONEFOLD_VALIDATION__SECRET.")
    return LinkShown(url=work.parts.unsubscribing.to(work.workspace, key))


async def _key(work: Work, root: UUID, named: UUID) -> IdentifierKey:
    """The identifier of the contact that has this id here. Raises IdentifierNotFound."""
    for tenure_id, key in await contact_pages.open_tenures(work.connection, work.workspace, root):
        if identifier_id(work.workspace, tenure_id) == named:
            return IdentifierKey(key)
    raise IdentifierNotFound(f"contact {root} has no identifier {named}")
