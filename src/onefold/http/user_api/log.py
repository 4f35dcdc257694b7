"""The log: who changed what, from what to what, from where (security.md, S99); as pages, and live as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field

from onefold.access import sessions
from onefold.access.matrix import Scope
from onefold.errors import OnefoldError
from onefold.http.paging import Cursor, Limit, Page, cursor_of, place_of
from onefold.http.user_api.door import Doing, DoorRoute, Work, allowed, lasting
from onefold.records import log
from onefold.records.log import Entry, Wanted

router = APIRouter(route_class=DoorRoute, tags=["log"])

POLL_SECONDS = 1.0
ALIVE_SECONDS = 15.0
MOST_AT_ONCE = 500


class ChangeShown(BaseModel):
    """What was different. Identifiers are masked."""

    model_config = {"extra": "allow"}

    type: str = Field(description="field, attribute, identifier, taxonomy, tag, profile, relationship, ownership, workflow, consent …")
    slug: str | None = None
    old_value: Any = None
    new_value: Any = None


class EntryShown(BaseModel):
    """One entry of the log."""

    seq: int
    at: datetime
    actor: str = Field(description="user:ID; or who acted at the command line.")
    action: str
    object_type: str
    object_id: str
    object_version: int | None
    reason: str | None
    changes: list[ChangeShown]
    address: str | None
    user_agent: str | None
    request_id: str | None
    hash: str = Field(description="Covers this entry and, through the one before it, all earlier ones.")


@router.get("/log")
@allowed("log", "read")
async def read_log(
    work: Doing,
    limit: Limit = 50,
    cursor: Cursor = None,
    object_type: Annotated[str | None, Query(max_length=100)] = None,
    object_id: Annotated[str | None, Query(max_length=200)] = None,
    actor: Annotated[str | None, Query(max_length=200)] = None,
    action: Annotated[str | None, Query(max_length=100)] = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> Page[EntryShown]:
    """Entries, the latest first."""
    wanted = Wanted(object_type, object_id, actor, action, since, until)
    before = place_of(cursor, int)
    found = await log.page(work.connection, work.workspace, wanted, before=before, limit=limit + 1, visible=_visible(work))
    more = len(found) > limit
    return Page(items=[shown_entry(each) for each in found[:limit]], next=cursor_of(found[limit - 1].seq) if more else None)


@router.get("/log/stream", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
@lasting("log", "read")
async def follow_log(
    work: Doing,
    request: Request,
    last_event_id: Annotated[int | None, Header(ge=0, lt=2**63, description="Where a reader was cut off.")] = None,
) -> StreamingResponse:
    """Every new entry as a server-sent event, in order; ends when the caller may no longer read it."""
    return StreamingResponse(_events(work, request, last_event_id), media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def _events(work: Work, request: Request, after: int | None) -> AsyncIterator[bytes]:
    silent, seq = 0.0, after
    while not await request.is_disconnected():
        try:
            async with work.store.begin() as connection:
                caller = await sessions.as_user(connection, work.caller)
                caller.demand("log", "read")
                visible = _visible(work)
                if seq is None:
                    seq, _ = await log.head(connection, caller.workspace)
                entries = await log.after(connection, caller.workspace, seq, MOST_AT_ONCE, visible=visible)
        except OnefoldError as error:
            yield f"event: end\ndata: {error.code}\n\n".encode()
            return
        except Exception as error:  # noqa: BLE001 -- the answer has begun: what happens to it now, the door does not see
            work.parts.failed(error, str(work.origin.request_id))
            yield b"event: end\ndata: internal\n\n"
            return
        if entries:
            seq = entries[-1].seq
            yield b"".join(_event(each) for each in entries)
        silent = 0.0 if entries else silent + POLL_SECONDS
        if silent >= ALIVE_SECONDS:
            silent = 0.0
            yield b": alive\n\n"
        if len(entries) < MOST_AT_ONCE:
            await asyncio.sleep(POLL_SECONDS)


def _event(entry: Entry) -> bytes:
    return f"id: {entry.seq}\nevent: entry\ndata: ".encode() + msgspec.json.encode(shown_entry(entry).model_dump(mode="json")) + b"\n\n"


def _visible(work: Work) -> str | None:
    """Whose records the entries must be of; None: anybody's."""
    return None if work.scope is Scope.EVERYTHING else str(work.caller.user_id)


def shown_entry(entry: Entry) -> EntryShown:
    """An entry as the API shows it."""
    told = entry.told
    return EntryShown(
        seq=entry.seq,
        at=entry.at,
        actor=entry.actor,
        action=entry.action,
        object_type=entry.object_type,
        object_id=entry.object_id,
        object_version=entry.object_version,
        reason=told.reason,
        changes=[ChangeShown(**each) for each in told.changes],
        address=entry.address,
        user_agent=entry.user_agent,
        request_id=entry.request_id,
        hash=entry.hash.hex(),
    )
