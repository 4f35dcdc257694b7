"""What a merge moves, and what it leaves (product.md, section 4; R15)."""

from __future__ import annotations

import pytest

from onefold.identity.assurance import Assurance
from tests.support.worlds import World, event


def test_a_merge_starts_no_tenure() -> None:
    """R15: a visit from before the merge is still that of whoever held the identifier then, by the same tenure as ever."""
    world = World()
    world.play(event("anonymous_token:t1"), event("email:ann@example.com", minutes=5))
    before = {outcome.tenure.tenure_id: outcome.tenure for plan in world.plans for outcome in plan.outcomes if outcome.tenure is not None}
    world.play(event("anonymous_token:t1", "email:ann@example.com", minutes=10))
    merged = world.plans[-1]
    assert merged.tenures_new == []
    assert merged.separated == []
    survivor = world.holder("anonymous_token:t1")
    assert {tenure.tenure_id for tenure in survivor.listed} == set(before)
    assert all(tenure.held_from is None and tenure.is_open for tenure in survivor.listed)
    (late,) = world.play(event("email:ann@example.com", minutes=6))
    assert late.tenure is not None
    assert late.tenure.tenure_id in before


@pytest.mark.parametrize("assurance", [Assurance.CLAIMED, Assurance.ASSERTED])
@pytest.mark.parametrize(
    "names", [["user_id:2", "anonymous_token:b"], ["user_id:2"], ["anonymous_token:a", "user_id:2"], ["user_id:2", "anonymous_token:c"]]
)
def test_whom_a_person_gave_two_user_ids_is_found_by_either(names: list[str], assurance: Assurance) -> None:
    """R5, R19: the one that the merge brought is no conflict with the one that was there, and takes no device away."""
    world = World()
    world.play(
        event("user_id:1", "anonymous_token:a", assurance=Assurance.ASSERTED),
        event("user_id:2", "anonymous_token:b", assurance=Assurance.ASSERTED, minutes=1),
    )
    ann = world.holder("user_id:1").contact_id
    world.merge(ann, world.holder("user_id:2").contact_id)
    (outcome,) = world.play(event(*names, assurance=assurance, minutes=2_000))
    assert outcome.contact_id == ann
    assert outcome.reason is None
    assert len(world.groups()) == 1
