"""Items that define something: profiles, taxonomies, tags, relationships, workflows, document templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from onefold.errors import InvalidMessage
from onefold.records.definitions import definitions_by_slug, update_definition
from onefold.records.log import Act
from onefold.workspace import definitions
from onefold.workspace.definitions import Wish
from onefold.workspace.kinds import KINDS

if TYPE_CHECKING:
    from datetime import datetime

    from onefold.records.definitions import Definition
    from onefold.seeds.apply import Work
    from onefold.seeds.items import DefinitionData
    from onefold.workspace.kinds import Kind

    Made = tuple[str, Literal["created", "updated", "unchanged"], dict[str, tuple[Any, Any]]]


async def make(work: Work, kind_name: str, data: DefinitionData) -> Made:
    """Make it so; gives its slug, what was done, and what was different."""
    kind = KINDS[kind_name]
    scope = data.object_type or (kind.scopes[0] if len(kind.scopes) == 1 else "")
    parent = id_of(data.parent_id)
    present = (await definitions_by_slug(work.connection, work.workspace, kind.name, [scope], [data.slug])).get(data.slug)
    if present is None:
        made = await definitions.create(work.connection, work.workspace, kind, Wish(data.slug, data.title, scope, data.data, parent))
        made = await _archived(work, made, data.deleted_at) if "deleted_at" in data.model_fields_set else made
        _note(work, kind, "created", made)
        return data.slug, "created", {}
    after = await _edited(work, kind, present, data, parent)
    changes = _differences(present, after)
    if changes:
        _note(work, kind, "updated", after)
    return data.slug, "updated" if changes else "unchanged", changes


async def _edited(work: Work, kind: Kind, present: Definition, data: DefinitionData, parent: UUID | None) -> Definition:
    named = data.model_fields_set
    whole = kind.read(data.data) if "data" in named else None
    _, after = await definitions.edit(
        work.connection, work.workspace, kind, present.definition_id, title=data.title, data=whole, actor=work.user.actor
    )
    if "parent_id" in named and parent != after.parent_id:
        after = await definitions.move(work.connection, work.workspace, kind, present.definition_id, parent, None)
    return await _archived(work, after, data.deleted_at) if "deleted_at" in named else after


async def _archived(work: Work, definition: Definition, at: datetime | None) -> Definition:
    if definition.archived_at == at:
        return definition
    return await update_definition(work.connection, definition._replace(archived_at=at))


def _differences(before: Definition, after: Definition) -> dict[str, tuple[Any, Any]]:
    found = {name: (getattr(before, name), getattr(after, name)) for name in ("title", "parent_id", "archived_at")}
    found.update({f"data.{name}": (before.data.get(name), after.data.get(name)) for name in before.data.keys() | after.data.keys()})
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}


def _note(work: Work, kind: Kind, action: str, definition: Definition) -> None:
    if work.user.journal is not None:
        user = work.user
        act = Act(user.actor, action, kind.plural, str(definition.definition_id), definition.version, None, user.reason, (), user.origin)
        work.user.journal.append(act)


def id_of(text: str | None) -> UUID | None:
    """The id that a reference became. Raises InvalidMessage where the text is none."""
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise InvalidMessage(f"{text!r} is no id; name the record by a reference", code="invalid_reference") from None
