"""Trees of definitions: where a node stands among its siblings, and what moving and lifting does (product-facts, 3.8). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onefold.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

DEEPEST = 20


class HierarchyRefused(Refused):
    """A tree cannot be so: a node below itself, or too deep."""

    code = "hierarchy_refused"


class Node(NamedTuple):
    """A node of a tree. Archived ones keep their parent, and have no place among the siblings."""

    node_id: UUID
    parent_id: UUID | None
    sequence: int
    is_archived: bool = False


class Placed(NamedTuple):
    """Where a node stands: from 1 among its siblings, and the way from the root."""

    node_id: UUID
    parent_id: UUID | None
    sequence: int
    sort: tuple[int, ...]


def placed(nodes: Iterable[Node]) -> list[Placed]:
    """Every node with its place: siblings in the order of their sequence, gaps closed. Raises HierarchyRefused."""
    children: dict[UUID | None, list[Node]] = {}
    everybody = list(nodes)
    known = {each.node_id for each in everybody}
    for each in everybody:
        children.setdefault(each.parent_id if each.parent_id in known else None, []).append(each)
    found: list[Placed] = []
    waiting: list[tuple[UUID | None, tuple[int, ...]]] = [(None, ())]
    while waiting:
        parent, way = waiting.pop()
        if len(way) >= DEEPEST and children.get(parent):
            raise HierarchyRefused(f"a tree has at most {DEEPEST} levels")
        siblings = sorted(children.get(parent, ()), key=lambda each: (each.is_archived, each.sequence))
        for number, each in enumerate(siblings, 1):
            found.append(Placed(each.node_id, parent, number, (*way, number)))
            waiting.append((each.node_id, (*way, number)))
    if len(found) < len(everybody):
        raise HierarchyRefused("a node cannot lie below itself")
    return found


def moved(nodes: Sequence[Node], node_id: UUID, parent_id: UUID | None, sequence: int | None) -> list[Placed]:
    """The tree with a node elsewhere: at a place among its new siblings, clamped; at their end where none is named."""
    rest = [each for each in nodes if each.node_id != node_id]
    node = next(each for each in nodes if each.node_id == node_id)
    siblings = sorted((each for each in rest if each.parent_id == parent_id and not each.is_archived), key=lambda each: each.sequence)
    place = len(siblings) if sequence is None else min(max(sequence - 1, 0), len(siblings))
    siblings.insert(place, node._replace(parent_id=parent_id))
    renumbered = {each.node_id: each._replace(sequence=number) for number, each in enumerate(siblings, 1)}
    return placed([renumbered.get(each.node_id, each) for each in (*rest, node)])


def lifted(nodes: Sequence[Node], node_id: UUID) -> list[Placed]:
    """The tree without a node: its children stand in its place, one level higher."""
    gone = next(each for each in nodes if each.node_id == node_id)
    children = sorted((each for each in nodes if each.parent_id == node_id), key=lambda each: (each.is_archived, each.sequence))
    rest = [each for each in nodes if node_id not in {each.node_id, each.parent_id}]
    siblings = sorted((each for each in rest if each.parent_id == gone.parent_id), key=lambda each: (each.is_archived, each.sequence))
    before = [each for each in siblings if each.sequence < gone.sequence]
    after = [each for each in siblings if each.sequence >= gone.sequence]
    row = [*before, *(each._replace(parent_id=gone.parent_id) for each in children), *after]
    renumbered = {each.node_id: each._replace(sequence=number) for number, each in enumerate(row, 1)}
    others = [each for each in rest if each.node_id not in renumbered]
    return placed([*renumbered.values(), *others])
