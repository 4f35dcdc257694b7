"""Contacts: lists, one by one, made, changed, deleted and restored."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from onefold.access.matrix import Scope
from onefold.contacts.change import Edit, archive, edit
from onefold.contacts.create import Draft, create
from onefold.contacts.delete import delete
from onefold.contacts.identifiers import Raw
from onefold.errors import ContactNotFound, IdentifierHeld, InvalidMessage, Refused
from onefold.http.paging import Cursor, Limit, Page, cursor_of, place_of
from onefold.http.problems import Answered
from onefold.http.user_api.contact_shapes import (
    ContactEdited,
    ContactMade,
    ContactShown,
    answer,
    answer_of,
    fields_of,
    hanging_of,
    told,
    values_of,
)
from onefold.http.user_api.door import Doing, DoorRoute, Work, allowed
from onefold.identity.identifiers import resolve_identifiers
from onefold.records import contact_lists, contact_pages
from onefold.records.contact_lists import Archived, Filters, Place
from onefold.records.histories import open_now
from onefold.records.trees import root_of
from onefold.records.visibility import demand_contact
from onefold.segments.query import parse
from onefold.workspace import segments
from onefold.workspace.rules import rules_to_find

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from onefold.identity.contact import ContactId

router = APIRouter(route_class=DoorRoute, tags=["contacts"])

BULK = 100
"""A page of so many contacts is a reading of personal data in bulk, which the log tells of (security.md, S100)."""

Order = Literal["created_at", "-created_at", "name", "-name"]
Fields = Annotated[str | None, Query(max_length=1_000, description="Only these fields, separated by commas.")]
Name = Annotated[str | None, Query(max_length=200)]
_SHOWN: dict[int | str, dict[str, Any]] = {200: {"model": ContactShown}}


class Listed(BaseModel):
    """Which contacts a list is of, beside its query."""

    model_config = ConfigDict(extra="forbid")

    query: dict[str, Any] | None = Field(None, description="A segment query (docs/reference/segments-query.md).")
    type: Literal["ghost", "lead", "contact", "vendor"] | None = None
    tag: str | None = Field(None, max_length=200)
    taxonomy: str | None = Field(None, max_length=200)
    profile: str | None = Field(None, max_length=200)
    owner: UUID | None = None
    follower: UUID | None = None
    organization: UUID | None = None
    workflow: str | None = Field(None, max_length=63)
    step: str | None = Field(None, max_length=130, description="workflow/step")
    segment: str | None = Field(None, max_length=63)
    archived: Archived = "without"
    sort: Order = "-created_at"
    fields: str | None = Field(None, max_length=1_000)
    cursor: str | None = Field(None, max_length=1_000)
    limit: int = Field(50, ge=1, le=200)


@router.get("/contacts", responses={200: {"model": Page[ContactShown]}})
@allowed("contacts", "read")
async def list_contacts(
    work: Doing,
    limit: Limit = 50,
    cursor: Cursor = None,
    type: Literal["ghost", "lead", "contact", "vendor"] | None = None,  # noqa: A002 -- as it is called in the address
    tag: Name = None,
    taxonomy: Name = None,
    profile: Name = None,
    owner: UUID | None = None,
    follower: UUID | None = None,
    organization: UUID | None = None,
    workflow: Name = None,
    step: Annotated[str | None, Query(max_length=130, description="workflow/step")] = None,
    segment: Name = None,
    archived: Archived = "without",
    sort: Order = "-created_at",
    fields: Fields = None,
    identifier: Annotated[str | None, Query(max_length=1_100, description="type:value: only who holds this one.")] = None,
) -> Response:
    """Contacts, the newest first unless said otherwise. By name are those that have a last name."""
    if identifier is not None:
        return await _holder(work, identifier, fields)
    wanted = Listed.model_construct(
        type=type, tag=tag, taxonomy=taxonomy, profile=profile, owner=owner, follower=follower, organization=organization,
        workflow=workflow, step=step, segment=segment, archived=archived, sort=sort, fields=fields, cursor=cursor, limit=limit,
    )  # fmt: skip
    return await _listed(work, wanted)


@router.post("/contacts/search", responses={200: {"model": Page[ContactShown]}})
@allowed("contacts", "read")
async def search_contacts(work: Doing, body: Listed) -> Response:
    """The same by a segment query, alone or beside filters."""
    return await _listed(work, body)


@router.post("/contacts", status_code=201, responses={201: {"model": ContactShown}})
@allowed("contacts", "create")
async def create_contact(work: Doing, body: ContactMade) -> Response:
    """Make a contact, with everything that hangs on it. Whoever sees only what they own owns what they make."""
    work.caller.demand_fields("contacts", [name for name in ("is_vendor", "owners") if getattr(body, name)])
    raw = [Raw(each.semantic_type, each.identifier, each.slug, each.outreach) for each in body.identifiers]
    draft = Draft(raw, values_of(body), body.is_vendor, hanging_of(body, _own(work)), work.sight)
    async with naming_the_holder(work):
        made = await create(work.connection, work.workspace, draft, work.user(body.reason), numbers=work.parts.numbers, shards=work.shards)
    skipped = {"skipped_tags": list(made.skipped_tags)} if made.skipped_tags else {}
    return await show(work, made.contact_id, None, status=201, **skipped)


@router.get("/contacts/{contact_id}", responses=_SHOWN)
@allowed("contacts", "read")
async def read_contact(work: Doing, contact_id: UUID, fields: Fields = None) -> Response:
    """One contact. The id of an absorbed one leads to whoever absorbed it, and `redirected_from` says so; of an erased one it is gone."""
    root = await root_for(work, contact_id)
    return await show(work, root, fields_of(fields), redirected_from=contact_id if root != contact_id else None)


@router.patch("/contacts/{contact_id}", responses=_SHOWN)
@allowed("contacts", "update")
async def edit_contact(work: Doing, contact_id: UUID, body: ContactEdited) -> Response:
    """Change names, unbound attributes, the organization, whether it is a vendor."""
    version = work.expected_version()
    work.caller.demand_fields("contacts", ["is_vendor"] if body.is_vendor is not None else [])
    root = await root_for(work, contact_id)
    wanted = Edit(values_of(body), body.is_vendor, version, work.sight["organizations"])
    await edit(work.connection, work.workspace, root, wanted, work.user(body.reason), shards=work.shards)
    return await show(work, root)


@router.delete("/contacts/{contact_id}", status_code=204)
@allowed("contacts", "archive")
async def delete_contact(work: Doing, contact_id: UUID) -> None:
    """Archive an active contact. Destroy an archived one, for good: that needs the version that its caller looked at."""
    root = await root_for(work, contact_id)
    (there,) = await contact_pages.shown(work.connection, work.workspace, [root])
    is_archived = there.contact.archived_at is not None
    if is_archived:
        work.caller.demand("contacts", "destroy", at_least=work.scope)
    version = work.expected_version() if is_archived else work.if_match
    if is_archived and version is None:
        raise Answered(428, "if_match_needed", "Destroying cannot be undone: say which version you looked at; * is none.")
    await delete(work.connection, work.workspace, root, work.user(), if_version=version, if_archived=is_archived, shards=work.shards)


@router.post("/contacts/{contact_id}/restore", responses=_SHOWN)
@allowed("contacts", "archive")
async def restore_contact(work: Doing, contact_id: UUID) -> Response:
    """Take a contact out of the archive."""
    root = await root_for(work, contact_id)
    await archive(work.connection, work.workspace, root, "restore", work.user(), shards=work.shards, if_version=work.if_match)
    return await show(work, root)


async def root_for(work: Work, contact_id: UUID) -> ContactId:
    """Where an id leads, if that is the caller's to see. Raises ContactNotFound, ContactErased."""
    await demand_contact(work.connection, work.workspace, contact_id, work.visible)
    root = await root_of(work.connection, work.workspace, contact_id)
    if root is None:
        raise ContactNotFound(f"workspace {work.workspace} has no contact {contact_id}")
    return root


async def show(work: Work, root: UUID, fields: frozenset[str] | None = None, *, status: int = 200, **more: object) -> Response:
    """A contact as it is now, with its version as ETag, and `more` beside it."""
    (found,) = await contact_pages.shown(work.connection, work.workspace, [root])
    work.version = found.contact.version
    return answer(found, fields=fields, status=status, **more)


@asynccontextmanager
async def naming_the_holder(work: Work) -> AsyncIterator[None]:
    """Where somebody holds an identifier already: say who, if the caller may see them, and how the two become one."""
    try:
        yield
    except IdentifierHeld as error:
        facts: dict[str, Any] = {"semantic_type": error.semantic_type}
        try:
            holder = UUID(str(error.holder))
            await demand_contact(work.connection, work.workspace, holder, work.sight["contacts"])
            facts |= {"holder": str(holder), "merge": "POST /api/v1/contacts/merge"}
        except Refused:
            pass
        raise Answered(409, error.code, str(error), **facts) from error


def _own(work: Work) -> list[str]:
    return [] if work.caller.scope("contacts", "update") is Scope.EVERYTHING else [str(work.caller.user_id)]


async def _listed(work: Work, wanted: Listed) -> Response:
    fields = fields_of(wanted.fields)
    filters = await _filters(work, wanted)
    place = place_of(wanted.cursor, tuple[datetime, str, str, UUID])
    after = Place(*place) if place is not None else None
    found = await contact_lists.page(work.connection, work.workspace, filters, after, wanted.limit + 1)
    here = found[: wanted.limit]
    contacts = await contact_pages.shown(work.connection, work.workspace, [each.contact_id for each in here])
    if len(contacts) >= BULK:
        work.note("read", "contacts", "list", changes=[{"type": "bulk", "slug": "contacts", "new_value": len(contacts)}])
    following = cursor_of(here[-1]) if len(found) > wanted.limit else None
    return answer_of({"items": [told(each, fields) for each in contacts], "next": following})


async def _filters(work: Work, wanted: Listed) -> Filters:
    links = [(kind, str(value)) for kind in contact_lists.KINDS if (value := getattr(wanted, kind)) is not None]
    segment = await segments.find(work.connection, work.workspace, wanted.segment) if wanted.segment is not None else None
    visible = work.visible
    return Filters(
        links,
        wanted.type,
        wanted.organization,
        segment.segment_id if segment is not None else None,
        wanted.archived,
        parse(wanted.query) if wanted.query is not None else None,
        (visible.user_id, visible.kinds) if visible.kinds is not None else None,
        "name" if wanted.sort.endswith("name") else "created_at",
        wanted.sort.startswith("-"),
    )


async def _holder(work: Work, identifier: str, fields: str | None) -> Response:
    """A list of whoever holds an identifier: one contact, or none."""
    wanted = fields_of(fields)
    kind, colon, value = identifier.partition(":")
    resolved, _ = resolve_identifiers([(kind, value, None)], await rules_to_find(work.connection, work.workspace))
    if not colon:
        raise InvalidMessage("identifier takes type:value, such as email:ann@example.com", code="invalid_identifier")
    holders: Sequence[UUID] = [each.contact_id for each in await open_now(work.connection, work.workspace, [each.key for each in resolved])]
    try:
        for each in holders:
            await demand_contact(work.connection, work.workspace, each, work.visible)
    except ContactNotFound:
        holders = ()
    return answer_of(
        {"items": [told(each, wanted) for each in await contact_pages.shown(work.connection, work.workspace, holders)], "next": None}
    )
