"""How things stood: what belonged to whom at a time, read from what is kept."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace as replaced

from onefold.identity.assurance import Assurance
from tests.support.stories import random_story
from tests.support.worlds import World, at, event
from tests.unit.ops.explain.histories import held, standing

if TYPE_CHECKING:
    from datetime import datetime

ASSERTED = Assurance.ASSERTED


def groups_then(world: World, then: datetime | None) -> list[list[str]]:
    """The identifiers by contact, as a later look at the history says that they were."""
    stood = standing(world, then)
    roots = {stood.root(contact_id) for _, contact_id in world.contacts}
    groups = [[tenure.text for tenure in stood.held_by(root) if tenure.is_open] for root in roots]
    return sorted(sorted(group) for group in groups if group)


@pytest.mark.parametrize("seed", range(30))
def test_a_later_look_finds_every_moment_as_it_was(seed: int) -> None:
    """Merges, chains of them, unmerges in any order, hand-overs back and forth: events come in the order of their times."""
    dice, world, moments = random.Random(seed), World(), []
    for number, each in enumerate(random_story(seed, length=80)):
        minutes = number * 10
        world.play(replaced(each, at=at(minutes), appended_at=at(minutes)))
        absorbed = [contact.contact_id for contact in world.contacts.values() if contact.is_absorbed]
        if absorbed and dice.random() < 0.15:
            world.unmerge(dice.choice(absorbed), minutes=minutes + 5)
        moments.append((at(minutes + 6), world.groups()))
    for moment, groups in moments:
        assert groups_then(world, moment) == groups
    assert groups_then(world, None) == world.groups()


def test_a_tenure_is_as_sure_as_it_was_then() -> None:
    world = World()
    world.play(event("email:a@x.io", "anonymous_token:t"))
    world.play(event("email:a@x.io", "anonymous_token:t", minutes=10, assurance=Assurance.PROVED, proof="email:a@x.io"))
    sure = []
    for moment in (at(5), at(15), None):
        _, tenures = held(world, "email:a@x.io", moment)
        (email,) = [tenure for tenure in tenures if tenure.semantic_type == "email"]
        sure.append((email.assurance, email.is_validated, email.validated_by))
    assert sure == [(Assurance.CLAIMED, False, None), (Assurance.PROVED, True, "otp"), (Assurance.PROVED, True, "otp")]


def test_ids_lead_where_they_led_then() -> None:
    world = World()
    world.play(event("email:a@x.io", "anonymous_token:a"), event("email:b@x.io", "anonymous_token:b", minutes=1))
    ann, ben = world.holder("email:a@x.io").contact_id, world.holder("email:b@x.io").contact_id
    world.play(event("anonymous_token:a", "anonymous_token:b", minutes=10))
    world.unmerge(ben, minutes=20)
    assert [standing(world, moment).root(ben) for moment in (at(5), at(15), at(25), None)] == [ben, ann, ben, ben]
    assert [len(standing(world, moment).merges) for moment in (at(5), at(15), at(25))] == [0, 1, 0]
    assert [len(standing(world, moment).undone) for moment in (at(15), at(25), None)] == [0, 1, 1]


def test_a_tenure_tells_who_got_it_whoever_absorbed_that_since() -> None:
    """An identifier that came through the absorbed side while they were one was the survivor's."""
    world = World()
    world.play(event("email:a@x.io", "anonymous_token:a"), event("email:b@x.io", "anonymous_token:b", minutes=1))
    ann, ben = world.holder("email:a@x.io").contact_id, world.holder("email:b@x.io").contact_id
    world.play(event("anonymous_token:a", "anonymous_token:b", minutes=10))
    world.play(event("anonymous_token:b", "phone:+4915112345678", minutes=11))
    now, tenures = held(world, "email:a@x.io")
    assert {tenure.text: now.given_to(tenure) for tenure in tenures} == {
        "email:a@x.io": ann,
        "anonymous_token:a": ann,
        "email:b@x.io": ben,
        "anonymous_token:b": ben,
        "phone:+4915112345678": ann,
    }
    world.unmerge(ben, minutes=20)
    _, tenures = held(world, "email:b@x.io", at(15))
    assert len(tenures) == 5
    now, tenures = held(world, "phone:+4915112345678")
    assert {now.given_to(tenure) for tenure in tenures} == {ann, ben}
