"""What an unmerge gives back, in chains and whatever happened since (product.md, section 4; architecture, section 4)."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from onefold.identity.assurance import Assurance
from onefold.identity.plan import OutcomeKind, Reason
from tests.support.stories import VISITORS, visits
from tests.support.worlds import EXACT, World, event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onefold.identity.contact import Contact

ASSERTED = Assurance.ASSERTED


def shown(world: World, contact: Contact) -> dict[str, object]:
    """Everything about a contact that a merge mixes with another's."""
    return {
        "labels": world.labels(contact),
        "type": contact.type,
        "names": (contact.given_name, contact.last_name, contact.email, contact.phone),
        "attributes": contact.attributes,
        "provenance": contact.provenance,
        "counts": (contact.summary.total, contact.summary.open_by_type, contact.summary.unique),
        "others": (contact.tags, contact.is_vendor, contact.first_seen_at),
        "consent": contact.consent,
    }


def two() -> World:
    """Ann, whom a server knows, and a ghost that claims another plan."""
    world = World()
    world.play(
        event("email:ann@example.com", "anonymous_token:a", assurance=ASSERTED, fields={"given_name": "Ann", "last_name": "Lee"}),
        event("anonymous_token:a", assurance=ASSERTED, attributes={"plan": "pro", "size": 1}, minutes=1),
        event(
            "email:ben@example.com", "anonymous_token:b", fields={"given_name": "Ben"}, attributes={"plan": "free", "shoe": 44}, minutes=2
        ),
    )
    return world


JOIN = event("anonymous_token:a", "anonymous_token:b", assurance=ASSERTED, minutes=3)


def test_both_sides_get_back_what_they_had() -> None:
    """Identifiers, labels, values, names, types; a version more each, told with the whole contact."""
    world = two()
    ann, ben = world.holder("anonymous_token:a"), world.holder("anonymous_token:b")
    before = {each.contact_id: shown(world, each) for each in (ann, ben)}
    world.play(JOIN)
    assert len(world.groups()) == 1
    plan = world.unmerge(ben.contact_id)
    assert {
        each.contact_id: shown(world, each) for each in (world.holder("anonymous_token:a"), world.holder("anonymous_token:b"))
    } == before
    changes = {change.contact_id: change for change in plan.changes}
    assert {change.version for change in changes.values()} == {3, 4}
    back = changes[ben.contact_id]
    assert back.changes["merged_into"] == (ann.contact_id, None)
    assert back.snapshot is not None
    assert [tenure.normalised for tenure in back.listed] == ["ben@example.com", "b"]
    assert changes[ann.contact_id].changes["attributes.unbound.shoe"] == (44, None)
    assert changes[ann.contact_id].changes["identifiers"] == (["email:ben@example.com", "anonymous_token:b"], [])


def test_afterwards_no_event_merges_them_again_and_older_ones_move_nothing() -> None:
    """Kept apart; a barrier for what is older; separations, since index entries name the wrong one now."""
    world = two()
    ben = world.holder("anonymous_token:b").contact_id
    world.play(JOIN)
    plan = world.unmerge(ben, minutes=10)
    assert {tenure.normalised for tenure in plan.separated} == {"b", "ben@example.com"}
    before = world.groups()
    late = event("phone:+4915112345678", "anonymous_token:b", assurance=ASSERTED, minutes=9)
    outcomes = world.play(JOIN, event("anonymous_token:a", "anonymous_token:b", assurance=ASSERTED, minutes=11), late)
    assert [each.reason for each in outcomes] == [Reason.BARRED, Reason.KEPT_APART, Reason.BARRED]
    assert world.groups() == sorted([*before, ["phone:+4915112345678"]])


def test_what_came_through_an_identifier_goes_with_it() -> None:
    """Mutant via-forgotten: an email that the absorbed one's token brought, and a phone that came with that email."""
    world = two()
    ben = world.holder("anonymous_token:b").contact_id
    world.play(
        JOIN,
        event("anonymous_token:b", "email:b2@example.com", assurance=ASSERTED, attributes={"late": "b"}, minutes=4),
        event("email:b2@example.com", "phone:+4915112345678", assurance=ASSERTED, minutes=5),
        event("anonymous_token:a", "email:a2@example.com", assurance=ASSERTED, attributes={"early": "a"}, minutes=6),
    )
    assert len(world.groups()) == 1
    world.unmerge(ben)
    assert world.groups() == [
        ["anonymous_token:a", "email:a2@example.com", "email:ann@example.com"],
        ["anonymous_token:b", "email:b2@example.com", "email:ben@example.com", "phone:+4915112345678"],
    ]
    ann, back = world.holder("anonymous_token:a"), world.holder("anonymous_token:b")
    assert ann.attributes == {"unbound": {"plan": "pro", "size": 1, "early": "a"}}
    assert back.attributes == {"unbound": {"plan": "free", "shoe": 44, "late": "b"}}
    assert world.labels(back)["+4915112345678"] == "main"


def test_a_value_that_the_other_side_replaced_comes_back() -> None:
    world = two()
    ben = world.holder("anonymous_token:b").contact_id
    world.play(JOIN, event("anonymous_token:b", assurance=ASSERTED, attributes={"plan": "gold"}, minutes=4))
    assert world.holder("anonymous_token:a").attributes["unbound"]["plan"] == "gold"
    world.unmerge(ben)
    assert world.holder("anonymous_token:a").attributes["unbound"]["plan"] == "pro"
    assert world.holder("anonymous_token:b").attributes["unbound"]["plan"] == "gold"


def test_a_device_that_was_handed_over_since_stays_where_it_is_and_its_history_goes_back() -> None:
    """Mutant handed-over-stays-behind: ended tenures go back too; a hand-over that came through the absorbed side goes with it."""
    world = World()
    world.play(
        event("user_id:1", "anonymous_token:a", assurance=ASSERTED),
        event("device_id:d", "email:ben@example.com", assurance=ASSERTED, minutes=1),
        event("user_id:3", "anonymous_token:c", assurance=ASSERTED, minutes=2),
    )
    ben = world.holder("device_id:d").contact_id
    world.play(
        event("anonymous_token:a", "email:ben@example.com", assurance=ASSERTED, minutes=3),
        event("user_id:3", "device_id:d", assurance=ASSERTED, minutes=4),
        event("email:ben@example.com", "anonymous_token:c", assurance=ASSERTED, minutes=5),
    )
    assert world.groups() == [
        ["anonymous_token:a", "anonymous_token:c", "email:ben@example.com", "user_id:1"],
        ["device_id:d", "user_id:3"],
    ]
    world.unmerge(ben)
    assert world.groups() == [
        ["anonymous_token:a", "user_id:1"],
        ["anonymous_token:c", "email:ben@example.com"],
        ["device_id:d", "user_id:3"],
    ]
    ended = [tenure for tenure in world.tenures.values() if tenure.normalised == "d" and not tenure.is_open]
    assert [tenure.contact_id for tenure in ended] == [ben]


def chain() -> tuple[World, list[Contact], list[dict[str, object]]]:
    """C into B into A, each with a value and a name of its own, all with the same label; and what each was before."""
    world = World()
    for number, name in enumerate("abc"):
        world.play(
            event(
                f"anonymous_token:{name}",
                f"email:{name}@example.com",
                fields={"given_name": name},
                attributes={"plan": name, name: number},
                minutes=number,
            )
        )
    people = [world.holder(f"anonymous_token:{name}") for name in "abc"]
    before = [shown(world, each) for each in people]
    world.play(event("anonymous_token:b", "anonymous_token:c", minutes=5), event("anonymous_token:a", "anonymous_token:b", minutes=6))
    assert [each.merged_into for each in (world.contacts["acme", each.contact_id] for each in people)] == [
        None,
        people[0].contact_id,
        people[1].contact_id,
    ]
    return world, people, before


def test_whoever_leaves_takes_along_whom_it_absorbed_before() -> None:
    """C into B into A, then B out: C's id leads to B again."""
    world, (a, b, c), _ = chain()
    world.unmerge(b.contact_id)
    assert world.groups() == [
        ["anonymous_token:a", "email:a@example.com"],
        ["anonymous_token:b", "anonymous_token:c", "email:b@example.com", "email:c@example.com"],
    ]
    assert world.contacts["acme", c.contact_id].root == b.contact_id
    assert world.contacts["acme", a.contact_id].attributes == {"unbound": {"plan": "a", "a": 0}}
    assert world.contacts["acme", b.contact_id].attributes == {"unbound": {"plan": "c", "b": 1, "c": 2}}


def test_an_inner_merge_is_undone_while_the_outer_one_stands() -> None:
    """C out of A's tree, in which B still is; then B too: nothing of C is left in it, though its merge record had it."""
    world, people, before = chain()
    _, b, c = people
    world.unmerge(c.contact_id)
    assert world.holder("anonymous_token:b").contact_id == people[0].contact_id
    assert world.holder("anonymous_token:a").attributes == {"unbound": {"plan": "b", "a": 0, "b": 1}}
    world.unmerge(b.contact_id)
    assert [shown(world, world.contacts["acme", each.contact_id]) for each in people] == before


def test_what_another_merge_brought_back_since_stays() -> None:
    """C left B, and came into A on its own: B leaves without it."""
    world, (a, b, c), _ = chain()
    world.unmerge(c.contact_id, minutes=10)
    world.apart = [each for each in world.apart if c.contact_id not in (each.one, each.other)]
    world.play(event("anonymous_token:a", "anonymous_token:c", minutes=11))
    assert world.holder("anonymous_token:c").contact_id == a.contact_id
    world.unmerge(b.contact_id, minutes=12)
    assert world.groups() == [
        ["anonymous_token:a", "anonymous_token:c", "email:a@example.com", "email:c@example.com"],
        ["anonymous_token:b", "email:b@example.com"],
    ]
    assert world.holder("anonymous_token:c").attributes == {"unbound": {"plan": "c", "a": 0, "c": 2}}


def test_what_a_later_merge_brought_stays_with_the_survivor() -> None:
    """Merges after merges: D came into A after B had."""
    world, (a, b, _), _ = chain()
    world.play(
        event("anonymous_token:d", attributes={"plan": "d", "d": 3}, minutes=7), event("anonymous_token:d", "anonymous_token:a", minutes=8)
    )
    world.unmerge(b.contact_id)
    assert world.holder("anonymous_token:d").contact_id == a.contact_id
    assert world.holder("anonymous_token:a").attributes == {"unbound": {"plan": "d", "a": 0, "d": 3}}


def test_the_survivor_may_have_been_absorbed_itself_since() -> None:
    """B absorbed C, A absorbed B; C is one of A's tree, and leaves that."""
    world, (a, b, c), _ = chain()
    plan = world.unmerge(c.contact_id)
    assert {change.contact_id for change in plan.changes} == {a.contact_id, c.contact_id}
    assert [(each.one, each.other) for each in plan.kept_apart] == [(b.contact_id, c.contact_id)]
    (outcome,) = world.play(event("anonymous_token:a", "anonymous_token:c", minutes=2_000))
    assert outcome.reason is Reason.KEPT_APART, "a pair forbids joining the trees that hold its sides"


def test_tags_vendors_and_archives_part_too() -> None:
    """What merging unites without identifiers; what the survivor had itself, it keeps."""
    world = two()
    ann, ben = world.holder("anonymous_token:a"), world.holder("anonymous_token:b")
    ann.tags, ben.tags, ben.is_vendor, ann.archived_at = ["x", "y"], ["y", "z"], True, ann.created_at
    world.play(JOIN)
    both = world.holder("anonymous_token:a")
    assert (both.tags, both.is_vendor, both.archived_at) == (["x", "y", "z"], True, None)
    world.unmerge(ben.contact_id)
    ann, ben = world.holder("anonymous_token:a"), world.holder("anonymous_token:b")
    assert (ann.tags, ann.is_vendor, ann.archived_at) == (["x", "y"], False, ann.created_at)
    assert (ben.tags, ben.is_vendor, ben.archived_at) == (["y", "z"], True, None)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 1 << 32))
def test_merges_that_are_all_undone_leave_everybody_as_if_alone(seed: int) -> None:
    """Merge then unmerge is the identity, in chains, in any order, with what came since: each contact is what its own events make of it.

    Under the policy `eager`, since under the others a claim that came while the two were one may have met a known contact.
    """
    eager = replace(EXACT, policy="eager")
    dice, world, alone = random.Random(seed), World(rules=eager), World(rules=eager)
    for name in VISITORS:
        story = visits(name, dice, dice.randrange(50))
        world.play(*story)
        alone.play(*story)
        if dice.random() < 0.4:
            put_away(world.holder(f"anonymous_token:{name}0"), (world, alone), 60, is_restored=False)
    for minutes in range(100, 100 + 20 * dice.randrange(1, 5), 20):
        one, other = dice.sample(VISITORS, 2)
        world.play(event(f"anonymous_token:{one}0", f"anonymous_token:{other}0", minutes=minutes, event_id=f"join{minutes}"))
        for name in dice.sample(VISITORS, 3):
            story = visits(name, dice, minutes + dice.randrange(1, 10))
            world.play(*story)
            alone.play(*story)
        if dice.random() < 0.3:  # of whoever leads the tree, and of nobody else in it
            root = world.holder(f"anonymous_token:{dice.choice(VISITORS)}0")
            put_away(root, (world, alone), minutes + 12, is_restored=dice.random() < 0.6)
        if dice.random() < 0.4:
            undo(world, dice, minutes + 15)
    while undo(world, dice, 1_000):
        pass
    assert world.groups() == alone.groups()
    for name in VISITORS:
        mine, expected = world.holder(f"anonymous_token:{name}0"), alone.holder(f"anonymous_token:{name}0")
        assert mine.contact_id == expected.contact_id
        assert (mine.type, mine.given_name, mine.attributes) == (expected.type, expected.given_name, expected.attributes)
        assert (mine.archived_at is None) == (expected.archived_at is None)
        assert mine.summary.open_by_type == expected.summary.open_by_type
        labelled = {value for value, slug in world.labels(mine).items() if slug is not None}
        assert labelled == {value for value, slug in alone.labels(expected).items() if slug is not None}


def put_away(contact: Contact, worlds: Iterable[World], minutes: float, *, is_restored: bool) -> None:
    """Restore or archive a contact in each world."""
    for world in worlds:
        (world.restore if is_restored else world.archive)(contact.contact_id, minutes=minutes)


def undo(world: World, dice: random.Random, minutes: float) -> bool:
    """Undo a merge that is in force, and forget that its sides are kept apart, so that they may meet again."""
    absorbed = [each.contact_id for each in world.contacts.values() if each.is_absorbed]
    if not absorbed:
        return False
    world.unmerge(dice.choice(sorted(absorbed)), minutes=minutes)
    world.apart.clear()
    world.barriers.clear()
    return True


def test_the_joining_event_again_changes_nothing_after_an_unmerge() -> None:
    """R7: a redrive of what merged them, and whatever it carried, is old news."""
    world = two()
    ben = world.holder("anonymous_token:b").contact_id
    join = event("email:ann@example.com", "anonymous_token:b", assurance=ASSERTED, minutes=3)
    world.play(join)
    world.unmerge(ben)
    (outcome,) = world.play(join)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.SEEN, Reason.BARRED)
    assert not world.plans[-1].changes
