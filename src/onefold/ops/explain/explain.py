"""Load what was recorded of a contact, and have it explained. Bounded by its identifiers and merges, never by what it did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from onefold.errors import ContactErased, ContactNotFound, WorkspaceNotFound
from onefold.identity.contact import Contact
from onefold.identity.identifiers import Identifier
from onefold.ops.explain.apart import between, side_of
from onefold.ops.explain.shapes import Apart, Between
from onefold.ops.explain.shown import explained, path_shown
from onefold.ops.explain.standing import Standing
from onefold.records.histories import load_contact, load_history, pairs_between, tenure_then
from onefold.records.proposals import between as proposals_between
from onefold.records.rules_versions import rules_in_force

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from onefold.identity.contact import Tenure
    from onefold.ops.explain.shapes import Explanation
    from onefold.records.store import Connection


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be explained: the contact that an id leads to, or that has an identifier."""

    who: UUID | Identifier
    as_of: datetime | None = None
    """How things stood then; None is now."""
    path: tuple[Identifier, Identifier] | None = None
    """Also: how these two of its identifiers hang together."""
    other: UUID | Identifier | None = None
    """Also: why this contact is another one."""


async def explain(connection: Connection, workspace: str, question: Question) -> Explanation:
    """Why a contact is what it is. To be asked in a transaction that sees one moment, and the workspace.

    Raises ContactErased; ContactNotFound, also where the contact has not both identifiers of the path; WorkspaceNotFound, RulesUnreadable.
    """
    at = question.as_of
    who = await _find(connection, workspace, question.who, at)
    other = await _find(connection, workspace, question.other, at) if question.other is not None else None
    history = await load_history(connection, workspace, [each.contact_id for each in (who, other) if each is not None], at=at)
    standing = Standing(history, at)
    root = _holder(standing, who)
    contact = await load_contact(connection, workspace, root)
    assert contact is not None, "what leads somewhere leads to a contact"  # noqa: S101 -- for the type checker
    said = explained(standing, contact, asked=_text(question.who), begun_at=who.contact_id if isinstance(who, Contact) else None)
    if question.path is not None:
        one, another = (_tenure(standing, root, each) for each in question.path)
        said.path = path_shown(standing, root, one, another)
    if other is not None:
        said.apart = await _apart(connection, workspace, standing, root, _holder(standing, other))
    return said


async def _find(connection: Connection, workspace: str, who: UUID | Identifier, at: datetime | None) -> Contact | Tenure:
    """The contact with an id, or the tenure that an identifier had then."""
    found: Contact | Tenure | None
    if isinstance(who, Identifier):
        found = await tenure_then(connection, workspace, who.key, at)
    else:
        found = await load_contact(connection, workspace, who)
        if found is not None and found.erased_at is not None:
            raise ContactErased(who, found.erased_at)
    then = f" at {at:%Y-%m-%d %H:%M:%SZ}" if at is not None else ""
    if found is None:
        raise ContactNotFound(f"workspace {workspace} has no contact for {_text(who)}{then}. Is the workspace right (--workspace)?")
    if at is not None and found.first_seen_at > at:
        raise ContactNotFound(f"nobody had seen {_text(who)}{then}: it was first seen at {found.first_seen_at:%Y-%m-%d %H:%M:%SZ}")
    return found


def _text(who: UUID | Identifier) -> str:
    return f"{who.semantic_type}:{who.normalised}" if isinstance(who, Identifier) else str(who)


def _holder(standing: Standing, found: Contact | Tenure) -> UUID:
    return standing.root(found.contact_id) if isinstance(found, Contact) else standing.holder(found)


def _tenure(standing: Standing, root: UUID, identifier: Identifier) -> Tenure:
    """The tenure of an identifier that a contact had, the open one before those that ended."""
    found = next((each for each in standing.held_by(root) if each.key == identifier.key), None)
    if found is None:
        raise ContactNotFound(f"{_text(identifier)} is no identifier of {root}: a path joins two of one contact")
    return found


async def _apart(connection: Connection, workspace: str, standing: Standing, one: UUID, other: UUID) -> Apart:
    if one == other:
        return Apart(other, [Between("one_contact", f"they are one contact: {one}", {"contact_id": one})])
    rules = (await rules_in_force(connection, [workspace], recency=timedelta(0))).get(workspace)
    if rules is None:
        raise WorkspaceNotFound(f"no workspace is called {workspace!r}")
    pairs = await pairs_between(connection, workspace, standing.members(one), standing.members(other))
    then = [each for each in pairs if standing.at is None or each.at <= standing.at]
    sides = [side_of(standing, each, rules) for each in (one, other)]
    proposals = await proposals_between(connection, workspace, standing.members(one), standing.members(other))
    made = [each for each in proposals if standing.at is None or each.first.at <= standing.at]
    return Apart(other, between(sides[0], sides[1], then, made, rules))
