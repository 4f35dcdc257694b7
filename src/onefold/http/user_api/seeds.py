"""Seeds through the API: what one would do, done, and a workspace written as one (product.md, section 10)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from onefold.http.user_api.door import Doing, DoorRoute, Work, allowed
from onefold.records.numbers import TenureNumbers
from onefold.seeds import apply as seeds
from onefold.seeds.export import ORDER, export
from onefold.seeds.items import MOST_ITEMS

router = APIRouter(route_class=DoorRoute, tags=["seeds"])


class Item(BaseModel):
    """One item: what it is, and what it says."""

    model_config = ConfigDict(extra="forbid")

    object_type: str = Field(max_length=63)
    data: dict[str, Any]


class Seed(BaseModel):
    """A seed."""

    model_config = ConfigDict(extra="forbid")

    items: list[Item] = Field(max_length=MOST_ITEMS, description="In order: a later one may name what an earlier one makes.")
    reason: str | None = Field(None, max_length=1_000)


class StepShown(BaseModel):
    """What became of one item, or would."""

    item: int
    object_type: str
    name: str
    action: Literal["created", "updated", "unchanged"]
    changes: dict[str, tuple[Any, Any]] = Field(description="Old and new, by path.")


class Seeded(BaseModel):
    """What a seed did, or would do."""

    steps: list[StepShown]
    created: int
    updated: int
    unchanged: int


class ExportShown(BaseModel):
    """A workspace as a seed."""

    items: list[Item]
    left_out: list[str] = Field(description="What no reference can name.")


@router.post("/seeds/plan")
@allowed("seeds", "create")
async def plan(work: Doing, body: Seed) -> Seeded:
    """What applying a seed would do, exactly. Nothing is changed."""
    return _shown(await seeds.plan(_work(work, body), _items(body)))


@router.post("/seeds")
@allowed("seeds", "create")
async def apply(work: Doing, body: Seed) -> Seeded:
    """Apply a seed: all of it or nothing. Applied again, it changes nothing."""
    steps = await seeds.apply(_work(work, body), _items(body))
    if any(each.action != "unchanged" for each in steps):
        work.note("seeded", "seeds", work.workspace, reason=body.reason)
    return _shown(steps)


@router.get("/seeds")
@allowed("seeds", "read")
async def read(
    work: Doing, only: Annotated[str | None, Query(max_length=300, description="Object types, comma-separated.")] = None
) -> ExportShown:
    """The workspace as a seed. Reads everybody, so it is in the log (S100)."""
    wanted = [each.strip() for each in only.split(",")] if only else list(ORDER)
    found = await export(work.connection, work.workspace, [each for each in wanted if each in ORDER])
    work.note("exported", "seeds", work.workspace)
    return ExportShown(items=[Item(**each) for each in found.items], left_out=found.left_out)


def _work(work: Work, body: Seed) -> seeds.Work:
    user = replace(work.user(body.reason), kind="seed")
    return seeds.Work(work.connection, work.workspace, user, work.shards, TenureNumbers())


def _items(body: Seed) -> list[dict[str, Any]]:
    return [each.model_dump() for each in body.items]


def _shown(steps: list[seeds.Step]) -> Seeded:
    counts = {action: sum(each.action == action for each in steps) for action in ("created", "updated", "unchanged")}
    shown = [
        StepShown(item=each.item, object_type=each.object_type, name=each.name, action=each.action, changes=each.changes) for each in steps
    ]
    return Seeded(steps=shown, **counts)
