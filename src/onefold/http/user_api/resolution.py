"""How identifiers resolve: the catalog (product.md, section 3), and the rules as one document."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from onefold.errors import IdentifierTypeNotFound, VersionConflict
from onefold.http.paging import Limit
from onefold.http.user_api.contact_shapes import Reason
from onefold.http.user_api.door import Doing, DoorRoute, Work, allowed
from onefold.identity.rules_document import Entry, entries_of, in_force
from onefold.workspace import rules
from onefold.workspace.rules import Edits, Plan

if TYPE_CHECKING:
    from onefold.records.rules_versions import RulesVersion

router = APIRouter(route_class=DoorRoute, tags=["resolution"])

Kind = Annotated[str, Path(max_length=63, description="A semantic type.")]
Preview = Annotated[bool, Query(description="Show what would change, and do nothing.")]
FromNowOn = Annotated[bool, Query(description="Let a type become unique_per_contact though contacts hold several: it binds what comes.")]


class CatalogShown(BaseModel):
    """The types that resolve."""

    version: int = Field(description="Of the rules, which the catalog is a part of.")
    types: list[Entry]


class TypeEdited(BaseModel):
    """What of a type is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = Field(None, max_length=200)
    unique_per_contact: bool | None = None
    max_per_contact: int | None = Field(None, ge=1)
    device_bound: bool | None = None
    priority: int | None = Field(None, ge=0, le=9_999)
    outreach: bool | None = None
    enabled: bool | None = None
    slugs: list[str] | None = Field(None, max_length=100, description="`main` among them, which cannot be removed.")
    reason: Reason = None


class RulesShown(BaseModel):
    """The rules in force."""

    version: int
    document: dict[str, Any] = Field(description="What the workspace says itself.")
    in_force: dict[str, Any] = Field(description="The same with every default.")


class RulesGiven(BaseModel):
    """Rules that are to take the place of all."""

    model_config = ConfigDict(extra="forbid")

    document: dict[str, Any]
    reason: Reason = None


class RuleChanged(BaseModel):
    """One key that is not as it was."""

    key: str
    before: Any
    after: Any


class RulesPlanned(BaseModel):
    """A change of the rules."""

    executed: bool
    version: int
    changes: list[RuleChanged]


class RulesVersionShown(BaseModel):
    """One change of the rules."""

    version: int
    at: datetime
    actor: str
    reason: str | None
    before: dict[str, Any]
    after: dict[str, Any]


@router.get("/settings/identifiers")
@allowed("catalog", "read")
async def read_catalog(work: Doing) -> CatalogShown:
    """The identifier catalog: the types and labels that an identifier may have, and how each resolves."""
    return await _catalog(work)


@router.put("/settings/identifiers/{semantic_type}")
@allowed("catalog", "update")
async def edit_type(work: Doing, semantic_type: Kind, body: TypeEdited, *, from_now_on: FromNowOn = False) -> CatalogShown:
    """Add a type, or change one. A label in use is not removed: the refusal counts its uses."""
    said = body.model_dump(exclude_unset=True, exclude={"reason"})
    document, _ = await rules.show(work.connection, work.workspace)
    if semantic_type in entries_of(document) and not said:
        return await _catalog(work)
    keys = [(f"catalog.{semantic_type}.{name}", value) for name, value in said.items()]
    await _change(work, Edits(keys=keys or [(f"catalog.{semantic_type}.title", semantic_type)]), body.reason, from_now_on=from_now_on)
    return await _catalog(work)


@router.delete("/settings/identifiers/{semantic_type}")
@allowed("catalog", "update")
async def remove_type(work: Doing, semantic_type: Kind) -> CatalogShown:
    """Remove a type that was added, unless it is in use; a built-in one is as it was again."""
    document, _ = await rules.show(work.connection, work.workspace)
    if all(each.semantic_type != semantic_type for each in document.catalog):
        raise IdentifierTypeNotFound(f"the workspace has added no type {semantic_type}, and changed none of that name")
    await _change(work, Edits(unset=[f"catalog.{semantic_type}"]), None)
    return await _catalog(work)


@router.get("/rules")
@allowed("rules", "read")
async def read_rules(work: Doing) -> RulesShown:
    """The rules of resolution: policy, catalog, limits, blocked values, normalisation (docs/reference/rules.schema.json)."""
    document, work.version = await rules.show(work.connection, work.workspace)
    return RulesShown(version=work.version, document=document.given(), in_force=in_force(document))


@router.put("/rules")
@allowed("rules", "update")
async def set_rules(work: Doing, body: RulesGiven, *, preview: Preview = False, from_now_on: FromNowOn = False) -> RulesPlanned:
    """Put other rules in force. The preview says which keys would be different."""
    work.caller.demand("catalog", "update")
    edits = Edits(msgspec.json.encode(body.document))
    if not preview:
        return _planned(await _change(work, edits, body.reason, from_now_on=from_now_on), executed=True)
    plan = await rules.plan(work.connection, work.workspace, edits, if_version=work.if_match, from_now_on=from_now_on)
    work.version = plan.version
    return _planned(plan, executed=False)


@router.get("/rules/history")
@allowed("rules", "read")
async def rules_history(work: Doing, limit: Limit = 50, below: Annotated[int | None, Query(ge=1)] = None) -> list[RulesVersionShown]:
    """The changes, newest first; `below` a version, those before it."""
    return [_version(each) for each in await rules.history(work.connection, work.workspace, limit, below)]


async def _catalog(work: Work) -> CatalogShown:
    document, work.version = await rules.show(work.connection, work.workspace)
    return CatalogShown(version=work.version, types=[Entry.model_validate(each) for each in _entries(in_force(document))])


def _entries(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**each, "slugs": tuple(each["slugs"])} for each in document["catalog"]]


async def _change(work: Work, edits: Edits, reason: str | None, *, from_now_on: bool = False) -> Plan:
    """Carry out a change of the version that the caller looked at; into the log goes each key that is different."""
    expected = work.expected_version()
    _, present = await rules.show(work.connection, work.workspace)
    if expected is not None and expected != present:
        raise VersionConflict(f"the rules are at version {present} by now, not at {expected}: look again")
    plan = await rules.plan(work.connection, work.workspace, edits, from_now_on=from_now_on)
    if plan.before == plan.after:
        work.version = plan.version
        return plan
    made = await rules.carry_out(work.connection, plan, actor=work.caller.actor, reason=reason)
    changes = [{"type": "rule", "slug": each.key, "old_value": each.before, "new_value": each.after} for each in plan.changes]
    work.note("updated", "rules", work.workspace, version=made.version, reason=reason, changes=changes)
    work.version = made.version
    return plan


def _planned(plan: Plan, *, executed: bool) -> RulesPlanned:
    changes = [RuleChanged(key=each.key, before=each.before, after=each.after) for each in plan.changes]
    return RulesPlanned(executed=executed, version=plan.version, changes=changes)


def _version(each: RulesVersion) -> RulesVersionShown:
    return RulesVersionShown(version=each.version, at=each.at, actor=each.actor, reason=each.reason, before=each.before, after=each.after)
