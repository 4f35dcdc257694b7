"""What a claim may do under each policy (product.md, section 4; R1 to R5, R13, R16, R17, R26; S40, S46, S47)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from onefold.identity.assurance import Assurance
from onefold.identity.plan import OutcomeKind, Reason
from tests.support.stories import random_story
from tests.support.worlds import EXACT, World, event

if TYPE_CHECKING:
    from onefold.identity.rules import Policy, Rules

CLAIMED, ASSERTED, PROVED = Assurance.CLAIMED, Assurance.ASSERTED, Assurance.PROVED
ANN, EVE = "email:ann@example.com", "email:eve@example.com"
T1, T2, PHONE = "anonymous_token:t1", "anonymous_token:t2", "phone:+4915112345678"
CAREFUL, EAGER, STRICT = (replace(EXACT, policy=each) for each in ("careful", "eager", "strict"))


def pairs(world: World) -> list[tuple[set[str], set[str], Reason]]:
    """What the last event proposed: the identifiers of either side, and the guard."""
    return [(set(world.identifiers(each.one)), set(world.identifiers(each.other)), each.guard) for each in world.plans[-1].proposed]


def proposed(world: World) -> list[tuple[frozenset[frozenset[str]], Reason]]:
    """The same, without the order of sides."""
    return [(frozenset({frozenset(one), frozenset(other)}), guard) for one, other, guard in pairs(world)]


def between(one: set[str], other: set[str], guard: Reason) -> tuple[frozenset[frozenset[str]], Reason]:
    """A proposal as `proposed` writes it."""
    return frozenset({frozenset(one), frozenset(other)}), guard


@pytest.mark.parametrize(
    ("policy", "groups"),
    [
        ("careful", [[T1, T2, "user_id:u1"], [EVE]]),
        ("eager", [[T1, T2, EVE, "user_id:u1"]]),
        ("strict", [[T1, "user_id:u1"], [T2, EVE]]),
    ],
)
def test_what_a_claim_adds_to_a_known_contact(policy: Policy, groups: list[list[str]]) -> None:
    """R1, R3, R4: a new device, and a new email, beside the user id of a known contact."""
    world = World(rules=replace(EXACT, policy=policy))
    world.play(event(T1, "user_id:u1", assurance=ASSERTED))
    world.play(event(T2, "user_id:u1", EVE, minutes=1))
    assert world.groups() == sorted(sorted(group) for group in groups)


@pytest.mark.parametrize("rules", [CAREFUL, STRICT])
def test_a_validated_user_id_beside_its_own_device_leads_there(rules: Rules) -> None:
    """R5: and not to whoever else's e-mail or device the event names, though guard 2 keeps it from joining through the user id itself."""
    world = World(rules=rules)
    world.play(event(ANN, "user_id:u1", T1, assurance=ASSERTED), event("user_id:u2", T2, assurance=PROVED, proof="user_id:u2", minutes=1))
    before, claim = world.groups(), event(ANN, "user_id:u2", T2, minutes=5)
    for _ in range(2):
        (outcome,) = world.play(claim)
        assert outcome.contact_id == world.holder(T2).contact_id == world.holder("user_id:u2").contact_id
        assert world.groups() == before


def test_what_is_new_beside_a_validated_user_id_and_its_device_takes_no_event_from_it() -> None:
    """R1, R5: the ghost on the side does not hold the user id."""
    world = World(rules=CAREFUL)
    world.play(event("user_id:u2", T2, assurance=PROVED, proof="user_id:u2"))
    (outcome,) = world.play(event("user_id:u2", T2, EVE, minutes=5))
    assert outcome.contact_id == world.holder("user_id:u2").contact_id
    assert world.groups() == sorted([[EVE], sorted([T2, "user_id:u2"])])


def test_a_new_email_goes_the_same_way_when_its_event_comes_again() -> None:
    """R7, decision 0018: the first time it is new, the second time a ghost on the side holds it."""
    world = World(rules=CAREFUL)
    world.play(event(T2, "user_id:u2"), event(T1, "user_id:u1", assurance=ASSERTED))
    world.play(event(T2, "user_id:u1", assurance=ASSERTED, minutes=9))
    claim = event(EVE, T1, T2, minutes=1)
    world.play(claim)
    before = world.groups()
    (outcome,) = world.play(claim)
    assert (outcome.contact_id, world.groups()) == (world.holder("user_id:u1").contact_id, before)
    assert [EVE] in before


@pytest.mark.parametrize("policy", ["careful", "eager", "strict"])
def test_claims_among_unknown_ghosts_join_freely(policy: Policy) -> None:
    """R3: under every policy."""
    world = World(rules=replace(EXACT, policy=policy))
    world.play(event(T1), event(ANN, minutes=1), event(T1, ANN, minutes=2))
    assert world.groups() == [[T1, ANN]]


def test_careful_lets_devices_and_empty_ghosts_come_to_a_known_contact_through_what_is_not_validated() -> None:
    """R16: attributes do not matter."""
    world = World()
    world.play(event(ANN, assurance=ASSERTED), event(T1, attributes={"plan": "pro"}, minutes=1))
    (outcome,) = world.play(event(T1, "device_id:d1", ANN, minutes=2))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.MERGED, None)
    assert world.groups() == [[T1, "device_id:d1", ANN]]
    assert world.holder(ANN).attributes == {"unbound": {"plan": "pro"}}


def test_careful_keeps_a_ghost_that_holds_something_personal_from_a_known_contact() -> None:
    """S40, R1: the event, its traits and its token are the ghost's; the two are proposed."""
    world = World()
    world.play(event(ANN, assurance=ASSERTED), event(T1, EVE, minutes=1))
    (outcome,) = world.play(event(T1, "device_id:d1", ANN, fields={"given_name": "Eve"}, minutes=2))
    assert outcome.reason is Reason.POLICY
    assert outcome.contact_id == world.holder(EVE).contact_id
    assert world.groups() == sorted([sorted([T1, "device_id:d1", EVE]), [ANN]])
    assert world.holder(ANN).given_name is None
    assert world.holder(EVE).given_name == "Eve"
    assert proposed(world) == [between({T1, "device_id:d1", EVE}, {ANN}, Reason.POLICY)]


def test_what_is_new_beside_a_known_contacts_device_gets_a_ghost_of_its_own() -> None:
    """R1: one per event; the event stays with whose device it is."""
    world = World()
    world.play(event(T1, "user_id:u1", assurance=ASSERTED))
    (outcome,) = world.play(event(T1, EVE, PHONE, attributes={"plan": "pro"}, minutes=1))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.UPDATED, Reason.POLICY)
    assert outcome.contact_id == world.holder(T1).contact_id
    assert world.groups() == sorted([sorted([T1, "user_id:u1"]), sorted([EVE, PHONE])])
    assert world.holder(T1).attributes == {"unbound": {"plan": "pro"}}
    assert proposed(world) == [between({T1, "user_id:u1"}, {EVE, PHONE}, Reason.POLICY)]


def test_what_is_new_does_not_follow_a_ghost_that_its_device_brings_to_a_known_contact() -> None:
    """R1: the ghost lost its e-mail to a proof since, and holds nothing but the device; the phone of the late claim is a claim still."""
    world = World()
    world.play(event(T1, ANN), event(T2, ANN, assurance=PROVED, proof=ANN, minutes=20), event("user_id:u1", assurance=ASSERTED))
    (outcome,) = world.play(event("user_id:u1", T1, ANN, PHONE, minutes=10))
    assert world.groups() == sorted([[T2, ANN], [T1, "user_id:u1"], [PHONE]])
    assert outcome.reason is Reason.POLICY


def test_the_event_is_that_of_the_ghost_which_holds_its_user_id() -> None:
    """R1, R5: a claimed user id of its own, beside a known contact's email."""
    world = World()
    world.play(event(ANN, assurance=ASSERTED))
    (outcome,) = world.play(event(T1, "user_id:u9", ANN, fields={"given_name": "Eve"}, minutes=1))
    assert outcome.contact_id == world.holder("user_id:u9").contact_id == world.holder(T1).contact_id
    assert world.holder(ANN).given_name is None
    assert proposed(world) == [between({T1, "user_id:u9"}, {ANN}, Reason.POLICY)]


@pytest.mark.parametrize("rules", [CAREFUL, EAGER, STRICT])
def test_a_claim_hands_the_device_of_a_known_contact_over_where_user_ids_conflict(rules: Rules) -> None:
    """R2: separating reveals nothing; no proposal for what was handed over."""
    world = World(rules=rules)
    world.play(event(T1, "user_id:u1", assurance=ASSERTED))
    (outcome,) = world.play(event(T1, "user_id:u2", minutes=1))
    assert outcome.kind is OutcomeKind.HANDED_OVER
    assert world.groups() == [[T1, "user_id:u2"], ["user_id:u1"]]
    assert not world.plans[-1].proposed


@pytest.mark.parametrize(("rules", "holder"), [(CAREFUL, "user_id:u2"), (EAGER, "user_id:u2"), (STRICT, None)])
def test_a_device_goes_to_the_known_contact_of_the_event_or_to_a_ghost_where_it_may_not(rules: Rules, holder: str | None) -> None:
    """R2: under strict a claim fills ghosts only."""
    world = World(rules=rules)
    world.play(event(T1, "user_id:u1", assurance=ASSERTED), event("user_id:u2", assurance=ASSERTED, minutes=1))
    world.play(event(T1, "user_id:u2", minutes=2))
    assert world.groups() == ([[T1, "user_id:u2"], ["user_id:u1"]] if holder is not None else [[T1], ["user_id:u1"], ["user_id:u2"]])


def test_the_event_that_took_a_device_over_takes_it_no_second_time() -> None:
    """R7: not even where its new holder never used it together with anything personal."""
    world = World(rules=STRICT)
    taking = event(T1, "device_id:d1", minutes=5)
    world.play(event("device_id:d1", "user_id:u1", assurance=ASSERTED), event(T1, "user_id:u2"), taking)
    world.play(event(T1, "device_id:d2", minutes=6), event("device_id:d2", "user_id:u3", minutes=7))
    before = world.groups()
    assert [T1, "device_id:d2", "user_id:u3"] in before
    world.play(taking)
    assert world.groups() == before


def test_a_claimed_user_id_beside_an_assertion_takes_the_device_of_another_one() -> None:
    """R2: a token names a blocked user id, so its device alone is asserted; the claim beside it conflicts all the same."""
    world = World(rules=STRICT)
    world.play(event(T1, "user_id:u1", assurance=ASSERTED))
    world.play(event(T1, "device_id:d1", "user_id:u2", asserts=["device_id:d1"], assurance=ASSERTED, minutes=1))
    assert world.groups() == [[T1, "user_id:u2"], ["device_id:d1"], ["user_id:u1"]]


def test_a_stranger_s_visits_do_not_stay_with_a_known_contact_where_its_user_id_is_validated_elsewhere() -> None:
    """R2, guard 2: the device goes into a ghost, since it may not come to the contact that it names."""
    world = World()
    world.play(event(T1, "user_id:u1", assurance=ASSERTED))
    world.play(event("user_id:u2", assurance=PROVED, proof="user_id:u2", minutes=1))
    (outcome,) = world.play(event(T1, "user_id:u2", minutes=2))
    assert world.groups() == [[T1], ["user_id:u1"], ["user_id:u2"]]
    assert outcome.reason is Reason.PROOF
    assert proposed(world) == [between({T1}, {"user_id:u2"}, Reason.PROOF)]


@pytest.mark.parametrize("rules", [CAREFUL, STRICT])
def test_a_claim_never_merges_two_known_contacts(rules: Rules) -> None:
    """Guard 3, S40: typing the email of somebody else who is known."""
    world = World(rules=rules)
    world.play(event(T1, EVE, assurance=ASSERTED), event(ANN, assurance=ASSERTED, minutes=1))
    (outcome,) = world.play(event(T1, ANN, minutes=2))
    assert outcome.reason in {Reason.KNOWN, Reason.POLICY}
    assert world.groups() == sorted([sorted([T1, EVE]), [ANN]])
    (found,) = proposed(world)
    assert found[0] == between({T1, EVE}, {ANN}, Reason.KNOWN)[0]


def test_of_a_lead_and_a_known_contact_the_policy_keeps_strict_claims() -> None:
    """R26: guard 3 speaks of two known ones."""
    world = World(rules=STRICT)
    world.play(event(ANN, T1, fields={"given_name": "Ann", "last_name": "Lee"}), event(T2, assurance=ASSERTED))
    (outcome,) = world.play(event(ANN, T2, minutes=1))
    assert outcome.reason is Reason.POLICY


def test_eager_merges_two_known_contacts_by_a_claim_and_records_it_as_claimed() -> None:
    """R4: guard 3 does not bind it."""
    world = World(rules=EAGER)
    world.play(event(T1, assurance=ASSERTED), event(ANN, assurance=ASSERTED, minutes=1), event(T1, ANN, PHONE, minutes=2))
    assert world.groups() == [[T1, ANN, PHONE]]
    assert {each.assurance for each in world.tenures.values() if each.semantic_type == "phone"} == {CLAIMED}


@pytest.mark.parametrize("rules", [CAREFUL, EAGER, STRICT])
def test_no_policy_lets_a_claim_join_through_what_is_validated(rules: Rules) -> None:
    """Guard 2 (R4), S40: the visitor stays a ghost, with all it said, and waits."""
    world = World(rules=rules)
    world.play(event(ANN, assurance=PROVED, proof=ANN))
    (outcome,) = world.play(event(T1, ANN, fields={"given_name": "Eve"}, minutes=1))
    assert outcome.reason is Reason.PROOF
    assert world.groups() == [[T1], [ANN]]
    assert (world.holder(ANN).given_name, world.holder(T1).given_name) == (None, "Eve")
    assert proposed(world) == [between({T1}, {ANN}, Reason.PROOF)]


def test_strict_claims_fill_ghosts_only() -> None:
    """R3, R12: neither identifiers nor values reach a lead."""
    world = World(rules=STRICT)
    world.play(event(T1, ANN, fields={"given_name": "Ann", "last_name": "Lee"}))
    assert world.holder(T1).type == "lead"
    (outcome,) = world.play(event(T1, EVE, attributes={"plan": "pro"}, minutes=1))
    assert outcome.reason is Reason.POLICY
    assert world.groups() == sorted([sorted([T1, ANN]), [EVE]])
    assert (world.holder(T1).attributes, world.holder(EVE).attributes) == ({}, {"unbound": {"plan": "pro"}})
    world.play(event(T1, attributes={"plan": "pro"}, minutes=2))
    assert world.holder(T1).attributes == {}


def test_an_assertion_joins_what_another_contact_merely_claimed() -> None:
    """R13: the newsletter form before the sign-up."""
    world = World()
    world.play(event(T1, ANN))
    (outcome,) = world.play(event("user_id:u1", ANN, assurance=ASSERTED, minutes=1))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.ATTACHED, None)
    assert world.groups() == [[T1, ANN, "user_id:u1"]]


def test_personal_identifiers_choose_the_contact_before_any_device() -> None:
    """R5: also those of types that the catalog gives no place of their own."""
    catalog = replace(
        CAREFUL.catalog,
        entries={**CAREFUL.catalog.entries, "crm": replace(CAREFUL.catalog.entry("uuid"), semantic_type="crm", priority=99)},
    )
    world = World(rules=replace(EAGER, catalog=catalog))
    world.play(event("crm:1", "user_id:u1", assurance=ASSERTED, rules=world.rules))
    world.play(event(T1, "user_id:u2", assurance=ASSERTED, minutes=1))
    (outcome,) = world.play(event(T1, "crm:1", minutes=2, rules=world.rules))
    assert outcome.contact_id == world.holder("crm:1").contact_id
    assert world.groups() == sorted([sorted([T1, "crm:1", "user_id:u1"]), ["user_id:u2"]])


@pytest.mark.parametrize("rules", [CAREFUL, EAGER, STRICT])
def test_a_conflict_of_user_ids_leaves_a_proposal_for_claims_only(rules: Rules) -> None:
    """R26."""
    world = World(rules=rules)
    world.play(event(ANN, "user_id:u1", assurance=ASSERTED))
    world.play(event(ANN, "user_id:u2", assurance=ASSERTED, minutes=1))
    assert not world.plans[-1].proposed
    world.play(event(ANN, "user_id:u3", minutes=2))
    assert proposed(world) == [between({ANN, "user_id:u1"}, {"user_id:u3"}, Reason.CONFLICT)]


@pytest.mark.parametrize("rules", [CAREFUL, EAGER, STRICT])
def test_a_refused_claim_that_comes_again_changes_nothing(rules: Rules) -> None:
    """R7: whatever was kept aside the first time."""
    stories = [
        event(T1, EVE, PHONE, attributes={"plan": "pro"}, minutes=5),
        event(T2, EVE, ANN, fields={"given_name": "Eve"}, minutes=6),
        event(T2, "user_id:u7", ANN, attributes={"plan": "x"}, minutes=7),
        event(T1, "user_id:u8", PHONE, attributes={"plan": "y"}, minutes=8),
        event("device_id:d", T2, "user_id:u1", attributes={"plan": "z"}, minutes=9),
        event("device_id:e", PHONE, ANN, attributes={"plan": "w"}, minutes=10),
    ]
    for story in stories:
        world = World(rules=rules)
        world.play(event(T1, "user_id:u1", assurance=ASSERTED), event(ANN, assurance=ASSERTED, minutes=1), event(PHONE, assurance=ASSERTED))
        world.play(story)
        world.play(story)
        assert not world.plans[-1].changes
        assert not world.plans[-1].writes


def test_a_known_contacts_device_goes_to_the_unknown_one_whose_email_the_claim_names() -> None:
    """R2, R5: the contact of the event is that of its first personal identifier, and guard 1 keeps the two apart."""
    world = World()
    world.play(event(EVE, "user_id:u2"), event(T1, "user_id:u1", assurance=ASSERTED, minutes=1))
    (outcome,) = world.play(event(T1, EVE, minutes=2))
    assert outcome.contact_id == world.holder(EVE).contact_id
    assert world.groups() == sorted([sorted([T1, EVE, "user_id:u2"]), ["user_id:u1"]])
    assert not world.plans[-1].proposed


@pytest.mark.parametrize("policy", ["careful", "eager", "strict"])
@pytest.mark.parametrize("seed", range(12))
def test_no_event_of_a_random_story_does_anything_the_second_time(policy: Policy, seed: int) -> None:
    """R7, I2: claims, assertions and proofs of people who share devices, with hand-overs and refusals."""
    world = World(rules=replace(EXACT, policy=policy))
    for each in random_story(seed, length=60):
        world.play(each, each)
        assert not world.plans[-1].changes
        assert not world.plans[-1].writes


def test_a_page_puts_a_strangers_email_beside_its_own_visitors_token() -> None:
    """S40, S50, R1: what the token does not name is a claim beside a known contact."""
    world = World()
    world.play(event(T1, "user_id:u1", ANN, assurance=ASSERTED, asserts=["user_id:u1"]))
    assert world.groups() == [[T1, "user_id:u1"], [ANN]]
    world.play(event(ANN, T2, minutes=1), event("user_id:u2", ANN, assurance=ASSERTED, minutes=2))
    assert world.groups() == sorted([sorted([T2, ANN, "user_id:u2"]), [T1, "user_id:u1"]])


def test_a_limit_on_the_side_parks_the_event() -> None:
    """R11."""
    limits = replace(EXACT.limits, values_per_type=1)
    world = World(rules=replace(CAREFUL, limits=limits))
    world.play(event(T1, "user_id:u1", assurance=ASSERTED))
    (outcome,) = world.play(event(T1, ANN, EVE, minutes=1))
    assert outcome.kind is OutcomeKind.PARKED
    assert world.groups() == [[T1, "user_id:u1"], [ANN]]
