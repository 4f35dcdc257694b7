"""How two identifiers of a contact hang together."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from onefold.identity.assurance import Assurance
from onefold.identity.merge import merge_decided
from onefold.identity.plan import Act
from onefold.identity.snapshot import Snapshot
from onefold.ops.explain.paths import path
from onefold.ops.explain.shown import path_shown
from onefold.records.histories import MergeStory
from tests.support.stories import random_story
from tests.support.worlds import World, at, event
from tests.unit.ops.explain.histories import held, standing

if TYPE_CHECKING:
    from onefold.ops.explain.shapes import Path

ASSERTED = Assurance.ASSERTED


def between(world: World, one: str, other: str) -> Path:
    now, tenures = held(world, one)
    ends = [next(tenure for tenure in tenures if tenure.text == text) for text in (one, other)]
    return path_shown(now, now.root(world.holder(one).contact_id), *ends)


def steps(world: World, one: str, other: str) -> list[tuple[str, str, str | None]]:
    """From, to, and the event that named both; None for a merge."""
    found = between(world, one, other).steps
    assert found is not None
    return [(step.one, step.other, step.event.event_id if step.event is not None else None) for step in found]


def merge_by_hand(world: World, survivor: str, absorbed: str, minutes: float) -> None:
    sides = [world.holder(each) for each in (survivor, absorbed)]
    contacts = {("acme", each.contact_id): each.fork() for each in sides}
    for contact in contacts.values():
        contact.listed = [each.fork() for each in world.tenures.values() if each.is_open and each.contact_id == contact.contact_id]
    winner, gone = contacts.values()
    world.apply(merge_decided(Snapshot(contacts=contacts), winner, gone, {}, Act("act", "ann@host", "one person", at(minutes))))


def test_a_path_goes_through_the_events_that_named_two_of_its_identifiers() -> None:
    world = World()
    world.play(event("anonymous_token:t", event_id="e1"), event("anonymous_token:t", "email:a@x.io", minutes=1, event_id="e2"))
    world.play(event("email:a@x.io", "phone:+4915112345678", minutes=2, event_id="e3"))
    assert steps(world, "anonymous_token:t", "phone:+4915112345678") == [
        ("anonymous_token:t", "email:a@x.io", "e2"),
        ("email:a@x.io", "phone:+4915112345678", "e3"),
    ]
    assert steps(world, "email:a@x.io", "email:a@x.io") == []


def test_a_path_crosses_a_merge_where_its_event_did() -> None:
    """Between the two identifiers that the event named, whatever else the two contacts held."""
    world = World()
    world.play(event("anonymous_token:a", "email:a@x.io", event_id="e1"), event("anonymous_token:b", "email:b@x.io", event_id="e2"))
    world.play(event("anonymous_token:a", "email:b@x.io", minutes=5, event_id="e3"))
    assert steps(world, "email:a@x.io", "anonymous_token:b") == [
        ("email:a@x.io", "anonymous_token:a", "e1"),
        ("anonymous_token:a", "email:b@x.io", None),
        ("email:b@x.io", "anonymous_token:b", "e2"),
    ]


def test_a_path_crosses_a_merge_by_a_person_too() -> None:
    """It named contacts, no identifiers: the oldest of each side stand for them."""
    world = World()
    for name in "ab":
        world.play(event(f"anonymous_token:{name}"), event(f"anonymous_token:{name}", f"email:{name}@x.io", minutes=1, event_id=f"e{name}"))
    merge_by_hand(world, "email:a@x.io", "email:b@x.io", 5)
    assert steps(world, "email:a@x.io", "email:b@x.io") == [
        ("email:a@x.io", "anonymous_token:a", "ea"),
        ("anonymous_token:a", "anonymous_token:b", None),
        ("anonymous_token:b", "email:b@x.io", "eb"),
    ]


def test_a_merge_is_a_link_though_what_it_named_went_with_an_unmerge_since() -> None:
    """C came to A through B, which is out again: of A, its oldest stands for it."""
    world = World()
    for minutes, name in enumerate("abc"):
        world.play(event(f"anonymous_token:{name}", f"email:{name}@x.io", minutes=minutes))
    ben = world.holder("anonymous_token:b").contact_id
    world.play(event("anonymous_token:a", "anonymous_token:b", minutes=5), event("anonymous_token:b", "anonymous_token:c", minutes=6))
    assert len(steps(world, "anonymous_token:a", "anonymous_token:c")) == 2
    world.unmerge(ben, minutes=10)
    assert [event_id for _, _, event_id in steps(world, "anonymous_token:a", "anonymous_token:c")].count(None) == 1
    now, tenures = held(world, "email:a@x.io")
    theirs = next(tenure for tenure in world.tenures.values() if tenure.text == "email:b@x.io")
    assert path(now, tenures, tenures[0].tenure_id, theirs.tenure_id) is None, "it is another contact's"


@pytest.mark.parametrize("undoing", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_any_two_identifiers_of_a_contact_are_joined_by_events_that_named_both(seed: int, undoing: bool) -> None:
    """Whatever happened to it: merges, hand-overs, unmerges in any order. After those a merge may have lost what it named."""
    dice, world, story = random.Random(seed), World(), random_story(seed, length=60)
    named = {each.event_id: {f"{one.semantic_type}:{one.normalised}" for one in each.identifiers} for each in story}
    for each in story:
        world.play(each)
        absorbed = [contact.contact_id for contact in world.contacts.values() if contact.is_absorbed]
        if undoing and absorbed and dice.random() < 0.1:
            world.unmerge(dice.choice(absorbed), minutes=dice.randrange(60, 120))
    now = standing(world)
    for root in {now.root(contact_id) for _, contact_id in world.contacts}:
        tenures = now.held_by(root)
        for tenure in tenures[1:]:
            links = path(now, tenures, tenures[0].tenure_id, tenure.tenure_id)
            assert links is not None, (tenures[0].text, tenure.text)
            for link in links:
                cause, is_merge = link.cause, isinstance(link.cause, MergeStory)
                event_id = cause.cause["event_id"] if isinstance(cause, MergeStory) else cause.event_id
                assert (undoing and is_merge) or {now.names[link.one], now.names[link.other]} <= named[event_id]
