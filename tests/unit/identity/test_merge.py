"""What a merge moves, and what it leaves (product.md, section 4; R15)."""

from __future__ import annotations

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
