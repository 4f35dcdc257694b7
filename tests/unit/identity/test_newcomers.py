"""The short way of `decide` gives what the long way gives (decision 0040)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from onefold.identity import decide as deciding
from onefold.identity import newcomers
from onefold.identity.assurance import Assurance
from onefold.identity.catalog import BUILT_IN, Catalog
from onefold.identity.decide import decide
from onefold.identity.membership import Membership
from onefold.identity.plan import OutcomeKind
from onefold.identity.rules import Limits, Rules
from tests.support.worlds import EXACT, World, at, event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.identity.interaction import Interaction
    from onefold.identity.plan import Plan

POOL = ["anonymous_token:t1", "anonymous_token:t2", "device_id:d1", "email:a@example.com", "email:b@example.com", "phone:+4915112345678",
        "user_id:u1", "user_id:u2", "oauth:o1"]  # fmt: skip
MILL = Membership(UUID(int=7), "Mill")
RULES = [
    EXACT,
    Rules(),
    Rules(policy="strict"),
    Rules(policy="eager"),
    Rules(limits=Limits(values_per_type=1, identifiers_per_contact=2)),
    Rules(catalog=Catalog({each.semantic_type: each for each in reversed(BUILT_IN)})),
]


@st.composite
def interactions(draw: st.DrawFn) -> Interaction:
    assurance = draw(st.sampled_from([Assurance.CLAIMED, Assurance.ASSERTED, Assurance.ASSERTED, Assurance.PROVED]))
    named = draw(st.lists(st.sampled_from(POOL), min_size=1, max_size=5))
    provable = [each for each in named if each.startswith(("email:", "phone:"))]
    made = event(
        *named,
        minutes=draw(st.integers(0, 9)),
        assurance=assurance,
        proof=provable[0] if assurance is Assurance.PROVED and provable else None,
        asserts=draw(st.sampled_from([None, None, tuple(named[:1])])),
        fields=draw(st.dictionaries(st.sampled_from(["given_name", "last_name"]), st.sampled_from(["Ann", "Lee"]))),
        attributes=draw(st.dictionaries(st.sampled_from(["plan", "note"]), st.sampled_from(["pro", "", None, 1, "x" * 131_070]))),
        organization=draw(st.sampled_from([None, None, MILL])),
        workspace=draw(st.sampled_from(["acme", "acme", "other"])),
        slug=draw(st.sampled_from([None, "work"])),
    )
    return replace(made, tags=draw(st.sampled_from([(), ("b", "a", "b")])), is_vendor=draw(st.booleans()))


def planned(world: World, story: Sequence[Interaction], rules: Rules) -> Plan:
    """What `decide` makes of it."""
    return decide(world.snapshot(story), story, {"acme": rules, "other": rules}, iter(range(1_000, 2_000)))  # type: ignore[arg-type]


@given(
    before=st.lists(interactions(), max_size=3),
    story=st.lists(interactions(), min_size=1, max_size=6),
    rules=st.sampled_from(RULES),
    gone=st.dictionaries(st.sampled_from(POOL), st.tuples(st.integers(0, 9), st.booleans()), max_size=3),
)
def test_both_ways_give_the_same_plan(
    before: list[Interaction], story: list[Interaction], rules: Rules, gone: dict[str, tuple[int, bool]]
) -> None:
    """Contacts, tenures, evidence, changes, outcomes, in their order; whoever is new, comes back in the same batch, or left before."""
    world = World(rules)
    world.play(*before)
    for tenure in world.tenures.values():
        if tenure.text in gone:
            tenure.held_until = at(gone[tenure.text][0])
    for text, (minutes, is_barred) in gone.items():
        if is_barred:
            world.barriers["acme", event(text).identifiers[0].key] = at(minutes)
    short = planned(world, story, rules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deciding, "welcome", lambda *_: None)
        long = planned(world, story, rules)
    assert long == short
    assert repr(long) == repr(short)  # the order of what it says, too: it is the order of a change's JSON


def test_who_is_new_goes_the_short_way() -> None:
    """What is compared above is indeed another way; a barrier, a proof and a second value of a type are left to the long one."""
    taken: list[Any] = []

    def noting(*arguments: Any) -> Any:
        taken.append(newcomers.welcome(*arguments))
        return taken[-1]

    world = World()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deciding, "welcome", noting)
        world.play(event("anonymous_token:t", "email:a@example.com"))
        world.play(event("anonymous_token:t"))
        world.play(event("email:b@example.com", "email:c@example.com"))
        world.play(event("email:d@example.com", assurance=Assurance.PROVED, proof="email:d@example.com"))
    assert [each.kind if each is not None else None for each in taken] == [OutcomeKind.CREATED, None, None, None]
