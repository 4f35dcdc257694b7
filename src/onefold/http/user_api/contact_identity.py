"""Who is whom: merge and unmerge, with the plan as preview; explanations, timelines, proposals, what-if."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from onefold.contacts import proposals as deciding
from onefold.contacts.merge import Wish, merge
from onefold.contacts.unmerge import unmerge
from onefold.errors import ContactNotFound
from onefold.http.paging import Cursor, Limit
from onefold.http.user_api.contact_shapes import ActShown, Reason, Why, act_shown, answer_of
from onefold.http.user_api.contacts import root_for
from onefold.http.user_api.door import Doing, DoorRoute, allowed, lasting
from onefold.identity.rules_reading import document_of
from onefold.ops.explain.explain import Question, explain
from onefold.ops.simulate.lines import numbered
from onefold.ops.simulate.report import report
from onefold.ops.simulate.run import Run, from_empty, same_everywhere
from onefold.ops.simulate.stored import StoredRun, from_stored
from onefold.records import proposals
from onefold.records.proposals import Proposal
from onefold.records.store import name_workspaces
from onefold.records.timeline_pages import timeline_page
from onefold.records.visibility import demand_contact

router = APIRouter(route_class=DoorRoute, tags=["identity"])

MOST_EVENTS = 1_000
_ACT: dict[int | str, dict[str, Any]] = {200: {"model": ActShown}}
Preview = Annotated[bool, Query(description="Show the plan, and do nothing.")]


class Merged(BaseModel):
    """Two contacts that are one person."""

    model_config = ConfigDict(extra="forbid")

    survivor: UUID
    absorbed: UUID
    takes: dict[str, UUID] = Field(default_factory=dict, description="Whose value the survivor is to have, by path.")
    reason: Reason = None


class Simulated(BaseModel):
    """Interactions to try."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    events: list[dict[str, Any]] = Field(
        max_length=MOST_EVENTS, description="As they lie on `interactions`; the workspace is the caller's."
    )
    begin_with: Literal["contacts", "empty"] = Field("empty", alias="from")
    rules: dict[str, Any] | None = Field(None, description="A document of rules; those in force where it is left out.")
    diff: bool = False


class OccasionShown(BaseModel):
    """An interaction that proposed the two."""

    at: datetime
    event_id: str


class ProposalShown(BaseModel):
    """Two contacts that a guard kept apart, and what became of that."""

    proposal_id: UUID
    contacts: list[UUID | None]
    state: str
    guard: str
    semantic_type: str
    first: OccasionShown
    last: OccasionShown
    proposed_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    actor: str | None
    reason: str | None


@router.post("/contacts/merge", responses=_ACT)
@allowed("contacts", "merge")
async def merge_contacts(work: Doing, body: Merged, *, preview: Preview = False) -> Response:
    """Merge two contacts: the first one survives. The preview is the plan itself."""
    for each in (body.survivor, body.absorbed, *body.takes.values()):
        await root_for(work, each)
    wish = Wish(body.survivor, body.absorbed, body.takes)
    done = await merge(work.connection, work.workspace, wish, work.user(body.reason), shards=None if preview else work.shards)
    return answer_of(act_shown(done.plan, executed=not preview))


@router.post("/contacts/{contact_id}/unmerge", responses=_ACT)
@allowed("contacts", "merge")
async def unmerge_contact(work: Doing, contact_id: UUID, body: Why | None = None, *, preview: Preview = False) -> Response:
    """Undo the merge that absorbed this contact: both sides get back what they had. No event joins them again."""
    await root_for(work, contact_id)
    user = work.user(body.reason if body is not None else None)
    done = await unmerge(work.connection, work.workspace, contact_id, user, shards=None if preview else work.shards)
    return answer_of(act_shown(done.plan, executed=not preview))


@router.get("/contacts/{contact_id}/explain", response_model=dict[str, Any])
@lasting("contacts", "read")
async def explain_contact(
    work: Doing,
    contact_id: UUID,
    as_of: Annotated[AwareDatetime | None, Query(description="How things stood then.")] = None,
    other: Annotated[UUID | None, Query(description="Also: why this one is another.")] = None,
) -> Response:
    """Which event, which identifier, which rule, when, and from where (docs/reference/explain.schema.json)."""
    async with work.store.moment(seconds=30) as connection:
        await name_workspaces(connection, [work.workspace])
        for each in filter(None, (contact_id, other)):
            await demand_contact(connection, work.workspace, each, work.visible)
        said = await explain(connection, work.workspace, Question(contact_id, as_of, None, other))
    return answer_of(said)


@router.get("/contacts/{contact_id}/timeline", response_model=dict[str, Any])
@allowed("contacts", "read")
async def read_timeline(work: Doing, contact_id: UUID, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """What a contact did, newest first: interactions through any of its identifiers, merges, unmerges, what moved."""
    root = await root_for(work, contact_id)
    found = await timeline_page(work.connection, work.workspace, root, limit=limit, cursor=cursor)
    if found is None:
        raise ContactNotFound(f"there is no contact {contact_id}")
    items = [{"at": each.at, "kind": each.kind, **each.what} for each in found.entries]
    return answer_of({"contact_id": found.contact_id, "items": items, "next": found.next_cursor})


@router.get("/proposals")
@allowed("proposals", "read")
async def list_proposals(
    work: Doing, limit: Limit = 50, state: Literal["open", "carried_out", "accepted", "refused", "expired", "void", "all"] = "open"
) -> list[ProposalShown]:
    """The newest merges that wait for proof or for a person. Who sees only what they own sees those of which they own both sides."""
    states = proposals.STATES if state == "all" else {state}
    found = await proposals.list_proposals(work.connection, work.workspace, limit, states=states, visible=work.visible)
    return [_shown(each) for each in found]


@router.post("/proposals/{proposal_id}/accept", responses=_ACT)
@allowed("proposals", "decide")
async def accept_proposal(work: Doing, proposal_id: UUID, body: Why | None = None, *, preview: Preview = False) -> Response:
    """Merge the two; the stronger one survives."""
    user, shards = work.user(body.reason if body is not None else None), None if preview else work.shards
    done = await deciding.accept(work.connection, work.workspace, proposal_id, user, shards=shards, visible=work.visible)
    return answer_of(act_shown(done.plan, executed=not preview))


@router.post("/proposals/{proposal_id}/refuse", status_code=204)
@allowed("proposals", "decide")
async def refuse_proposal(work: Doing, proposal_id: UUID, body: Why | None = None) -> None:
    """Keep the two apart: no event joins them, a person may."""
    reason = body.reason if body is not None else None
    await deciding.refuse(work.connection, work.workspace, proposal_id, work.user(reason), execute=True, visible=work.visible)
    work.note("refused", "proposals", proposal_id, reason=reason)


@router.post("/simulate", response_model=dict[str, Any])
@lasting("simulation", "read")
async def simulate(work: Doing, body: Simulated) -> Response:
    """What these interactions would do, under these rules or others; nothing is written (docs/reference/simulate.schema.json)."""
    document = document_of(body.rules) if body.rules is not None else None
    lines = b"\n".join(msgspec.json.encode({**each, "workspace": work.workspace}) for each in body.events)
    stream = io.BytesIO(lines)
    if body.begin_with == "empty":
        tried, present = Run(same_everywhere(document)), Run(same_everywhere(None)) if body.diff else None
        bad = from_empty(numbered(stream), [tried] if present is None else [present, tried])
    else:
        recency = timedelta(hours=1)
        tried, present = StoredRun(document, recency), StoredRun(None, recency) if body.diff else None
        bad = await from_stored(stream, work.store, [each for each in (present, tried) if isinstance(each, StoredRun)], recency)
    return answer_of(report(tried, bad, present=present))


def _shown(each: Proposal) -> ProposalShown:
    return ProposalShown(
        proposal_id=each.proposal_id,
        contacts=list(each.contacts),
        state=each.state,
        guard=each.guard,
        semantic_type=each.semantic_type,
        first=OccasionShown(at=each.first.at, event_id=each.first.event_id),
        last=OccasionShown(at=each.last.at, event_id=each.last.event_id),
        proposed_at=each.proposed_at,
        expires_at=each.expires_at,
        decided_at=each.decided_at,
        actor=each.actor,
        reason=each.reason,
    )
