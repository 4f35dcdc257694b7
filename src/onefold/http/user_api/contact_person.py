"""What a person may ask for: everything that is held of them, and that it goes (product.md, section 11)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from onefold.contacts import export as exporting
from onefold.contacts.erase import erase
from onefold.http.streamed import EXPORTED, begun
from onefold.http.user_api.contact_identity import Preview
from onefold.http.user_api.contact_shapes import Why
from onefold.http.user_api.contacts import root_for
from onefold.http.user_api.door import Doing, DoorRoute, allowed, lasting
from onefold.records.visibility import demand_contact

router = APIRouter(route_class=DoorRoute, tags=["contacts"])


class Erased(BaseModel):
    """Why a person is erased."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=500, description="Kept with the erasure; say nothing of the person.")]


class ErasureShown(BaseModel):
    """What an erasure took, or would take with `preview`."""

    executed: bool
    contact: UUID
    contacts: list[UUID] = Field(description="Every id that led to the person.")
    identifiers: int
    merges: int


@router.post("/contacts/{contact_id}/export", response_class=StreamingResponse, responses=EXPORTED)
@lasting("contacts", "export")
async def export_contact(work: Doing, contact_id: UUID, body: Why | None = None) -> StreamingResponse:
    """Everything that is held of a person, over every id ever merged into them (docs/reference/export.schema.json). The log tells of it."""
    async with work.store.transaction([work.workspace]) as connection:
        await demand_contact(connection, work.workspace, contact_id, work.visible)
        root = await exporting.note(connection, work.workspace, contact_id, work.user(body.reason if body is not None else None))
    pieces = exporting.export(work.store, work.workspace, root)
    first = await anext(pieces)  # what can be refused is refused while there is an answer to say it in
    headers = {"content-disposition": f'attachment; filename="contact-{root}.json"'}
    return StreamingResponse(begun(first, pieces), media_type="application/json", headers=headers)


@router.post("/contacts/{contact_id}/erase")
@allowed("contacts", "erase")
async def erase_contact(work: Doing, contact_id: UUID, body: Erased, *, preview: Preview = False) -> ErasureShown:
    """Erase a person for good, with every id ever merged into them. Needs the version that its caller looked at; `preview` does not."""
    version = work.if_match if preview else work.expected_version()
    root = await root_for(work, contact_id)
    shards = None if preview else work.shards
    done = await erase(work.connection, work.workspace, root, work.user(body.reason), shards=shards, if_version=version)
    (erasure,) = done.plan.erasures
    merges = sum(not each.is_undone for each in done.tree.merges)
    return ErasureShown(
        executed=not preview,
        contact=erasure.contact_id,
        contacts=list(erasure.contacts),
        identifiers=len(done.plan.separated),
        merges=merges,
    )
