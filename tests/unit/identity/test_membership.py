"""Whom a contact belongs to competes by assurance and event time; a claim never changes one that is set (product.md, section 5)."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onefold.identity.assurance import Assurance
from onefold.identity.membership import Membership
from onefold.identity.rules import Rules
from tests.support.worlds import EXACT, World, event

if TYPE_CHECKING:
    from onefold.identity.interaction import Interaction

MILL, FORGE, MINE = (Membership(UUID(int=number), name) for number, name in enumerate(("Mill", "Forge", "Mine"), 1))
CLAIMED, ASSERTED = Assurance.CLAIMED, Assurance.ASSERTED


def said(organization: Membership | None, *identifiers: str, minutes: float, assurance: Assurance = ASSERTED) -> Interaction:
    names = identifiers or ("email:ann@example.com",)
    return event(*names, minutes=minutes, assurance=assurance, organization=organization, event_id=f"e{minutes}")


def belongs(world: World, identifier: str = "email:ann@example.com") -> str | None:
    return world.holder(identifier).organization_name


def test_of_assertions_the_later_counts_whichever_comes_first() -> None:
    """R12: by event time."""
    for order in permutations([said(MILL, minutes=1), said(FORGE, minutes=2), said(MINE, minutes=3)]):
        world = World()
        world.play(*order)
        assert belongs(world) == "Mine"


def test_a_claim_never_changes_one_that_is_set() -> None:
    """Neither an asserted one nor an earlier claim's; the first claim sets it, whichever comes first."""
    world = World()
    world.play(said(MILL, minutes=1), said(FORGE, minutes=2, assurance=CLAIMED))
    assert belongs(world) == "Mill"
    for order in permutations([said(each, minutes=number, assurance=CLAIMED) for number, each in enumerate((MILL, FORGE, MINE))]):
        world = World()
        world.play(*order)
        assert belongs(world) == "Mill"


def test_a_claim_that_repeats_it_and_is_earlier_counts_from_then() -> None:
    """Else whatever comes between the two in event time would win or lose by the order of arrival."""
    for order in permutations(
        [said(MILL, minutes=1, assurance=CLAIMED), said(FORGE, minutes=2, assurance=CLAIMED), said(MILL, minutes=3, assurance=CLAIMED)]
    ):
        world = World()
        world.play(*order)
        assert belongs(world) == "Mill"


def test_an_assertion_takes_the_place_of_a_claim() -> None:
    """Whatever their order."""
    for order in permutations([said(MILL, minutes=1), said(FORGE, minutes=2, assurance=CLAIMED)]):
        world = World()
        world.play(*order)
        assert belongs(world) == "Mill"


def test_what_a_user_decides_stands() -> None:
    """R19: no event replaces it, nor fills what a user cleared."""
    world = World()
    world.play(said(MILL, minutes=1))
    contact_id = world.holder("email:ann@example.com").contact_id
    (change,) = world.edit(contact_id, {"organization_id": FORGE}).changes
    assert change.changes == {"organization_id": (MILL.organization_id, FORGE.organization_id), "organization_name": ("Mill", "Forge")}
    world.play(said(MINE, minutes=2_000))
    assert belongs(world) == "Forge"
    world.edit(contact_id, {"organization_id": None}, minutes=3_000)
    world.play(said(MINE, minutes=4_000))
    assert belongs(world) is None


def test_an_unknown_organization_changes_nothing() -> None:
    """What is not there is no value."""
    world = World()
    world.play(said(MILL, minutes=1), said(None, minutes=2))
    assert belongs(world) == "Mill"


def test_a_merge_keeps_what_wins_and_its_record_what_lost_and_an_unmerge_gives_it_back() -> None:
    """R12: a merge never loses a value."""
    world = World()
    world.play(said(FORGE, minutes=1), said(MILL, "email:ben@example.com", minutes=2))
    ann, ben = (world.holder(f"email:{each}@example.com").contact_id for each in ("ann", "ben"))
    (merge,) = world.merge(ann, ben).merges
    assert belongs(world) == "Mill"
    assert merge.lost["organization_id"]["value"] == str(FORGE.organization_id)  # type: ignore[index]
    world.unmerge(ben)
    assert (belongs(world), belongs(world, "email:ben@example.com")) == ("Forge", "Mill")


IDENTIFIERS = ("anonymous_token:t1", "anonymous_token:t2", "email:ann@example.com", "email:ben@example.com")
EVENTS = st.lists(
    st.tuples(
        st.sets(st.sampled_from(IDENTIFIERS), min_size=1, max_size=2).map(sorted),
        st.sampled_from([None, MILL, FORGE, MINE]),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(EVENTS, st.randoms(), st.sampled_from([CLAIMED, ASSERTED]))
def test_the_order_of_arrival_does_not_matter(
    given: list[tuple[list[str], Membership | None, int]], chance: object, assurance: Assurance
) -> None:
    """For events of one assurance: the same groups belong to the same organizations, merges and repetitions included."""
    events = [
        event(*names, minutes=minutes, assurance=assurance, organization=organization, event_id=f"e{number}")
        for number, (names, organization, minutes) in enumerate(given)
    ]
    found = []
    for order in (events, events[::-1], chance.sample(events + events, len(events) * 2)):  # type: ignore[attr-defined]
        world = World(Rules(policy="eager", recency=EXACT.recency))
        world.play(*order)
        found.append({tuple(group): belongs(world, group[0]) for group in world.groups()})
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("policy", ["careful", "strict"])
def test_a_claim_sets_none_where_its_values_do_not_reach(policy: str) -> None:
    """Under `strict` a known contact takes none; under `careful` a claim reaches no contact that it may not join."""
    world = World(Rules(policy=policy, recency=EXACT.recency))  # type: ignore[arg-type]
    world.play(said(None, minutes=1), said(MILL, "email:ann@example.com", "email:new@example.com", minutes=2, assurance=CLAIMED))
    assert belongs(world) == ("Mill" if policy == "careful" else None)
