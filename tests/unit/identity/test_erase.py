"""Erasing a person: what is left of them, what keeps them away, and what stays others'."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from onefold.identity.assurance import Assurance
from onefold.identity.erase import erase_again
from onefold.identity.plan import Act, OutcomeKind, Rule
from tests.support.worlds import EXACT, World, at, event

ASSERTED = Assurance.ASSERTED
LATER = 2_000
MICROSECOND = timedelta(microseconds=1)


def ann() -> World:
    """Ann, of two contacts that became one."""
    world = World()
    world.play(
        event("anonymous_token:a", "email:ann@example.com", assurance=ASSERTED, fields={"given_name": "Ann"}, event_id="first"),
        event("anonymous_token:b", "device_id:d", attributes={"plan": "pro"}, minutes=1, event_id="second"),
        event("anonymous_token:a", "anonymous_token:b", assurance=ASSERTED, minutes=2, event_id="both"),
    )
    return world


def test_of_an_erased_person_ids_and_versions_are_left_and_each_is_told_once_more() -> None:
    """S103, S105: every id that was ever merged in, the root first."""
    world = ann()
    root = world.holder("email:ann@example.com").contact_id
    (absorbed,) = (each.contact_id for each in world.contacts.values() if each.is_absorbed)
    before = {each.contact_id: each.version for each in world.contacts.values()}
    plan = world.erase(absorbed)
    assert [(each.contact_id, each.version, each.snapshot) for each in plan.changes] == [
        (root, before[root] + 1, None),
        (absorbed, before[absorbed] + 1, None),
    ]
    assert all(each.changes == {"erased_at": (None, at(1_000))} and each.cause.rule is Rule.ERASED for each in plan.changes)
    husk, other = world.contacts["acme", root], world.contacts["acme", absorbed]
    assert (husk.type, husk.given_name, husk.email, husk.attributes, husk.provenance, husk.summary.total) == (
        "ghost",
        None,
        None,
        {},
        {},
        0,
    )
    assert (other.merged_into, other.root, other.erased_at) == (root, root, at(1_000))
    assert (world.groups(), world.tenures, world.merges) == ([], {}, [])
    assert len(plan.separated) == 4, "what the index knows of them is doubted"


def test_events_from_before_bring_nobody_back_and_a_later_one_makes_a_new_ghost() -> None:
    """S107, F54, R7: retries, redrives and replays, in any order; the new ghost has an id of its own."""
    world = ann()
    known = {contact_id for _, contact_id in world.contacts}
    again = [
        event("anonymous_token:a", "email:ann@example.com", assurance=ASSERTED, fields={"given_name": "Ann"}, event_id="first"),
        event("anonymous_token:b", "device_id:d", attributes={"plan": "pro"}, minutes=1, event_id="second"),
        event("anonymous_token:a", "anonymous_token:b", assurance=ASSERTED, minutes=2, event_id="both"),
        event("email:ann@example.com", assurance=Assurance.PROVED, proof="email:ann@example.com", minutes=999, event_id="late"),
    ]
    world.erase(world.holder("email:ann@example.com").contact_id)
    outcomes = world.play(*again, *reversed(again))
    assert {(each.kind, each.contact_id) for each in outcomes} == {(OutcomeKind.BARRED, None)}
    assert world.groups() == []
    (outcome,) = world.play(event("anonymous_token:a", "email:ann@example.com", minutes=LATER))
    assert outcome.kind is OutcomeKind.CREATED
    assert outcome.contact_id not in known
    assert world.holder("anonymous_token:a").given_name is None


def test_what_comes_again_is_not_credited_to_who_came_after_them_either() -> None:
    """I17, F54: the cookie and the address are a new ghost's by now, which somebody took apart from another one since."""
    world = ann()
    world.erase(world.holder("email:ann@example.com").contact_id)
    world.play(event("anonymous_token:a", "email:ann@example.com", minutes=LATER), event("anonymous_token:other", minutes=LATER))
    one, other = (world.holder(f"anonymous_token:{name}").contact_id for name in ("a", "other"))
    again = [
        event("anonymous_token:a", assurance=ASSERTED, fields={"given_name": "Ann"}, event_id="late"),
        event("anonymous_token:a", "email:ann@example.com", assurance=ASSERTED, fields={"given_name": "Ann"}, event_id="first"),
        event("email:ann@example.com", assurance=Assurance.PROVED, proof="email:ann@example.com", minutes=999),
    ]
    assert {each.kind for each in world.play(*again)} == {OutcomeKind.BARRED}
    world.merge(other, one, minutes=LATER + 1)
    world.unmerge(one, minutes=LATER + 2)
    assert {each.kind for each in world.play(*again)} == {OutcomeKind.BARRED}, "the later barrier lets it pass as little"
    (outcome,) = world.play(event("anonymous_token:a", minutes=1_500))
    assert outcome.contact_id == one, "what is later than the erasure is the new one's"
    assert world.holder("anonymous_token:a").given_name is None


def test_events_whose_clock_is_ahead_of_the_erasure_do_not_come_back_either() -> None:
    """S107: the id of what such an event created is given already."""
    world = World()
    ahead = event("anonymous_token:a", minutes=1_500, event_id="ahead")
    world.play(ahead)
    world.erase(world.holder("anonymous_token:a").contact_id)
    (outcome,) = world.play(ahead)
    assert outcome.kind is OutcomeKind.BARRED


def test_what_an_older_proof_took_does_not_found_its_first_holder_again_once_both_are_erased() -> None:
    """R9, R10, S107: a proof ends claims of any time, so the tenure ended before it was last seen. In either order."""
    for first, second in ((0, 1), (1, 0)):
        world = World()
        claim = event("email:a@example.com", "device_id:d", minutes=1_500, event_id="claim")
        world.play(claim)
        left = world.holder("device_id:d").contact_id
        world.play(event("email:a@example.com", assurance=Assurance.PROVED, proof="email:a@example.com", minutes=3))
        people = [left, world.holder("email:a@example.com").contact_id]
        assert len(set(people)) == 2
        world.erase(people[first])
        world.erase(people[second])
        (outcome,) = world.play(claim)
        assert outcome.kind is OutcomeKind.BARRED


def test_a_device_that_went_on_stays_whose_it_is_and_its_past_is_nobodys() -> None:
    """S103, R7: neither who had it before nor who has it now is credited with what the erased person did."""
    world = World()
    first = event("user_id:1", "device_id:d", assurance=ASSERTED, event_id="one")
    middle = event("user_id:2", "device_id:d", assurance=ASSERTED, minutes=10, event_id="two", fields={"given_name": "Ann"})
    last = event("user_id:3", "device_id:d", assurance=ASSERTED, minutes=20, event_id="three")
    world.play(first, middle, last)
    one, three = world.holder("user_id:1").contact_id, world.holder("user_id:3").contact_id
    plan = world.erase(world.holder("user_id:2").contact_id)
    assert world.groups() == [["device_id:d", "user_id:3"], ["user_id:1"]]
    (erasure,) = plan.erasures
    assert len(erasure.keys) == 1, "the device is somebody else's"
    outcomes = world.play(
        event("device_id:d", minutes=15, event_id="alone"), middle, event("device_id:d", minutes=5), event("device_id:d", minutes=25)
    )
    assert [each.contact_id for each in outcomes] == [None, None, one, three]
    assert world.groups() == [["device_id:d", "user_id:3"], ["user_id:1"]]
    late = event("device_id:d", "email:three@example.com", assurance=ASSERTED, minutes=21)
    world.play(late)
    assert world.holder("email:three@example.com").contact_id == three, "what is their own joins as ever"


def test_who_was_taken_apart_from_an_erased_person_keeps_their_own_and_can_be_taken_apart_further() -> None:
    """S103: the record of the undone merge says nothing of the erased one any more, and all that an unmerge of the other needs."""
    world = World(rules=replace(EXACT, policy="eager"))
    world.play(
        event("anonymous_token:a", "email:ann@example.com", attributes={"plan": "pro"}),
        event("anonymous_token:b", "email:ben@example.com", minutes=3, fields={"given_name": "Ben"}),
        event("anonymous_token:c", "email:cat@example.com", minutes=2, fields={"given_name": "Cat"}),
    )
    a, b, c = (world.holder(f"anonymous_token:{name}").contact_id for name in "abc")
    world.merge(b, c)
    world.merge(a, b)
    world.unmerge(b)
    world.erase(a)
    (record,) = [each for each in world.merges if each.survivor == a]
    assert record.survivor_record is None
    assert record.absorbed_record.given_name == "Ben"
    world.unmerge(c)
    assert world.groups() == [["anonymous_token:b", "email:ben@example.com"], ["anonymous_token:c", "email:cat@example.com"]]
    assert (world.contacts["acme", b].given_name, world.contacts["acme", c].given_name) == ("Ben", "Cat")


def test_what_nobody_knew_of_an_erased_person_makes_nobody_either_and_what_somebody_else_holds_is_theirs() -> None:
    """S107, I17: a dead letter that is redriven, or an event that a phone kept, names what they never held here, beside what they did."""
    world = ann()
    world.play(event("user_id:ben", "device_id:shared", assurance=ASSERTED, event_id="ben"))
    ben = world.holder("user_id:ben").contact_id
    world.erase(world.holder("email:ann@example.com").contact_id)
    kept = event("anonymous_token:a", "user_id:ann-9", assurance=ASSERTED, fields={"given_name": "Ann"}, minutes=500, event_id="kept")
    bens = event("anonymous_token:a", "user_id:ben", "phone:+4915112345678", assurance=ASSERTED, minutes=501, event_id="bens")
    later = event("anonymous_token:a", "user_id:ann-9", assurance=ASSERTED, minutes=LATER, event_id="later")
    outcomes = world.play(kept, bens, later)
    assert [(each.kind, each.contact_id) for each in outcomes[:2]] == [(OutcomeKind.BARRED, None), (OutcomeKind.ATTACHED, ben)]
    assert outcomes[2].kind is OutcomeKind.CREATED
    assert world.groups() == [["anonymous_token:a", "user_id:ann-9"], ["device_id:shared", "phone:+4915112345678", "user_id:ben"]]


def test_who_is_erased_again_after_a_restore_is_barred_by_this_to_the_last_use_only() -> None:
    """S108: up to the erasure is what the tombstone says; whoever came back in between is a new visitor."""
    world = ann()
    tree = world.tree(world.holder("email:ann@example.com").contact_id)
    plan = erase_again(tree, set(), Act("again", "onefold", None, at(LATER), "job"))
    (erasure,) = plan.erasures
    seen = {tenure.key: tenure.last_seen_at for tenure in tree.tenures}
    assert {each.key: each.at - MICROSECOND for each in erasure.barriers} == seen
    assert len(erasure.barriers) == 4
    assert all(each.erased_at == at(LATER) for each in plan.contacts_changed)
