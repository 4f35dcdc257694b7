"""Use cases on the rules of resolution of a workspace: look, change, look back. A change is planned first, and carried out as planned.

Rules apply to what is decided after them (R18): workers learn of a new version with their next batch. What contacts hold already stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from onefold.errors import RulesChanged, RulesInUse
from onefold.identity.rules_difference import difference, with_key, without_key
from onefold.identity.rules_document import entries_of, rules_of
from onefold.identity.rules_reading import document_of, read
from onefold.records import rules_versions as records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.identity.rules import Rules
    from onefold.identity.rules_difference import Change
    from onefold.identity.rules_document import Document
    from onefold.records.rules_versions import RulesVersion
    from onefold.records.store import Connection


@dataclass(frozen=True, slots=True)
class Edits:
    """What somebody wants of the rules: first the whole document, if one is given, then single keys."""

    document: bytes | None = None
    """JSON that takes the place of everything."""
    keys: Sequence[tuple[str, Any]] = ()
    unset: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A change that would be made."""

    workspace: str
    version: int
    """The version that it changes."""
    before: dict[str, Any]
    after: dict[str, Any]
    changes: tuple[Change, ...]


async def show(connection: Connection, workspace: str) -> tuple[Document, int]:
    """The document in force and its version. Raises WorkspaceNotFound, RulesUnreadable."""
    text, version = await records.present_rules(connection, workspace)
    return records.stored_document(workspace, version, text), version


async def rules_to_find(connection: Connection, workspace: str) -> Rules:
    """The rules by which identifiers of contacts are looked up. Raises WorkspaceNotFound, RulesUnreadable."""
    document, version = await show(connection, workspace)
    return rules_of(document, recency=timedelta(0), version=version).to_find()


async def plan(connection: Connection, workspace: str, edits: Edits, *, if_version: int | None = None, from_now_on: bool = False) -> Plan:
    """What these edits would change.

    Raises InvalidRules; RulesChanged where another version than `if_version` is in force; RulesInUse where contacts hold what would be
    taken out of the catalog, or more than one value of what would become unique, unless that is to hold `from_now_on` only.
    """
    before, version = await show(connection, workspace)
    if if_version is not None and if_version != version:
        raise await _changed(connection, workspace, if_version, version)
    after = _edited(before, edits)
    await _refuse_what_is_in_use(connection, workspace, before, after, from_now_on=from_now_on)
    return Plan(workspace, version, before.given(), after.given(), difference(before, after))


async def carry_out(connection: Connection, plan: Plan, *, actor: str, reason: str | None) -> RulesVersion:
    """Put a plan in force. Raises RulesChanged where somebody else was faster; then nothing is changed."""
    made = await records.replace_rules(connection, plan.workspace, plan.version, plan.before, plan.after, actor=actor, reason=reason)
    if made is None:
        _, version = await records.present_rules(connection, plan.workspace)
        raise await _changed(connection, plan.workspace, plan.version, version)
    return made


async def history(connection: Connection, workspace: str, limit: int, below: int | None = None) -> list[RulesVersion]:
    """The changes, newest first. Raises WorkspaceNotFound."""
    await records.present_rules(connection, workspace)
    return await records.list_versions(connection, workspace, limit, below or records.NEWEST)


def _edited(before: Document, edits: Edits) -> Document:
    given = before.given() if edits.document is None else read(edits.document).given()
    for key in edits.unset:
        given = without_key(given, key)
    for key, value in edits.keys:
        given = with_key(given, key, value)
    return document_of(given)


async def _changed(connection: Connection, workspace: str, expected: int, present: int) -> RulesChanged:
    latest = await records.list_versions(connection, workspace, 1)
    who = f", by {latest[0].actor} at {latest[0].at:%Y-%m-%d %H:%M:%SZ}" if latest else ""
    return RulesChanged(
        f"the rules of workspace {workspace} are at version {present} now{who}, not at {expected}; nothing was changed."
        " `onefold rules history` shows what was done; look, and give the command again"
    )


async def _refuse_what_is_in_use(connection: Connection, workspace: str, before: Document, after: Document, *, from_now_on: bool) -> None:
    old, new = entries_of(before), entries_of(after)
    for kind, entry in old.items():
        if kind not in new:
            await _refuse_uses(connection, workspace, kind, None)
            continue
        for slug in sorted(set(entry.slugs) - set(new[kind].slugs)):
            await _refuse_uses(connection, workspace, kind, slug)
        if new[kind].unique_per_contact and not entry.unique_per_contact and not from_now_on:
            count = await records.count_holding_several(connection, workspace, kind)
            if count:
                raise RulesInUse(
                    f"{_many(count)} contacts hold more than one {kind}, so it cannot become unique_per_contact for all of them;"
                    " --from-now-on leaves them as they are and binds what comes"
                )


async def _refuse_uses(connection: Connection, workspace: str, kind: str, slug: str | None) -> None:
    count = await records.count_uses(connection, workspace, kind, slug)
    if count:
        what = f"the type {kind}" if slug is None else f"the label {slug} of {kind}"
        way = f"; catalog.{kind}.enabled=false switches it off and keeps them" if slug is None else ""
        raise RulesInUse(f"{what} cannot be removed: {_many(count)} identifiers of contacts use it{way}")


def _many(count: int) -> str:
    return f"{records.MOST_COUNTED} or more" if count >= records.MOST_COUNTED else str(count)
