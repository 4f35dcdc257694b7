"""Definitions of a workspace: made, changed, moved, archived, restored, destroyed; one way for every kind (product.md, section 7).

A slug never changes, since records name what they carry by it. The first delete archives: nothing new carries it, whatever does keeps it.
The second destroys, and is refused while anything carries it, with how many do. Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from onefold.errors import InvalidMessage, Refused, VersionConflict
from onefold.records import definitions as rows
from onefold.records import documents, workspace_jobs
from onefold.records.definitions import Definition, NewDefinition, Place
from onefold.workspace import hierarchy
from onefold.workspace.hierarchy import Node
from onefold.workspace.kinds import PROFILE, RECORDS, RELATIONSHIP, TAG, TEMPLATE, WORKFLOW

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from onefold.records.store import Connection
    from onefold.workspace.kinds import Kind

SLUG = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")
LONGEST_TITLE = 200


class DefinitionNotFound(Refused):
    """The workspace has no such definition."""

    code = "definition_not_found"


class DefinitionInUse(Refused):
    """Records carry what would go; the text counts them."""

    code = "definition_in_use"


class Protected(Refused):
    """A definition that belongs to the system."""

    code = "protected"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a definition is to be."""

    slug: str
    title: str
    scope: str = ""
    data: Mapping[str, Any] | None = None
    parent_id: UUID | None = None
    sequence: int | None = None


async def create(connection: Connection, workspace: str, kind: Kind, wish: Wish) -> Definition:
    """Make one. Raises InvalidMessage, AlreadyExists, DefinitionNotFound (its parent)."""
    scope = wish.scope or (kind.scopes[0] if len(kind.scopes) == 1 else "")
    if scope not in kind.scopes:
        raise InvalidMessage(f"a {kind.name} is for one of {', '.join(kind.scopes)}", code="invalid_scope")
    if SLUG.fullmatch(wish.slug) is None:
        raise InvalidMessage(f"{wish.slug!r} is no slug: small letters, digits, - and _, at most 63", code="invalid_slug")
    data = kind.read(wish.data or {})
    await rows.lock_kind(connection, workspace, kind.name, scope)
    if wish.parent_id is not None:
        await _parent(connection, workspace, kind, scope, wish.parent_id)
    await _check_new(connection, workspace, kind, wish, data)
    new = NewDefinition(
        workspace, uuid.uuid4(), kind.name, scope, wish.slug, _title(kind, wish.title), wish.parent_id, 2**30, (2**30,), data
    )
    made = await rows.insert_definition(connection, new)
    return await move(connection, workspace, kind, made.definition_id, wish.parent_id, wish.sequence)


async def found(connection: Connection, workspace: str, kind: Kind, definition_id: UUID, *, will_write: bool = False) -> Definition:
    """One. Raises DefinitionNotFound."""
    row = await rows.definition_by_id(connection, workspace, kind.name, definition_id, will_write=will_write)
    if row is None:
        raise DefinitionNotFound(f"there is no {kind.name} {definition_id}")
    return row


async def edit(
    connection: Connection,
    workspace: str,
    kind: Kind,
    definition_id: UUID,
    *,
    actor: str,
    title: str | None = None,
    data: Mapping[str, Any] | None = None,
    version: int | None = None,
) -> tuple[Definition, Definition]:
    """Change title or data; gives the one before and the one after. What records rest on stays. Raises VersionConflict, DefinitionInUse.

    Where the documents of a template are to be owned otherwise, a job begins that sees to it (`workspace.document_ownership`).
    """
    before = await found(connection, workspace, kind, definition_id, will_write=True)
    _demand(before, version)
    after = before._replace(
        title=_title(kind, title) if title is not None else before.title,
        data=kind.read({**before.data, **data}) if data is not None else before.data,
    )
    if (after.title, after.data) == (before.title, before.data):
        return before, before
    await _check_edit(connection, kind, before, after)
    after = await rows.update_definition(connection, after)
    if kind is TEMPLATE and await documents.owned_otherwise(connection, after, most=1):
        wanted = {"template_id": str(definition_id)}
        await workspace_jobs.create(connection, workspace, workspace_jobs.DOCUMENT_OWNERSHIP, wanted, actor=actor, progress={"switched": 0})
    return before, after


async def move(
    connection: Connection, workspace: str, kind: Kind, definition_id: UUID, parent_id: UUID | None, sequence: int | None
) -> Definition:
    """Put one elsewhere in its tree: below another, at a place among its siblings (clamped; the end where none is named)."""
    node = await found(connection, workspace, kind, definition_id)
    await rows.lock_kind(connection, workspace, kind.name, node.scope)
    if parent_id is not None:
        await _parent(connection, workspace, kind, node.scope, parent_id)
    tree = await rows.tree_of(connection, workspace, kind.name, node.scope)
    await _arrange(connection, workspace, tree, hierarchy.moved(_nodes(tree), definition_id, parent_id, sequence))
    return await found(connection, workspace, kind, definition_id)


async def archive(connection: Connection, workspace: str, kind: Kind, definition_id: UUID, *, version: int | None = None) -> Definition:
    """The first delete: nothing new carries it. A second time changes nothing here; `destroy` is the second delete."""
    before = await found(connection, workspace, kind, definition_id, will_write=True)
    _demand(before, version)
    if before.archived_at is not None:
        return before
    return await rows.update_definition(connection, before._replace(archived_at=datetime.now(UTC)))


async def restore(connection: Connection, workspace: str, kind: Kind, definition_id: UUID) -> Definition:
    """Take one out of the archive."""
    before = await found(connection, workspace, kind, definition_id, will_write=True)
    return before if before.archived_at is None else await rows.update_definition(connection, before._replace(archived_at=None))


async def destroy(connection: Connection, workspace: str, kind: Kind, definition_id: UUID) -> Definition:
    """The second delete: gone, and its children stand in its place. Raises DefinitionInUse."""
    gone = await found(connection, workspace, kind, definition_id)
    await rows.lock_kind(connection, workspace, kind.name, gone.scope)
    gone = await found(connection, workspace, kind, definition_id, will_write=True)
    _demand(gone, None)
    await _demand_unused(connection, kind, gone)
    tree = await rows.tree_of(connection, workspace, kind.name, gone.scope)
    await _arrange(connection, workspace, tree, hierarchy.lifted(_nodes(tree), definition_id))
    await rows.delete_definition(connection, gone)
    return gone


async def uses(connection: Connection, kind: Kind, definition: Definition) -> dict[str, int]:
    """How many records carry it, by their type."""
    if kind is RELATIONSHIP:
        return await rows.uses_of(connection, definition.workspace, f"relationship:{definition.slug}", None, [definition.scope])
    records = [definition.scope] if definition.scope else RECORDS
    return await rows.uses_of(connection, definition.workspace, kind.link, definition.slug, records)


async def tag_of_path(connection: Connection, workspace: str, path: str) -> list[Definition]:
    """The tags of a typed path, `region/north/coast`, made where they are unknown: as the picker does. The last one is meant."""
    titles = [each.strip() for each in path.split("/")]
    if not all(titles) or len(titles) > hierarchy.DEEPEST:
        raise InvalidMessage("a path of tags is written title/title/title, each of them not blank", code="invalid_path")
    await rows.lock_kind(connection, workspace, TAG.name, "")
    chain: list[Definition] = []
    tree = await rows.tree_of(connection, workspace, TAG.name, "")
    for title in titles:
        parent = chain[-1].definition_id if chain else None
        known = next((each for each in tree if each.parent_id == parent and each.title.casefold() == title.casefold()), None)
        if known is None:
            slug = _free_slug(title, {each.slug for each in tree})
            known = await create(connection, workspace, TAG, Wish(slug, title, parent_id=parent))
            tree.append(known)
        chain.append(known)
    return chain


def _free_slug(title: str, taken: Iterable[str]) -> str:
    """A slug from a title, with a number where it is taken."""
    plain = re.sub(r"[^a-z0-9]+", "-", title.casefold()).strip("-")[:50] or "tag"
    number, slug, known = 1, plain, set(taken)
    while slug in known:
        number += 1
        slug = f"{plain}-{number}"
    return slug


async def _parent(connection: Connection, workspace: str, kind: Kind, scope: str, parent_id: UUID) -> None:
    if not kind.is_tree:
        raise InvalidMessage(f"{kind.plural} have no tree, so no parent", code="no_tree")
    parent = await found(connection, workspace, kind, parent_id)
    if parent.scope != scope:
        raise InvalidMessage(f"the parent is for {parent.scope}, not for {scope}", code="invalid_parent")


async def _check_new(connection: Connection, workspace: str, kind: Kind, wish: Wish, data: Mapping[str, Any]) -> None:
    if kind is not RELATIONSHIP:
        return
    for scope in kind.scopes:
        for each in await rows.tree_of(connection, workspace, kind.name, scope):
            taken = {each.data["alias_1"], each.data["alias_2"]} & {data["alias_1"], data["alias_2"]}
            if taken:
                raise InvalidMessage(f"the alias {min(taken)} is that of the relationship {each.slug} already", code="alias_taken")
            if each.slug == wish.slug:
                raise InvalidMessage(
                    f"there is a relationship {wish.slug!r} already; its slug is unique whatever it relates", code="slug_taken"
                )


async def _check_edit(connection: Connection, kind: Kind, before: Definition, after: Definition) -> None:
    """Refuse what would take something from under records."""
    if kind is PROFILE or "attributes" in before.data:
        lost = _lost_attributes(before.data["attributes"], after.data["attributes"])
        if lost:
            await _demand_unused(connection, kind, before, f"the attributes {', '.join(lost)} cannot go or change their type; disable them")
    if kind is WORKFLOW:
        gone = {each["slug"] for each in before.data["steps"]} - {each["slug"] for each in after.data["steps"]}
        for step in sorted(gone):
            counts = await rows.uses_of(connection, before.workspace, "step", f"{before.slug}/{step}", [before.scope])
            if counts:
                raise DefinitionInUse(f"{_counted(counts)} are at the step {step}; move them along first")
    if kind is RELATIONSHIP:
        fixed = ("object_type_2", "cardinality_1", "cardinality_2", "alias_1", "alias_2")
        changed = [name for name in fixed if before.data[name] != after.data[name]]
        if changed:
            await _demand_unused(connection, kind, before, f"{', '.join(changed)} cannot change")


def _lost_attributes(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[str]:
    kept = {each["slug"]: (each["data_type"], each["is_array"]) for each in after}
    return [each["slug"] for each in before if kept.get(each["slug"]) != (each["data_type"], each["is_array"])]


async def _demand_unused(connection: Connection, kind: Kind, definition: Definition, why: str = "it cannot be destroyed") -> None:
    counts = await uses(connection, kind, definition)
    if counts:
        raise DefinitionInUse(f"{_counted(counts)} carry the {kind.name} {definition.slug}, so {why}")


def _counted(counts: Mapping[str, int]) -> str:
    return " and ".join(f"{number:,} {record}" for record, number in counts.items())


def _demand(definition: Definition, version: int | None) -> None:
    if definition.data.get("is_system"):
        raise Protected(f"{definition.slug} belongs to the system, and stays as it is")
    if version is not None and definition.version != version:
        raise VersionConflict(f"{definition.slug} is at version {definition.version} by now, not at {version}: look again")


def _nodes(tree: Sequence[Definition]) -> list[Node]:
    return [Node(each.definition_id, each.parent_id, each.sequence, each.archived_at is not None) for each in tree]


async def _arrange(connection: Connection, workspace: str, tree: Sequence[Definition], placed: Sequence[hierarchy.Placed]) -> None:
    before = {each.definition_id: (each.parent_id, each.sequence, tuple(each.hierarchy_sort)) for each in tree}
    changed = [Place(*each) for each in placed if before[each.node_id] != (each.parent_id, each.sequence, each.sort)]
    await rows.arrange(connection, workspace, changed)


def _title(kind: Kind, title: str) -> str:
    text = title.strip()
    if not 0 < len(text) <= LONGEST_TITLE or "\0" in text or (kind is TAG and "/" in text):
        raise InvalidMessage(
            f"a title has 1 to {LONGEST_TITLE} characters" + (", and of a tag no /" if kind is TAG else ""), code="invalid_title"
        )
    return text
