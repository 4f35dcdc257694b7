"""What is one's own: the record, its identifiers and consent, documents, the password. Of whoever is signed in, and of nobody else."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from onefold.contacts import export as exporting
from onefold.errors import IdentifierNotFound, InvalidMessage
from onefold.http.contact_api.asking import SentTo, ValidationAsked, ask, sent
from onefold.http.contact_api.capture import Name, States, Visiting
from onefold.http.contact_api.door import Calling, DoorRoute, in_its_own, signed_in
from onefold.http.contact_api.validations import Password  # noqa: TC001 -- pydantic reads it
from onefold.http.paging import Cursor, Limit, Page, cursor_of, place_of
from onefold.http.problems import TOO_MANY
from onefold.http.streamed import EXPORTED, begun
from onefold.http.user_api.contact_shapes import identifier_id
from onefold.identity.catalog import BUILT_IN
from onefold.records import said
from onefold.records.changes import identifier_snapshot, snapshot_of
from onefold.visitors import me as use_cases
from onefold.visitors.acting import acting_for

if TYPE_CHECKING:
    from onefold.http.contact_api.door import Call
    from onefold.identity.contact import Tenure
    from onefold.records.contact_pages import Shown
    from onefold.records.documents import Document
    from onefold.records.store import Connection
    from onefold.visitors.sessions import Visitor

router = APIRouter(route_class=DoorRoute, tags=["me"])

DEVICE_BOUND = frozenset(each.semantic_type for each in BUILT_IN if each.device_bound)


class OwnIdentifier(BaseModel):
    """An identifier of one's own."""

    identifier_id: UUID
    semantic_type: str
    identifier: str = Field(description="As given.")
    slug: str | None
    is_validated: bool
    validated_at: datetime | None


class OwnConsent(BaseModel):
    """What one said of a purpose."""

    state: Literal["granted", "denied"]
    source: str
    at: datetime


class Me(BaseModel):
    """One's own record."""

    id: UUID
    type: Literal["ghost", "lead", "contact", "vendor"]
    given_name: str | None
    last_name: str | None
    email: str | None = Field(description="The Main email.")
    phone: str | None = Field(description="The Main phone.")
    organization_name: str | None
    attributes: dict[str, dict[str, Any]] = Field(description="By profile; unbound ones under `unbound`.")
    identifiers: list[OwnIdentifier] = Field(description="Those that name a person, and no device; at most 200.")
    consent: dict[str, OwnConsent] = Field(description="By purpose.")
    has_password: bool
    created_at: datetime
    updated_at: datetime


class Edited(Visiting):
    """What is to be different; what is left out stays. A null clears an attribute, and no name."""

    given_name: Name | None = None
    last_name: Name | None = None
    attributes: dict[Annotated[str, Field(max_length=200)], Any] | None = Field(None, max_length=100, description="Unbound ones.")


class ConsentSaid(Visiting):
    """What is granted or denied."""

    consent: States


class IdentifierAsked(ValidationAsked):
    """An address that is to be one's own, once it is proved."""

    replaces: UUID | None = Field(None, description="The identifier that goes then; it gets a notice, by which that can be taken back.")


class PasswordChanged(Visiting):
    """Another password."""

    present_password: str | None = Field(None, max_length=512, description="Unless there is none yet; then the session has just begun.")
    new_password: Password


class OwnDocument(BaseModel):
    """A document of one's own."""

    id: UUID
    template: str = Field(description="Its slug.")
    slug: str
    title: str
    attributes: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime


@router.get("/me")
@signed_in
async def show(call: Calling) -> Me:
    """One's own record."""
    return await _shown(call, call.visitor)


@router.patch("/me", responses=TOO_MANY)
@signed_in
async def edit(call: Calling, body: Edited) -> Me:
    """Change one's names and unbound attributes. What a user of the workspace decided stays."""
    traits = {name: value for name in ("given_name", "last_name") if (value := getattr(body, name)) is not None}
    taken = {"given_name", "last_name", "name", "firstName", "lastName", "email", "phone"}
    named = sorted(taken & (body.attributes or {}).keys())
    if named:
        raise InvalidMessage(f"{named[0]} is no attribute: names are fields, and addresses are proved", code="no_attribute")
    await use_cases.edit(call.connection, call.parts.teller, body.visit(call), call.visitor, {**(body.attributes or {}), **traits})
    return await _shown(call, await call.demand_session(call.connection))


@router.put("/me/consent")
@signed_in
async def give_consent(call: Calling, body: ConsentSaid) -> Me:
    """Grant or deny purposes; a later word takes the place of an earlier one."""
    await use_cases.give_consent(call.connection, call.parts.teller, body.visit(call), call.visitor, dict(body.consent))
    return await _shown(call, await call.demand_session(call.connection))


@router.post("/me/identifiers", status_code=202, responses=TOO_MANY)
@signed_in
async def add_identifier(call: Calling, body: IdentifierAsked) -> SentTo:
    """Send a code to another address of one's own. Confirmed in this session, it is added, or takes the place of `replaces`."""
    held = {"session_id": str(call.visitor.session_id)}
    if body.replaces is not None:
        use_cases.demand_fresh(call.visitor, call.parts.lives, await said.now(call.connection))
        held["replaces"] = (await _own(call, body.replaces)).key.hex()
    visit = body.visit(call)
    asked = await ask(call, call.connection, visit, body, "add_identifier" if body.replaces is None else "change_address", held)
    return SentTo(anonymous_token=visit.token, **sent(asked))


@router.delete("/me/identifiers/{identifier_id}", status_code=200)
@signed_in
async def remove_identifier(call: Calling, identifier_id: UUID) -> Me:
    """Take an identifier from one's record; the last proved address stays."""
    key = (await _own(call, identifier_id)).key
    await use_cases.remove_identifier(call.connection, call.parts.teller, call.visit(), call.visitor, key)
    return await _shown(call, await call.demand_session(call.connection))


@router.get("/me/documents")
@signed_in
async def documents(call: Calling, limit: Limit = 50, cursor: Cursor = None) -> Page[OwnDocument]:
    """One's own documents, newest first."""
    after = place_of(cursor, tuple[datetime, UUID])
    found = await use_cases.documents(call.connection, call.visitor, after=after, limit=limit)
    more = cursor_of((found[-1].created_at, found[-1].document_id)) if len(found) == limit else None
    return Page[OwnDocument](items=[_document(each) for each in found], next=more)


@router.put("/me/password", responses=TOO_MANY)
@in_its_own
async def change_password(call: Calling, body: PasswordChanged) -> dict[str, bool]:
    """Set another password; every other session ends, and every proved address is told."""
    parts = call.parts
    visitor = await call.transact(call.demand_session)
    now = await call.transact(said.now)
    hashed = await use_cases.change_password(
        parts.store, parts.passwords, visitor, parts.lives, body.present_password, body.new_password, now
    )

    async def work(connection: Connection) -> None:
        present = await call.demand_session(connection)
        await use_cases.set_password(connection, parts.teller, body.visit(call), present, hashed, call.language)

    await call.transact(work)
    return {"is_changed": True}


@router.post("/me/export", response_class=StreamingResponse, responses=EXPORTED)
@in_its_own
async def export(call: Calling) -> StreamingResponse:
    """Everything that is held of oneself (docs/reference/export.schema.json), to whoever proved their address just now."""
    parts = call.parts

    async def work(connection: Connection) -> UUID:
        visitor = await call.demand_session(connection)
        use_cases.demand_proved_now(visitor, parts.lives, await said.now(connection))
        visit = call.visit()
        await parts.teller.say(connection, visit, use_cases.EXPORTED, [visitor.address])
        by = acting_for(visitor.contact_id, visit)
        return await exporting.note(connection, call.workspace, visitor.contact_id, by)

    root = await call.transact(work)
    pieces = exporting.export(parts.store, call.workspace, root)
    first = await anext(pieces)  # what can be refused is refused while there is an answer to say it in
    headers = {"content-disposition": 'attachment; filename="export.json"'}
    return StreamingResponse(begun(first, pieces), media_type="application/json", headers=headers)


async def _own(call: Call, named: UUID) -> Tenure:
    """An identifier of one's own, by its id. Raises IdentifierNotFound."""
    shown = await use_cases.show(call.connection, call.visitor)
    found = [each for each in shown.contact.listed if identifier_id(call.workspace, each.tenure_id) == named]
    if not found:
        raise IdentifierNotFound("your record has no such identifier")
    return found[0]


async def _shown(call: Call, visitor: Visitor) -> Me:
    """Their record; after a change of whoever the session is of by then."""
    shown = await use_cases.show(call.connection, visitor)
    return _me(shown, has_password=await use_cases.has_password(call.connection, visitor))


def _me(shown: Shown, *, has_password: bool) -> Me:
    contact = shown.contact
    told = snapshot_of(contact, ())
    plain = {name: getattr(told, name) for name in Me.model_fields if hasattr(told, name)}
    personal = [each for each in contact.listed if each.semantic_type not in DEVICE_BOUND]
    return Me.model_validate(
        {
            **plain,
            "identifiers": [_identifier(contact.workspace, each) for each in personal],
            "consent": {name: {"state": each.state, "source": each.source, "at": each.at} for name, each in contact.consent.items()},
            "has_password": has_password,
        }
    )


def _identifier(workspace: str, tenure: Tenure) -> dict[str, Any]:
    told = identifier_snapshot(tenure)
    found = {name: getattr(told, name) for name in OwnIdentifier.model_fields if hasattr(told, name)}
    return {**found, "identifier_id": identifier_id(workspace, tenure.tenure_id)}


def _document(document: Document) -> OwnDocument:
    told = {name: getattr(document, name) for name in OwnDocument.model_fields if hasattr(document, name)}
    return OwnDocument(id=document.document_id, **{**told, "attributes": document.values})
