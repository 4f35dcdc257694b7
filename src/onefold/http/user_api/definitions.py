"""What describes records: profiles, taxonomies, tags, relationships, workflows, templates. One set of routes for every kind."""
# No `from __future__ import annotations`: the models of each kind are known when its routes are made, and FastAPI looks at them then.

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from onefold.http.paging import Cursor, Limit, Page, cursor_of, place_of
from onefold.http.user_api.door import Doing, DoorRoute, Work, allowed
from onefold.records.definitions import Definition, list_definitions
from onefold.workspace import definitions as use_cases
from onefold.workspace.definitions import Wish
from onefold.workspace.kinds import KINDS, TAG, Kind

Data = TypeVar("Data", bound=BaseModel)


class Shown(BaseModel, Generic[Data]):
    """A definition."""

    id: UUID
    slug: str = Field(description="Never changes: records name what they carry by it.")
    title: str
    object_type: str | None = Field(description="For which records it is; null: for all.")
    parent_id: UUID | None
    sequence: int = Field(description="Place among its siblings, from 1.")
    hierarchy: str = Field(description="The way from the root, such as 1.2.3.")
    data: Data
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class Made(BaseModel, Generic[Data]):
    """A definition to make."""

    model_config = ConfigDict(extra="forbid")

    slug: str = Field(min_length=1, max_length=63)
    title: str = Field(min_length=1, max_length=200)
    object_type: str | None = Field(None, description="For which records it is; needed where a kind is for several.")
    data: Data
    parent_id: UUID | None = None
    sequence: int | None = Field(None, ge=1, le=1_000_000)


class Edited(BaseModel):
    """What is to be different; of `data` too, only what is named."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = Field(None, min_length=1, max_length=200)
    data: dict[str, Any] | None = None


class Moved(BaseModel):
    """Where one is to stand."""

    model_config = ConfigDict(extra="forbid")

    parent_id: UUID | None = Field(description="Below which; null: at the top.")
    sequence: int | None = Field(None, ge=1, le=1_000_000, description="Place among its siblings; the end where none is named.")


class Path(BaseModel):
    """Titles from the top, as typed into a picker."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(min_length=1, max_length=2_000, examples=["region/north/coast"])


def router_of(kind: Kind) -> APIRouter:  # noqa: C901 -- a function a route
    """The routes of one kind."""
    router = APIRouter(route_class=DoorRoute, tags=[kind.plural], prefix=f"/{kind.plural.replace('_', '-')}")
    resource, words = kind.plural, kind.name.replace("_", " ")
    one = Shown[kind.data]  # type: ignore[name-defined]  # a model that is known at run time
    made = Made[kind.data]  # type: ignore[name-defined]

    def show(found: Definition) -> Any:
        return one(
            id=found.definition_id,
            slug=found.slug,
            title=found.title,
            object_type=found.scope or None,
            parent_id=found.parent_id,
            sequence=found.sequence,
            hierarchy=".".join(map(str, found.hierarchy_sort)),
            data=kind.data.model_validate(found.data),
            version=found.version,
            created_at=found.created_at,
            updated_at=found.updated_at,
            archived_at=found.archived_at,
        )

    def told(work: Work, found: Definition) -> Any:
        work.version = found.version
        return show(found)

    @router.get("", summary=f"List {resource.replace('_', ' ')}", response_model=Page[one])
    @allowed(resource, "read")
    async def list_all(
        work: Doing,
        limit: Limit = 50,
        cursor: Cursor = None,
        object_type: Annotated[str | None, Query(max_length=50)] = None,
        archived: bool = False,
        prefix: Annotated[str | None, Query(max_length=100, description="Of title or slug.")] = None,
    ) -> Any:
        place = place_of(cursor, tuple[str, list[int], UUID])
        found = await list_definitions(
            work.connection, work.workspace, kind.name, scope=object_type, archived=archived, after=place, limit=limit + 1, prefix=prefix
        )
        last = found[limit - 1] if len(found) > limit else None
        following = cursor_of((last.scope, last.hierarchy_sort, last.definition_id)) if last is not None else None
        return {"items": [show(each) for each in found[:limit]], "next": following}

    @router.post("", status_code=201, summary=f"Make a {words}", response_model=one)
    @allowed(resource, "create")
    async def create(work: Doing, body: made) -> Any:
        data: Any = body
        wish = Wish(data.slug, data.title, data.object_type or "", data.data.model_dump(mode="json"), data.parent_id, data.sequence)
        found = await use_cases.create(work.connection, work.workspace, kind, wish)
        work.note("created", resource, found.definition_id, version=found.version)
        return told(work, found)

    @router.get("/{definition_id}", summary=f"One {words}", response_model=one)
    @allowed(resource, "read")
    async def read(work: Doing, definition_id: UUID) -> Any:
        return told(work, await use_cases.found(work.connection, work.workspace, kind, definition_id))

    @router.get("/{definition_id}/uses", summary=f"How many records carry a {words}", response_model=dict[str, int])
    @allowed(resource, "read")
    async def uses(work: Doing, definition_id: UUID) -> Any:
        return await use_cases.uses(work.connection, kind, await use_cases.found(work.connection, work.workspace, kind, definition_id))

    @router.patch("/{definition_id}", summary=f"Change a {words}", response_model=one)
    @allowed(resource, "update")
    async def edit(work: Doing, definition_id: UUID, body: Edited) -> Any:
        version = work.expected_version()
        before, after = await use_cases.edit(
            work.connection,
            work.workspace,
            kind,
            definition_id,
            actor=work.caller.actor,
            title=body.title,
            data=body.data,
            version=version,
        )
        if before != after:
            work.note("updated", resource, definition_id, version=after.version, changes=_changes(before, after))
        return told(work, after)

    @router.delete("/{definition_id}", status_code=204, summary=f"Archive a {words}; once archived, destroy it")
    @allowed(resource, "archive")
    async def delete(work: Doing, definition_id: UUID) -> Response:
        found = await use_cases.found(work.connection, work.workspace, kind, definition_id, will_write=True)
        if found.archived_at is None:
            found = await use_cases.archive(work.connection, work.workspace, kind, definition_id, version=work.if_match)
            work.note("archived", resource, definition_id, version=found.version)
        else:
            work.caller.demand(resource, "destroy")
            await use_cases.destroy(work.connection, work.workspace, kind, definition_id)
            work.note("destroyed", resource, definition_id)
        return Response(status_code=204)

    @router.post("/{definition_id}/restore", summary=f"Take a {words} out of the archive", response_model=one)
    @allowed(resource, "archive")
    async def restore(work: Doing, definition_id: UUID) -> Any:
        found = await use_cases.restore(work.connection, work.workspace, kind, definition_id)
        work.note("restored", resource, definition_id, version=found.version)
        return told(work, found)

    if kind.is_tree:

        @router.post("/{definition_id}/move", summary=f"Put a {words} elsewhere in the tree", response_model=one)
        @allowed(resource, "update")
        async def move(work: Doing, definition_id: UUID, body: Moved) -> Any:
            found = await use_cases.move(work.connection, work.workspace, kind, definition_id, body.parent_id, body.sequence)
            work.note("moved", resource, definition_id, version=found.version)
            return told(work, found)

    if kind is TAG:

        @router.post("/paths", status_code=201, summary="The tags of a typed path, made where they are unknown", response_model=list[one])
        @allowed(resource, "create")
        async def make_path(work: Doing, body: Path) -> Any:
            found = await use_cases.tag_of_path(work.connection, work.workspace, body.path)
            work.note("path_made", resource, found[-1].definition_id)
            return [show(each) for each in found]

    return router


def _changes(before: Definition, after: Definition) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    if before.title != after.title:
        found.append({"type": "field", "slug": "title", "old_value": before.title, "new_value": after.title})
    for name in sorted(before.data.keys() | after.data.keys()):
        old, new = before.data.get(name), after.data.get(name)
        if old != new:
            found.append({"type": "field", "slug": f"data.{name}", "old_value": old, "new_value": new})
    return found


routers = tuple(router_of(kind) for kind in KINDS.values())
