"""Trees of definitions: places, moves, lifting (product-facts, 3.8)."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onefold.workspace.hierarchy import DEEPEST, HierarchyRefused, Node, Placed, lifted, moved, placed


def node(number: int, parent: int | None = None, sequence: int = 1, *, archived: bool = False) -> Node:
    return Node(UUID(int=number), UUID(int=parent) if parent is not None else None, sequence, archived)


def way(found: list[Placed]) -> dict[int, str]:
    return {each.node_id.int: ".".join(map(str, each.sort)) for each in found}


TREE = [node(1), node(2, sequence=2), node(3, 1), node(4, 1, 2), node(5, 3)]


def test_a_tree_is_numbered_from_its_roots() -> None:
    assert way(placed(TREE)) == {1: "1", 2: "2", 3: "1.1", 4: "1.2", 5: "1.1.1"}


def test_moving_renumbers_old_and_new_siblings_and_whatever_lies_below() -> None:
    assert way(moved(TREE, UUID(int=3), None, 1)) == {3: "1", 5: "1.1", 1: "2", 4: "2.1", 2: "3"}
    assert way(moved(TREE, UUID(int=4), UUID(int=2), 99)) == {1: "1", 3: "1.1", 5: "1.1.1", 2: "2", 4: "2.1"}
    assert way(moved(TREE, UUID(int=1), None, None)) == {2: "1", 1: "2", 3: "2.1", 4: "2.2", 5: "2.1.1"}


def test_a_node_never_lies_below_itself() -> None:
    with pytest.raises(HierarchyRefused, match="below itself"):
        moved(TREE, UUID(int=1), UUID(int=5), None)


def test_a_tree_is_only_so_deep() -> None:
    with pytest.raises(HierarchyRefused, match="levels"):
        placed([node(number, number - 1 or None) for number in range(1, DEEPEST + 2)])


def test_children_of_what_goes_stand_in_its_place() -> None:
    assert way(lifted(TREE, UUID(int=1))) == {3: "1", 5: "1.1", 4: "2", 2: "3"}
    assert way(lifted(TREE, UUID(int=3))) == {1: "1", 5: "1.1", 4: "1.2", 2: "2"}


def test_archived_siblings_stand_behind_the_others() -> None:
    assert way(placed([node(1, sequence=1, archived=True), node(2, sequence=2), node(3, sequence=3)])) == {2: "1", 3: "2", 1: "3"}


@given(st.data())
def test_every_node_has_one_place_and_siblings_have_no_gaps(data: st.DataObject) -> None:
    """Whatever is moved and lifted, in whatever order."""
    nodes = [
        node(number, data.draw(st.sampled_from([None, *range(1, number)])), data.draw(st.integers(1, 3)))
        for number in range(1, data.draw(st.integers(2, 8)) + 1)
    ]
    state = placed(nodes)
    for _ in range(data.draw(st.integers(0, 5))):
        present = [Node(each.node_id, each.parent_id, each.sequence) for each in state]
        chosen = data.draw(st.sampled_from(present)).node_id
        if data.draw(st.booleans()) and len(present) > 1:
            state = lifted(present, chosen)
        else:
            parent = data.draw(st.sampled_from([None, *(each.node_id for each in present)]))
            try:
                state = moved(present, chosen, parent, data.draw(st.none() | st.integers(1, 5)))
            except HierarchyRefused:
                continue
        ways = [each.sort for each in state]
        assert len(set(ways)) == len(ways)
        for each in state:
            assert each.sort[-1] == each.sequence
            assert each.sequence == 1 or (*each.sort[:-1], each.sequence - 1) in ways
