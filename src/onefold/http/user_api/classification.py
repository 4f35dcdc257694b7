"""What hangs on a contact: profiles with attributes, taxonomies, tags, workflows, owners, followers, relationships."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from onefold.contacts.classify import classify
from onefold.http.user_api.door import Doing, DoorRoute, Work, allowed
from onefold.identity import adoption
from onefold.identity.classification import Classification, relationships
from onefold.identity.survivorship import UNBOUND
from onefold.records.visibility import demand_contact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

router = APIRouter(route_class=DoorRoute, tags=["classification"])

Names = Annotated[list[str], Field(max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SetEdited(_Body):
    """What goes into a set, and what comes out."""

    add: Names = []
    remove: Names = []


class Placed(_Body):
    """Where the record is to be on a workflow."""

    step: str | None = Field(None, max_length=63, description="Null: where it is, or at the first step.")
    done: Names | None = Field(None, description="Of the step's checklist.")


class Relation(_Body):
    """A record that is to be related."""

    relationship: str = Field(max_length=63)
    id: UUID
    pivot: dict[str, Any] = {}


class Unrelated(_Body):
    """A relation that is to end."""

    relationship: str = Field(max_length=63)
    id: UUID


class Hooks(_Body):
    """What is to be different of what hangs on a record of any kind; what is left out stays."""

    taxonomies: SetEdited = SetEdited()
    tags: SetEdited = SetEdited()
    owners: SetEdited = SetEdited()
    followers: SetEdited = SetEdited()
    workflows: dict[str, Placed | None] = Field(default={}, description="By slug; null takes the record off.")
    relate: list[Relation] = Field(default=[], max_length=200)
    unrelate: list[Unrelated] = Field(default=[], max_length=200)
    reason: str | None = Field(None, max_length=1_000)


class Hanging(Hooks):
    """What is to be different of a contact; what is left out stays."""

    profiles: SetEdited = SetEdited()
    attributes: dict[str, dict[str, Any]] = Field(default={}, description="Values by profile; null clears.")


class StageShown(BaseModel):
    """Where a record is on a workflow."""

    step: str
    since: datetime
    done: list[str]


class RelatedShown(BaseModel):
    """A related record."""

    id: str
    pivot: dict[str, Any]


class HangingShown(BaseModel):
    """What hangs on a contact."""

    contact_id: UUID
    version: int
    profiles: list[str]
    attributes: dict[str, dict[str, Any]]
    taxonomies: list[str]
    tags: list[str]
    workflows: dict[str, StageShown]
    owners: list[str]
    followers: list[str]
    relationships: dict[str, list[RelatedShown]]
    skipped_tags: list[str] = Field(description="Unknown ones, which were left out.")


@router.patch("/contacts/{contact_id}/classification")
@allowed("contacts", "update")
async def hang(work: Doing, contact_id: UUID, body: Hanging) -> HangingShown:
    """Adopt profiles, set their attributes, assign taxonomies and tags, move along workflows, own, follow, relate: in one version."""
    version = work.expected_version()
    work.caller.demand_fields("contacts", ["owners"] if body.owners.add or body.owners.remove else [])
    await demand_contact(work.connection, work.workspace, contact_id, work.visible)
    done = await classify(
        work.connection,
        work.workspace,
        contact_id,
        change_of(body),
        work.user(body.reason),
        if_version=version,
        shards=work.shards,
        sight=work.sight,
    )
    contact = done.plan.contacts_changed[0] if done.plan.contacts_changed else done.contact
    return _shown(work, contact, list(done.skipped_tags))


def change_of(body: Hooks) -> adoption.Change:
    """The change that a body asks for."""
    profiles, attributes = (body.profiles, body.attributes) if isinstance(body, Hanging) else (SetEdited(), {})

    def edit(asked: SetEdited) -> adoption.Edit:
        return adoption.Edit(asked.add, asked.remove)

    return adoption.Change(
        profiles=edit(profiles),
        taxonomies=edit(body.taxonomies),
        tags=edit(body.tags),
        owners=edit(body.owners),
        followers=edit(body.followers),
        attributes=attributes,
        workflows=placements(body.workflows),
        relate=relations_of(body.relate),
        unrelate=[(each.relationship, str(each.id)) for each in body.unrelate],
    )


def placements(workflows: Mapping[str, Placed | None]) -> dict[str, adoption.Placement | None]:
    """Where a body wants a record on each workflow."""
    return {slug: adoption.Placement(each.step, each.done) if each is not None else None for slug, each in workflows.items()}


def relations_of(relate: Sequence[Relation]) -> list[adoption.Relation]:
    """What a body relates a record to."""
    return [adoption.Relation(each.relationship, str(each.id), each.pivot) for each in relate]


def stages_shown(classification: Classification) -> dict[str, StageShown]:
    """Where a record is on each workflow."""
    return {slug: StageShown(step=stage.step, since=stage.since, done=list(stage.done)) for slug, stage in classification.workflows.items()}


def relationships_shown(classification: Classification) -> dict[str, list[RelatedShown]]:
    """What a record is related to."""
    return {
        slug: [RelatedShown(id=each.id, pivot=each.pivot) for each in related] for slug, related in relationships(classification).items()
    }


def _shown(work: Work, contact: Any, skipped: list[str]) -> HangingShown:
    work.version = contact.version
    held = contact.classification
    return HangingShown(
        contact_id=contact.contact_id,
        version=contact.version,
        profiles=list(held.profiles),
        attributes={slug: values for slug, values in contact.attributes.items() if slug != UNBOUND},
        taxonomies=list(held.taxonomies),
        tags=contact.tags,
        workflows=stages_shown(held),
        owners=list(held.owners),
        followers=list(held.followers),
        relationships=relationships_shown(held),
        skipped_tags=skipped,
    )
