"""Why two contacts are not one: every guard by its name (product.md, section 4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from onefold.identity.assurance import Assurance
from onefold.identity.rules import Limits
from onefold.ops.explain.apart import between, side_of
from onefold.records.histories import Pair
from onefold.records.proposals import Occasion, Proposal
from tests.support.worlds import EXACT, START, World, event
from tests.unit.ops.explain.histories import standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.identity.rules import Rules
    from onefold.ops.explain.shapes import Between

ASSERTED = Assurance.ASSERTED
EAGER = replace(EXACT, policy="eager")


def because(
    world: World, one: str, other: str, *, pairs: Sequence[Pair] = (), proposals: Sequence[Proposal] = (), rules: Rules | None = None
) -> list[Between]:
    now, rules = standing(world), rules or world.rules
    sides = [side_of(now, world.holder(each).contact_id, rules) for each in (one, other)]
    return between(sides[0], sides[1], pairs, proposals, rules)


def codes(found: Sequence[Between]) -> list[str]:
    return [each.code for each in found]


def test_two_that_no_event_named_together_have_nothing_in_common() -> None:
    world = World(rules=EAGER)
    world.play(event("email:a@x.io"), event("email:b@x.io"))
    assert codes(because(world, "email:a@x.io", "email:b@x.io")) == ["nothing_in_common"]


def test_who_keeps_two_apart_comes_first() -> None:
    world = World()
    world.play(event("user_id:1", assurance=ASSERTED), event("user_id:2", assurance=ASSERTED))
    ids = sorted(world.holder(each).contact_id for each in ("user_id:1", "user_id:2"))
    pair = Pair(ids[0], ids[1], "unmerged", "ann@host", "mother and daughter", START)
    first = because(world, "user_id:1", "user_id:2", pairs=[pair])[0]
    assert first.code == "kept_apart"
    assert "ann@host (mother and daughter)" in first.text
    assert first.facts["at"] == START


def test_different_values_of_a_unique_type_are_a_conflict() -> None:
    """Guard 1. The device that went from hand to hand is told too."""
    world = World()
    world.play(
        event("user_id:1", "device_id:d", assurance=ASSERTED),
        event("user_id:2", "device_id:d", minutes=5, assurance=ASSERTED, event_id="e2"),
    )
    found = because(world, "user_id:1", "user_id:2")
    assert codes(found) == ["conflict", "handed_over", "known"]
    assert found[0].facts == {"semantic_type": "user_id", "values": [["1"], ["2"]]}
    one, other = (world.holder(each).contact_id for each in ("user_id:1", "user_id:2"))
    assert (found[1].facts["identifier"], found[1].facts["from"], found[1].facts["to"]) == ("device_id:d", one, other)


def test_an_identifier_that_one_proved_was_the_others() -> None:
    """R9."""
    world = World()
    world.play(event("anonymous_token:m", "email:a@x.io"), event("anonymous_token:a", minutes=1))
    world.play(event("anonymous_token:a", "email:a@x.io", assurance=Assurance.PROVED, proof="email:a@x.io", minutes=5))
    found = {each.code: each for each in because(world, "anonymous_token:a", "anonymous_token:m")}
    assert "handed_over" not in found
    taken = found["evicted"].facts
    assert (taken["identifier"], taken["to"]) == ("email:a@x.io", world.holder("anonymous_token:a").contact_id)
    assert taken["from"] == world.holder("anonymous_token:m").contact_id


def test_an_event_that_a_guard_divided_is_named() -> None:
    """R1: the token may join the known contact, the new e-mail gets a ghost of its own."""
    world = World()
    world.play(
        event("email:a@x.io", assurance=ASSERTED), event("email:a@x.io", "anonymous_token:t", "email:b@x.io", minutes=5, event_id="e2")
    )
    found = because(world, "email:a@x.io", "email:b@x.io")
    assert codes(found) == ["event", "policy"]
    assert (found[0].facts["event_id"], found[0].facts["guard"]) == ("e2", "policy")
    assert found[1].facts == {"policy": "careful", "known": [world.holder("email:a@x.io").contact_id]}


def test_what_claims_may_not_do_depends_on_the_policy() -> None:
    """Guards 2 and 3: eager lets a claim join two known people, and nothing through what is validated (R4)."""
    world = World()
    for name in "ab":
        world.play(event(f"email:{name}@x.io", assurance=Assurance.PROVED, proof=f"email:{name}@x.io"))
    sides = ("email:a@x.io", "email:b@x.io")
    assert codes(because(world, *sides)) == ["known", "validated", "nothing_in_common"]
    assert codes(because(world, *sides, rules=EAGER)) == ["validated", "nothing_in_common"]
    ghosts = World()
    ghosts.play(event("email:a@x.io"), event("email:b@x.io"))
    assert codes(because(ghosts, *sides, rules=replace(EXACT, policy="strict"))) == ["policy", "nothing_in_common"]
    assert codes(because(ghosts, *sides)) == ["nothing_in_common"]


def test_two_that_would_be_too_large_are_told_the_limit() -> None:
    """Guard 4 (R11)."""
    world = World(rules=EAGER)
    world.play(event("email:a@x.io", "anonymous_token:a"), event("email:b@x.io", "anonymous_token:b"))
    small = replace(EAGER, limits=Limits(identifiers_per_contact=3))
    found = because(world, "email:a@x.io", "email:b@x.io", rules=small)
    assert codes(found) == ["limit", "nothing_in_common"]
    assert found[0].facts == {"limit": "identifiers_per_contact", "identifiers": [2, 2]}


def test_what_waits_for_a_person_is_named_with_the_event_that_proposed_it() -> None:
    """R26."""
    world = World()
    world.play(event("email:a@x.io", assurance=ASSERTED), event("email:b@x.io", assurance=ASSERTED))
    ids = sorted((world.holder(each).contact_id for each in ("email:a@x.io", "email:b@x.io")), key=lambda each: each.int)
    pair, last = (ids[0], ids[1]), Occasion(START, "e9", 3, 41)
    proposal = Proposal(uuid4(), "acme", pair, pair, "open", "known", "email", last, last, START, None, None, None)
    first = because(world, "email:a@x.io", "email:b@x.io", proposals=[proposal])[0]
    assert (first.code, first.facts["guard"], first.facts["last"]["offset"]) == ("proposed", "known", 41)
    assert "event e9" in first.text
