"""Organizations: a tree, what hangs on them, and renames that reach every contact (product.md, section 7)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from onefold.access.matrix import Scope
from onefold.errors import OrganizationNotFound
from onefold.http.paging import Cursor, Limit, Page, cursor_of, place_of
from onefold.http.user_api.classification import Hanging, StageShown, change_of, stages_shown
from onefold.http.user_api.door import Doing, DoorRoute, Work, allowed
from onefold.records import organizations as records
from onefold.records.organizations import Organization
from onefold.workspace import organizations as use_cases
from onefold.workspace.organizations import Edit, New

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.records.visibility import Visible

router = APIRouter(route_class=DoorRoute, tags=["organizations"])
KIND = "organizations"

Title = Annotated[str, Field(min_length=1, max_length=200)]
Sequence_ = Annotated[
    int | None, Field(ge=-(2**31), lt=2**31, description="Among its siblings, from 1 on. None: the last; beyond either end: at that end.")
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OrganizationMade(_Body):
    """An organization to make."""

    title: Title
    slug: str | None = Field(
        None, min_length=1, max_length=63, description="What messages call it by, and never changes. None: of the title."
    )
    parent_id: UUID | None = None
    sequence: Sequence_ = None


class OrganizationEdited(_Body):
    """What is to be different."""

    title: Title
    reason: str | None = Field(None, max_length=1_000)


class OrganizationMoved(_Body):
    """Where it is to be."""

    parent_id: UUID | None = Field(description="Null: a root.")
    sequence: Sequence_ = None


class OrganizationShown(BaseModel):
    """An organization."""

    organization_id: UUID
    slug: str
    title: str
    parent_id: UUID | None
    sequence: int
    hierarchy: str
    hierarchy_sort: list[int]
    profiles: list[str]
    attributes: dict[str, dict[str, Any]]
    taxonomies: list[str]
    tags: list[str]
    workflows: dict[str, StageShown]
    owners: list[str]
    followers: list[str]
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class OrganizationRenamed(OrganizationShown):
    """The same after an edit."""

    renaming: UUID | None = Field(description="The job that rewrites the name on its contacts, if there are any.")


class OrganizationHung(OrganizationShown):
    """The same after something was hung on it."""

    skipped_tags: list[str] = Field(description="Unknown ones, which were left out.")


@router.get("/organizations")
@allowed(KIND, "read")
async def list_organizations(
    work: Doing,
    limit: Limit = 50,
    cursor: Cursor = None,
    slug: Annotated[str | None, Query(max_length=63, pattern=r"^[a-z0-9_-]+$", description="Only the one of this slug.")] = None,
    archived: Annotated[bool, Query(description="The archived ones instead of the active ones.")] = False,
) -> Page[OrganizationShown]:
    """Organizations in the order of the tree: each before what is below it."""
    if slug is not None:
        one = await records.find_by_slug(work.connection, work.workspace, slug)
        is_seen = one is not None and await records.is_seen(work.connection, work.workspace, one.organization_id, work.visible)
        return Page(items=[shown(one)] if one is not None and is_seen else [], next=None)
    found = await records.page(
        work.connection,
        work.workspace,
        after=place_of(cursor, tuple[bytes, UUID]),
        is_archived=archived,
        limit=limit + 1,
        visible=work.visible,
    )
    return _page(found, limit)


@router.post("/organizations", status_code=201)
@allowed(KIND, "create")
async def create_organization(work: Doing, body: OrganizationMade) -> OrganizationShown:
    """Make an organization. Who reaches only what they own owns what they make."""
    is_owner = work.caller.scope(KIND, "update") is Scope.OWNED
    await _demand_parent(work, body.parent_id)
    new = New(body.title, body.slug, body.parent_id, body.sequence, str(work.caller.user_id) if is_owner else None)
    made = await use_cases.create(work.connection, work.workspace, new)
    work.note("created", KIND, made.organization_id, version=made.version)
    return _told(work, made)


@router.get("/organizations/{organization_id}")
@allowed(KIND, "read")
async def read_organization(work: Doing, organization_id: UUID) -> OrganizationShown:
    """One organization."""
    await _demand(work, organization_id)
    return _told(work, await use_cases.find(work.connection, work.workspace, organization_id))


@router.get("/organizations/{organization_id}/below")
@allowed(KIND, "read")
async def list_below(work: Doing, organization_id: UUID, limit: Limit = 50, cursor: Cursor = None) -> Page[OrganizationShown]:
    """Everything below it, at any depth, in the order of the tree; archived ones too."""
    await _demand(work, organization_id)
    top = await use_cases.find(work.connection, work.workspace, organization_id)
    place = place_of(cursor, tuple[bytes, UUID])
    if place is not None and not place[0].startswith(top.place):
        return Page(items=[], next=None)
    after = place[0] if place is not None else None
    found = await records.below(work.connection, top, after=after, most=limit + 1, visible=work.visible)
    return _page(found, limit)


@router.patch("/organizations/{organization_id}")
@allowed(KIND, "update")
async def edit_organization(work: Doing, organization_id: UUID, body: OrganizationEdited) -> OrganizationRenamed:
    """Give it another title. A job then rewrites the name on its contacts, as a version and a change each."""
    version = work.expected_version()
    await _demand(work, organization_id)
    wanted = Edit(body.title, version)
    edited = await use_cases.edit(work.connection, work.workspace, organization_id, wanted, work.caller.actor, body.reason)
    if edited.after.version != edited.before.version:
        changes: list[dict[str, object]] = [
            {"type": "field", "slug": "title", "old_value": edited.before.title, "new_value": edited.after.title}
        ]
        work.note("updated", KIND, organization_id, version=edited.after.version, reason=body.reason, changes=changes)
    renaming = edited.renaming.job_id if edited.renaming is not None else None
    return OrganizationRenamed(**_told(work, edited.after).model_dump(), renaming=renaming)


@router.post("/organizations/{organization_id}/move")
@allowed(KIND, "update")
async def move_organization(work: Doing, organization_id: UUID, body: OrganizationMoved) -> OrganizationShown:
    """Put it elsewhere in the tree, with everything below it."""
    version = work.expected_version()
    await _demand(work, organization_id)
    await _demand_parent(work, body.parent_id)
    edited = await use_cases.move(work.connection, work.workspace, organization_id, body.parent_id, body.sequence, if_version=version)
    changes: list[dict[str, object]] = [
        {"type": "field", "slug": "parent_id", "old_value": edited.before.parent_id, "new_value": edited.after.parent_id},
        {"type": "field", "slug": "sequence", "old_value": edited.before.sequence, "new_value": edited.after.sequence},
    ]
    work.note("moved", KIND, organization_id, version=edited.after.version, changes=changes)
    return _told(work, edited.after)


@router.patch("/organizations/{organization_id}/classification")
@allowed(KIND, "update")
async def hang_on_organization(work: Doing, organization_id: UUID, body: Hanging) -> OrganizationHung:
    """Adopt profiles, set their attributes, assign taxonomies and tags, move along workflows, own, follow: in one version."""
    version = work.expected_version()
    work.caller.demand_fields(KIND, ["owners"] if body.owners.add or body.owners.remove else [])
    await _demand(work, organization_id)
    edited, skipped = await use_cases.hang(work.connection, work.workspace, organization_id, change_of(body), if_version=version)
    if edited.after.version != edited.before.version:
        before, after = (shown(each).model_dump(mode="json") for each in (edited.before, edited.after))
        names = ("profiles", "attributes", "taxonomies", "tags", "workflows", "owners", "followers")
        changes: list[dict[str, object]] = [
            {"type": "field", "slug": name, "old_value": before[name], "new_value": after[name]}
            for name in names
            if before[name] != after[name]
        ]
        work.note("updated", KIND, organization_id, version=edited.after.version, reason=body.reason, changes=changes)
    return OrganizationHung(**_told(work, edited.after).model_dump(), skipped_tags=list(skipped))


@router.delete("/organizations/{organization_id}", status_code=204)
@allowed(KIND, "archive")
async def delete_organization(work: Doing, organization_id: UUID) -> Response:
    """Archive it; once archived, destroy it, which is refused while contacts belong to it. What is below it is lifted to its parent."""
    await _demand(work, organization_id)
    found = await use_cases.find(work.connection, work.workspace, organization_id)
    if found.archived_at is None:
        edited = await use_cases.archive(work.connection, work.workspace, organization_id, if_version=work.if_match)
        work.note("archived", KIND, organization_id, version=edited.after.version)
    else:
        work.caller.demand(KIND, "destroy")
        await use_cases.destroy(work.connection, work.workspace, organization_id, if_version=work.if_match)
        work.note("destroyed", KIND, organization_id)
    return Response(status_code=204)


@router.post("/organizations/{organization_id}/restore")
@allowed(KIND, "archive")
async def restore_organization(work: Doing, organization_id: UUID) -> OrganizationShown:
    """Take it out of the archive, as the last of its siblings."""
    await _demand(work, organization_id)
    edited = await use_cases.restore(work.connection, work.workspace, organization_id, if_version=work.if_match)
    if edited.after.version != edited.before.version:
        work.note("restored", KIND, organization_id, version=edited.after.version)
    return _told(work, edited.after)


async def _demand(work: Work, organization_id: UUID, visible: Visible | None = None) -> None:
    """Raises OrganizationNotFound where it is not the caller's to see or change: as if there were none (S31, S77)."""
    if not await records.is_seen(work.connection, work.workspace, organization_id, work.visible if visible is None else visible):
        raise OrganizationNotFound(f"workspace {work.workspace} has no organization {organization_id}")


async def _demand_parent(work: Work, parent_id: UUID | None) -> None:
    """The same of a parent, which the caller has to see: whoever may make or move an organization need not own what is above it."""
    if parent_id is not None:
        await _demand(work, parent_id, work.caller.visible(work.caller.scope(KIND, "read")))


def _page(found: Sequence[Organization], limit: int) -> Page[OrganizationShown]:
    last = found[limit - 1] if len(found) > limit else None
    return Page(
        items=[shown(each) for each in found[:limit]], next=cursor_of((last.place, last.organization_id)) if last is not None else None
    )


def _told(work: Work, organization: Organization) -> OrganizationShown:
    work.version = organization.version
    return shown(organization)


def shown(organization: Organization) -> OrganizationShown:
    """An organization as the API shows it."""
    held = organization.classification
    return OrganizationShown(
        organization_id=organization.organization_id,
        slug=organization.slug,
        title=organization.title,
        parent_id=organization.parent_id,
        sequence=organization.sequence,
        hierarchy=organization.hierarchy,
        hierarchy_sort=organization.hierarchy_sort,
        profiles=list(held.profiles),
        attributes=organization.attributes,
        taxonomies=list(held.taxonomies),
        tags=organization.tags,
        workflows=stages_shown(held),
        owners=list(held.owners),
        followers=list(held.followers),
        version=organization.version,
        created_at=organization.created_at,
        updated_at=organization.updated_at,
        archived_at=organization.archived_at,
    )
