"""Consent: no event writes it (S47), of two the stricter survives a merge with its source and time (S101), and an unmerge parts it again."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from onefold.identity.assurance import Assurance
from onefold.identity.consent import stricter
from onefold.identity.contact import Consent, Contact, ContactId
from tests.support.worlds import World, at, event

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from onefold.identity.plan import Plan

ASSERTED, PROVED = Assurance.ASSERTED, Assurance.PROVED
WORDS = st.builds(
    Consent,
    st.sampled_from(["granted", "denied"]),
    st.sampled_from(["form", "call"]),
    st.integers(0, 3).map(at),
    st.uuids(version=4).map(ContactId),
)


def states(contact: Contact) -> Mapping[str, str]:
    return {purpose: word.state for purpose, word in contact.consent.items()}


def changes(plan: Plan, contact_id: ContactId) -> dict[str, tuple[object, object]]:
    (change,) = [each for each in plan.changes if each.contact_id == contact_id]
    return change.changes


@given(st.lists(WORDS, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_the_stricter_of_several_is_the_same_in_every_order(words: list[Consent], dice: random.Random) -> None:
    """S101: associative, commutative, idempotent; a denial is never lost, and nothing is made up."""
    shuffled = [*words, *words]
    dice.shuffle(shuffled)
    found = reduce(stricter, words)
    assert reduce(stricter, shuffled) == found
    assert found in words
    assert found.state == ("denied" if any(each.state == "denied" for each in words) else "granted")


def test_a_merge_keeps_the_stricter_one_with_source_and_time_and_records_the_other() -> None:
    """S101, product.md section 4."""
    world = World()
    world.play(event("user_id:1", "email:a@x.io", assurance=ASSERTED), event("phone:+4915112345678", assurance=ASSERTED, minutes=1))
    one, other = world.holder("email:a@x.io").contact_id, world.holder("phone:+4915112345678").contact_id
    world.consent(one, "newsletter", "granted", minutes=9)
    world.consent(one, "profiling", "granted", minutes=9)
    world.consent(other, "newsletter", "denied", minutes=5)
    world.play(event("user_id:1", "phone:+4915112345678", assurance=ASSERTED, minutes=20))
    merged = world.holder("email:a@x.io")
    assert states(merged) == {"newsletter": "denied", "profiling": "granted"}
    assert (merged.consent["newsletter"].source, merged.consent["newsletter"].at) == ("call of minute 5", at(5))
    (merge,) = world.plans[-1].merges
    assert merge.lost["consent.newsletter"] == {"state": "granted", "source": "call of minute 9", "at": at(9)}
    before, after = changes(world.plans[-1], one)["consent.newsletter"]
    assert (before, after) == (
        {"state": "granted", "source": "call of minute 9", "at": at(9)},
        {"state": "denied", "source": "call of minute 5", "at": at(5)},
    )


def test_no_event_writes_consent_whatever_it_says_and_however_sure_it_is() -> None:
    """S47: mass assignment over every field of a contact."""
    hostile: dict[str, object] = {
        each.name: {"newsletter": {"state": "granted", "source": "x", "at": "2026-11-01"}} for each in fields(Contact)
    }
    hostile |= {"consent.newsletter": "granted", "isVerified": True, "owners": ["mallory"], "roles": ["admin"]}
    for assurance, proof in ((Assurance.CLAIMED, None), (ASSERTED, None), (PROVED, "email:a@x.io")):
        world = World()
        world.play(event("email:a@x.io", "anonymous_token:t", assurance=assurance, proof=proof, attributes=hostile))
        contact = world.holder("email:a@x.io")
        assert (contact.consent, contact.is_vendor, contact.tags, contact.version) == ({}, False, [], 1)
        assert (contact.archived_at, contact.organization_id, contact.merged_into) == (None, None, None)


def test_the_latest_word_counts_and_an_older_or_the_same_one_changes_nothing() -> None:
    world = World()
    world.play(event("email:a@x.io", assurance=ASSERTED))
    who = world.holder("email:a@x.io").contact_id
    world.consent(who, "newsletter", "denied", minutes=5)
    assert world.consent(who, "newsletter", "granted", minutes=4).changes == []
    assert world.consent(who, "newsletter", "denied", minutes=5).changes == []
    plan = world.consent(who, "newsletter", "granted", minutes=6)
    assert states(world.holder("email:a@x.io")) == {"newsletter": "granted"}
    assert [(each.version, each.cause.actor) for each in plan.changes] == [(3, "ann@host")]


@settings(deadline=None)
@given(st.randoms(use_true_random=False))
def test_merges_and_unmerges_in_any_order_leave_each_with_what_was_said_of_it(dice: random.Random) -> None:
    """S101 in chains: whoever is alone in the end has the latest word that was recorded of the contact that bore its name."""
    world = World()
    people = [f"email:p{number}@x.io" for number in range(4)]
    world.play(*(event(each, assurance=ASSERTED, minutes=number) for number, each in enumerate(people)))
    ids = [world.holder(each).contact_id for each in people]
    said: dict[tuple[ContactId, str], str] = {}
    for minute in range(10, 30):
        who = dice.choice(ids)
        root = world.root("acme", who)
        what = dice.choice(["say", "say", "join", "part"])
        absorbed = [each for each in ids if world.root("acme", each) != each]
        if what == "say":
            purpose, state = dice.choice(["newsletter", "profiling"]), dice.choice(["granted", "denied"])
            world.consent(root, purpose, state, minutes=minute)  # type: ignore[arg-type]  # one of the two
            said[root, purpose] = state
        elif what == "join" and (others := [each for each in ids if world.root("acme", each) == each != root]):
            world.merge(root, dice.choice(others), minutes=minute)
        elif what == "part" and absorbed:
            world.unmerge(dice.choice(absorbed), minutes=minute)
    while absorbed := [each for each in ids if world.root("acme", each) != each]:
        world.unmerge(dice.choice(absorbed), minutes=100)
    for each in ids:
        assert states(world.contacts["acme", each]) == {purpose: state for (who, purpose), state in said.items() if who == each}
