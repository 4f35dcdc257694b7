"""What a proof does: the prover's contact, eviction, and proofs among each other (product.md, section 4; R8 to R10, R17, R19)."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onefold.identity.assurance import Assurance
from onefold.identity.plan import Limit, OutcomeKind, Reason, Rule
from onefold.identity.rules import Rules
from tests.support.worlds import EXACT, World, event

if TYPE_CHECKING:
    import random

    from onefold.identity.contact import Tenure
    from onefold.identity.interaction import Interaction
    from onefold.identity.rules import Policy

CLAIMED, ASSERTED, PROVED = Assurance.CLAIMED, Assurance.ASSERTED, Assurance.PROVED
ANN, EVE, PHONE = "email:ann@example.com", "email:eve@example.com", "phone:+4915112345678"
T1, T2, T3, U1, U2 = "anonymous_token:t1", "anonymous_token:t2", "anonymous_token:t3", "user_id:u1", "user_id:u2"
POLICIES: tuple[Policy, ...] = ("careful", "eager", "strict")


def proof(*identifiers: str, of: str = ANN, minutes: float = 10, **more: object) -> Interaction:
    """Somebody typed the code that was sent to `of`."""
    return event(*identifiers, assurance=PROVED, proof=of, minutes=minutes, **more)  # type: ignore[arg-type]


def world_under(policy: Policy = "careful") -> World:
    return World(rules=replace(EXACT, policy=policy))


def groups(*groups: list[str]) -> list[list[str]]:
    return sorted(sorted(group) for group in groups)


def tenure(world: World, identifier: str) -> Tenure:
    """The open tenure of an identifier."""
    found = (each for each in world.tenures.values() if each.is_open and f"{each.semantic_type}:{each.normalised}" == identifier)
    (only,) = found
    return only


def proposed(world: World) -> list[tuple[set[str], set[str], Reason]]:
    """What the last event proposed."""
    return [(set(world.identifiers(each.one)), set(world.identifiers(each.other)), each.guard) for each in world.plans[-1].proposed]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_proof_on_the_device_that_asked_is_no_move(policy: Policy) -> None:
    """R9: a code typed where it was asked for."""
    world = world_under(policy)
    world.play(event(T1, ANN, fields={"given_name": "Ann", "last_name": "Lee"}))
    (outcome,) = world.play(proof(T1, ANN))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.UPDATED, None)
    assert world.groups() == groups([T1, ANN])
    assert world.holder(ANN).type == "contact"
    assert (tenure(world, ANN).is_validated, tenure(world, ANN).validated_by) == (True, "otp")
    assert (tenure(world, ANN).assurance, tenure(world, T1).assurance) == (PROVED, ASSERTED)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_proof_takes_what_another_contact_merely_claimed(policy: Policy) -> None:
    """Guard 2, R9, S41, S43: under every policy. Whoever is left behind is proposed, and keeps all else."""
    world = world_under(policy)
    world.play(event(T2, ANN, PHONE), event(T1, minutes=1))
    claimant, prover = world.holder(T2), world.holder(T1)
    (outcome,) = world.play(proof(T1, ANN))
    assert (outcome.kind, outcome.reason, outcome.contact_id) == (OutcomeKind.EVICTED, Reason.PROOF, prover.contact_id)
    assert world.groups() == groups([T1, ANN], [T2, PHONE])
    assert (world.holder(PHONE).contact_id, world.holder(ANN).is_known, world.holder(PHONE).is_known) == (claimant.contact_id, True, False)
    assert [[*sorted(map(str, [*one, *other])), guard] for one, other, guard in proposed(world)] == [
        [*sorted([T1, ANN, T2, PHONE]), Reason.PROOF]
    ]


def test_an_eviction_is_a_separation_that_begins_with_the_proof() -> None:
    """R9: like a hand-over it ends a tenure and opens the next, and both contacts say so."""
    world = World()
    world.play(event(T2, ANN), event(T1, minutes=1))
    world.play(proof(T1, ANN))
    plan = world.plans[-1]
    (ended,) = plan.separated
    present = tenure(world, ANN)
    assert (ended.normalised, ended.held_until, present.held_from) == (
        "ann@example.com",
        present.first_seen_at,
        plan.outcomes[0].interaction.moment,
    )
    assert present.via == tenure(world, T1).tenure_id
    told = {change.contact_id: change.changes["identifiers"] for change in plan.changes}
    assert told == {world.holder(T2).contact_id: ([ANN], []), world.holder(T1).contact_id: ([], [ANN, T1])}
    assert {change.cause.rule for change in plan.changes} == {Rule.EVICTION}
    assert not plan.barriers


def test_a_proof_on_a_new_device_makes_a_new_contact() -> None:
    """R9, R17: the newsletter's contact held nothing else; it stays, as a ghost, and nobody is proposed."""
    world = World()
    world.play(event(ANN, fields={"given_name": "Ann", "last_name": "Lee"}))
    before = world.holder(ANN).contact_id
    (outcome,) = world.play(proof(T1, ANN))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.EVICTED, None)
    assert world.groups() == groups([T1, ANN])
    assert outcome.contact_id != before
    left = world.contacts["acme", before]
    assert (left.type, left.merged_into, left.summary.total, left.given_name) == ("ghost", None, 0, "Ann")
    assert (world.holder(ANN).type, world.holder(ANN).given_name) == ("contact", "Ann")
    assert not world.plans[-1].proposed


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (event(ANN), [[ANN]]),
        (event(T2, ANN), [[ANN], [T2]]),
        (event(T2, ANN, assurance=ASSERTED), [[T2, ANN]]),
        (proof(T2, ANN, minutes=0), [[T2, ANN]]),
    ],
)
def test_without_a_device_the_prover_is_whoever_was_vouched_for_or_holds_nothing_else(held: Interaction, expected: list[list[str]]) -> None:
    """R9: else somebody new."""
    world = World()
    world.play(held)
    world.play(proof(ANN))
    assert world.groups() == groups(*expected)
    assert tenure(world, ANN).is_validated


@pytest.mark.parametrize("assurance", [ASSERTED, PROVED])
@pytest.mark.parametrize("policy", POLICIES)
def test_a_proof_merges_with_whoever_was_vouched_for(policy: Policy, assurance: Assurance) -> None:
    """R10: both control it."""
    world = world_under(policy)
    world.play(event(T2, ANN, assurance=assurance, proof=ANN if assurance is PROVED else None), event(T1, minutes=1))
    (outcome,) = world.play(proof(T1, ANN))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.MERGED, None)
    assert world.groups() == groups([T1, T2, ANN])


@pytest.mark.parametrize("assurance", [CLAIMED, ASSERTED, PROVED])
@pytest.mark.parametrize("policy", POLICIES)
def test_a_device_of_somebody_else_is_handed_over_to_the_prover(policy: Policy, assurance: Assurance) -> None:
    """R9, guard 1: the contacts have different user ids, so the identifier's is the prover's."""
    world = world_under(policy)
    world.play(event(T1, U1, assurance=ASSERTED))
    world.play(event(T2, U2, ANN, assurance=assurance, proof=ANN if assurance is PROVED else None, minutes=1))
    if assurance is PROVED:  # what stands beside a proof is claimed
        world.play(event(T2, U2, assurance=ASSERTED, minutes=2))
    (outcome,) = world.play(proof(T1, ANN))
    assert outcome.kind is OutcomeKind.HANDED_OVER
    assert world.groups() == groups([U1], [T1, T2, U2, ANN])
    assert tenure(world, ANN).is_validated
    assert not world.plans[-1].proposed


def test_a_proof_of_a_user_id_takes_the_device_of_another_one() -> None:
    """R5, R9: a value that a contact holds once conflicts by itself."""
    world = World()
    world.play(event(T1, U1), event(T2, U2, minutes=1))
    world.play(proof(T1, U2, of=U2))
    assert world.groups() == groups([U1], [T1, T2, U2])


def test_a_later_proof_takes_a_proved_identifier_where_the_two_are_kept_apart() -> None:
    """R10: a phone number that changed hands."""
    world = World()
    world.play(proof(T1, PHONE, ANN, of=PHONE, minutes=0), event(T2, minutes=1))
    world.keep_apart(T1, T2)
    (outcome,) = world.play(proof(T2, PHONE, of=PHONE))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.EVICTED, Reason.KEPT_APART)
    assert world.groups() == groups([T1], [ANN], [T2, PHONE])
    assert not world.plans[-1].proposed


def test_an_earlier_proof_that_comes_late_takes_nothing_back() -> None:
    """R10: it changes nothing but its history."""
    world = World()
    world.play(proof(T1, PHONE, of=PHONE, minutes=20), event(T2, minutes=1))
    world.keep_apart(T1, T2)
    (outcome,) = world.play(proof(T2, PHONE, of=PHONE, minutes=10))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.UPDATED, Reason.KEPT_APART)
    assert world.groups() == groups([T1, PHONE], [T2])
    world.play(proof(T2, PHONE, of=PHONE, minutes=30))
    assert world.groups() == groups([T1], [T2, PHONE])


def test_a_proof_that_was_repeated_gives_way_only_to_one_that_is_later_still() -> None:
    """R10: the latest proof of each counts, whichever came first."""
    world = World()
    world.play(proof(T1, PHONE, of=PHONE, minutes=20), proof(T1, PHONE, of=PHONE, minutes=5), event(T2, minutes=1))
    world.keep_apart(T1, T2)
    world.play(proof(T2, PHONE, of=PHONE, minutes=15))
    assert world.groups() == groups([T1, PHONE], [T2])


def test_an_asserted_identifier_stays_where_the_two_are_kept_apart() -> None:
    """R10: a server vouched for it; a pair that is kept apart is not proposed again."""
    world = World()
    world.play(event(T1, ANN, assurance=ASSERTED), event(T2, minutes=1))
    world.keep_apart(T1, T2)
    (outcome,) = world.play(proof(T2, ANN))
    assert outcome.reason is Reason.KEPT_APART
    assert world.groups() == groups([T1, ANN], [T2])
    assert not tenure(world, ANN).is_validated
    assert not world.plans[-1].proposed


def test_an_asserted_identifier_stays_and_leaves_a_proposal_where_a_limit_forbids_to_merge() -> None:
    """R10, R11."""
    world = World(rules=replace(EXACT, limits=replace(EXACT.limits, identifiers_per_contact=3)))
    world.play(event(T1, ANN, assurance=ASSERTED), event(T2, "device_id:d", assurance=ASSERTED, minutes=1))
    (outcome,) = world.play(proof(T2, ANN))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.PARKED, Reason.LIMIT)
    assert world.groups() == groups([T1, ANN], [T2, "device_id:d"])
    assert [guard for *_, guard in proposed(world)] == [Reason.LIMIT]


def test_what_is_claimed_moves_between_contacts_that_are_kept_apart() -> None:
    """R9: moving what somebody typed joins nobody."""
    world = World()
    world.play(event(T1, ANN), event(T2, minutes=1))
    world.keep_apart(T1, T2)
    world.play(proof(T2, ANN))
    assert world.groups() == groups([T1], [T2, ANN])
    assert not world.plans[-1].proposed


def test_a_full_contact_gets_nothing_by_a_proof() -> None:
    """R11: the identifier stays where it is, and the event is parked."""
    world = World(rules=replace(EXACT, limits=replace(EXACT.limits, values_per_type=1)))
    world.play(event(T2, ANN), event(T1, EVE, minutes=1))
    (outcome,) = world.play(proof(T1, ANN))
    assert outcome.kind is OutcomeKind.PARKED
    assert world.groups() == groups([T1, EVE], [T2, ANN])


def test_values_that_came_with_the_identifier_are_copied_where_the_prover_has_none() -> None:
    """R9: the attacker's and the prover's own ones stay whose they are."""
    world = World()
    world.play(
        event(T2, ANN, fields={"given_name": "Ann", "last_name": "Lee"}, attributes={"plan": "pro", "consent": True, "gone": 1}),
        event(T2, attributes={"page": "x", "gone": None}, minutes=1),
        event(T1, attributes={"plan": "free"}, minutes=2),
    )
    world.play(proof(T1, ANN, fields={"given_name": "Anna"}))
    prover, left = world.holder(ANN), world.holder(T2)
    assert (prover.given_name, prover.last_name) == ("Anna", "Lee")
    assert prover.attributes == {"unbound": {"plan": "free"}}
    assert (left.given_name, left.last_name, left.attributes["unbound"]) == ("Ann", "Lee", {"plan": "pro", "consent": True, "page": "x"})
    assert prover.provenance["last_name"].assurance is CLAIMED
    assert prover.provenance["last_name"].via == tenure(world, ANN).tenure_id


def test_a_value_that_is_said_again_goes_on_with_what_it_came_with() -> None:
    """R9: with and without the identifier beside it, within the hour in which a repeated value is not written, and after it."""
    world = World(rules=Rules())
    said = {"plan": "pro"}
    world.play(event(T2, attributes=said), event(T2, ANN, attributes=said, minutes=10), event(T1, minutes=20))
    world.play(event(T2, attributes=said, minutes=15), event(T2, EVE, attributes=said, minutes=99))
    world.play(proof(T1, ANN, minutes=100))
    assert world.holder(T1).attributes == {"unbound": said}


@pytest.mark.parametrize("said", [("pro", 1), ("pro", 5), ("free", 1)])
@pytest.mark.parametrize("first_seen", [0, 5])
def test_a_value_that_two_contacts_had_goes_on_with_what_it_came_with_when_they_merge(said: tuple[str, int], first_seen: int) -> None:
    """R9: whichever of the two said it last, and whichever survives."""
    world = World()
    plan, minutes = said
    world.play(event(T3, minutes=first_seen))
    world.play(event(T2, ANN, EVE, attributes={"plan": "pro"}, minutes=2), event(T3, attributes={"plan": plan}, minutes=minutes))
    world.play(event(T2, T3, minutes=6), event(T1, minutes=7), proof(T1, ANN))
    assert world.groups() == groups([T1, ANN], [T2, T3, EVE])
    assert world.holder(T1).attributes == {"unbound": {"plan": "pro"}}


def test_a_copy_is_a_claim() -> None:
    """R9: what a server said of the claimant is not said of the prover."""
    world = World()
    world.play(event(T2, ANN, attributes={"plan": "pro"}), event(T1, minutes=1))
    world.play(event(T2, attributes={"plan": "pro"}, assurance=ASSERTED, minutes=2), proof(T1, ANN))
    assert (world.holder(T1).provenance["attributes.unbound.plan"].assurance, world.holder(T1).attributes) == (
        CLAIMED,
        {"unbound": {"plan": "pro"}},
    )


def test_a_copied_value_goes_on_with_the_identifier_that_it_came_with() -> None:
    """R9: the next one who proves it gets it too."""
    world = World()
    world.play(event(T2, ANN, EVE, attributes={"plan": "pro"}), event(T1, minutes=1), event(T3, minutes=1))
    world.play(proof(T1, ANN))
    world.keep_apart(T1, T3)
    world.play(proof(T3, ANN, minutes=20), proof(T1, EVE, of=EVE, minutes=21))
    assert world.groups() == groups([T1, EVE], [T2], [T3, ANN])
    assert world.holder(T3).attributes == {"unbound": {"plan": "pro"}}


def test_a_proof_ends_claims_of_any_time() -> None:
    """R10: those that came after it, and those that are still to come."""
    world = World()
    world.play(event(T2, ANN, minutes=20), event(T1, minutes=1))
    world.play(proof(T1, ANN, minutes=10))
    assert world.groups() == groups([T1, ANN], [T2])
    for minutes in (20, 30):
        (outcome,) = world.play(event(T3, ANN, minutes=minutes))
        assert outcome.reason is Reason.PROOF
    assert world.groups() == groups([T1, ANN], [T2], [T3])


def test_an_interaction_older_than_the_eviction_is_credited_to_whoever_had_claimed_it() -> None:
    """Product.md, guard 1: event time decides, for evictions as for hand-overs."""
    world = World()
    world.play(event(T2, ANN), event(T1, minutes=1), proof(T1, ANN))
    (outcome,) = world.play(event(ANN, minutes=5))
    assert outcome.contact_id == world.holder(T2).contact_id
    assert world.groups() == groups([T1, ANN], [T2])


def test_an_interaction_of_a_user_id_s_earlier_holder_stays_his_though_he_has_another_by_now() -> None:
    """The same, of a type of which a contact holds one value."""
    world = World()
    world.play(event(T2, U2), event(T1, minutes=1), proof(T1, U2, of=U2), event(T2, U1, minutes=20))
    (outcome,) = world.play(event(U2, minutes=5))
    assert (outcome.contact_id, outcome.reason) == (world.holder(T2).contact_id, Reason.CONFLICT)
    assert world.groups() == groups([T1, U2], [T2, U1])


def test_an_earlier_proof_without_a_device_has_its_history_where_its_identifier_is() -> None:
    """R10: its contact is the later prover's, not that of the claim which it would have ended."""
    world = World()
    world.play(event(T2, ANN), event(T1, minutes=1), proof(T1, ANN))
    (outcome,) = world.play(proof(ANN, minutes=5))
    assert outcome.contact_id == world.holder(T1).contact_id
    assert outcome.tenure is not None
    assert outcome.tenure.tenure_id == tenure(world, ANN).tenure_id


def test_what_a_late_proof_takes_came_through_the_device_that_its_holder_of_then_had() -> None:
    """Guard 1: event time decides whose the device was, and the identifier's history hangs on his tenure of it."""
    world = World()
    world.play(event(T2, ANN, PHONE), event(T1, U1, assurance=ASSERTED), event("device_id:d", U2, assurance=ASSERTED, minutes=1))
    world.play(event(T1, U2, assurance=ASSERTED, minutes=20))
    world.play(proof(T1, ANN))
    assert world.groups() == groups([T2, PHONE], [U1, ANN], [T1, U2, "device_id:d"])
    through = tenure(world, ANN).via
    assert through is not None
    assert world.tenures[through].contact_id == world.holder(U1).contact_id


def test_whoever_has_a_device_alone_left_after_the_proof_does_not_join_when_it_comes_again() -> None:
    """R7: what else the event names was his at its time, and was proved by somebody else since."""
    world = World()
    world.play(event(T2, ANN, minutes=2), event(ANN, EVE, minutes=7), proof(ANN, EVE, minutes=38))
    again = proof(EVE, ANN, of=EVE, minutes=13)
    world.play(again)
    before = world.groups()
    world.play(again)
    assert world.groups() == before == groups([T2], [ANN], [EVE])


@pytest.mark.parametrize("policy", POLICIES)
def test_what_stands_beside_a_proof_is_claimed(policy: Policy) -> None:
    """R8: another's email, user id and traits are not proved by proving one's own."""
    world = world_under(policy)
    world.play(event(T2, EVE, assurance=PROVED, proof=EVE, attributes={"plan": "pro"}), event(T1, U1, assurance=ASSERTED, minutes=1))
    world.play(proof(T1, ANN, EVE, U2, attributes={"plan": "x"}))
    assert world.holder(EVE).contact_id == world.holder(T2).contact_id
    assert world.holder(ANN).contact_id == world.holder(U1).contact_id == world.holder(T1).contact_id
    assert world.holder(U2).contact_id not in {world.holder(ANN).contact_id, world.holder(EVE).contact_id}
    assert not world.holder(U2).is_known


def test_a_proved_event_that_names_no_proof_proves_nothing() -> None:
    """R8: its devices are asserted, all else is claimed."""
    world = World()
    world.play(event(T1, ANN, EVE, assurance=PROVED))
    assert world.groups() == groups([T1], [ANN, EVE])
    assert {tenure(world, each).assurance for each in (ANN, EVE)} == {CLAIMED}
    assert tenure(world, T1).assurance is ASSERTED


def test_nothing_that_events_say_is_ever_decided() -> None:
    """R19."""
    world = World()
    world.play(event(T2, ANN), event(T1, U1, assurance=ASSERTED), proof(T1, ANN), proof(T2, ANN, minutes=20))
    assert {each.assurance for each in world.tenures.values()} <= {CLAIMED, ASSERTED, PROVED}


def test_the_next_one_becomes_main_where_the_main_one_was_evicted() -> None:
    """Product.md, section 3."""
    world = World()
    world.play(event(T2, ANN), event(T2, EVE, minutes=1), event(T1, minutes=1))
    world.play(proof(T1, ANN))
    assert world.holder(T2).email == "eve@example.com"


def test_an_unmerge_gives_back_what_a_proof_brought() -> None:
    """History hangs on identifiers: it came through the absorbed contact's device, and the value through it."""
    world = World()
    world.play(event(T2, ANN, attributes={"plan": "pro"}), event(T1), event(U1, assurance=ASSERTED, minutes=1))
    gone = world.holder(T1).contact_id
    world.play(event(T1, U1, assurance=ASSERTED, minutes=2), proof(T1, ANN))
    assert world.groups() == groups([T1, U1, ANN], [T2])
    world.unmerge(gone)
    assert world.groups() == groups([T1, ANN], [U1], [T2])
    assert (world.holder(ANN).attributes["unbound"], world.holder(U1).attributes) == ({"plan": "pro"}, {})


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(POLICIES))
def test_a_proof_that_comes_again_changes_nothing(dice: random.Random, policy: Policy) -> None:
    """R7, I2."""
    world = world_under(policy)
    for number in range(12):
        interaction = _any(dice, number)
        world.play(interaction)
        world.play(interaction)
        assert not world.plans[-1].changes
        assert not world.plans[-1].writes


@settings(deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_proofs_changes_no_groups(dice: random.Random) -> None:
    """Product.md, section 4: events of one assurance, without user ids."""
    claims = [event(f"anonymous_token:c{dice.randrange(3)}", dice.choice([ANN, EVE, PHONE]), minutes=number) for number in range(4)]
    proofs = [
        proof(*[f"anonymous_token:{dice.choice('abc')}"] * dice.randrange(2), each, of=each, minutes=dice.randrange(99))
        for each in (dice.choice([ANN, EVE]) for _ in range(4))
    ]
    ends = set()
    for order in permutations(proofs):
        world = World()
        world.play(*claims, *order)
        ends.add(repr(world.groups()))
    assert len(ends) == 1


def test_a_limit_is_the_one_that_the_proof_itself_exceeds_not_what_guard_one_keeps_apart_anyway() -> None:
    """R10, R11: another device led to somebody with another user id. Operators see the value that joined too many, and it is quarantined."""
    world = World(rules=replace(EXACT, policy="eager", limits=replace(EXACT.limits, contacts_per_value_day=2)))
    world.play(
        event(U1, PHONE),
        event(U2, T1, minutes=1),
        event(T3, minutes=8),
        event(PHONE, T3, assurance=ASSERTED, minutes=10),
        event("device_id:d1", EVE, minutes=23),
    )
    world.play(proof(PHONE, "device_id:d1", T1, of=PHONE, minutes=39))
    (parked,) = world.plans[-1].parked
    assert [each.limit for each in parked.excesses] == [Limit.CONTACTS_PER_VALUE_DAY]
    assert [each.tenure.text for each in world.plans[-1].quarantined] == [PHONE]


def _any(dice: random.Random, number: int) -> Interaction:
    """An event of any assurance among few identifiers."""
    personal = dice.sample([ANN, EVE, U1, U2], dice.randrange(3))
    devices = dice.sample([T1, T2, T3], dice.randrange(0 if personal else 1, 3))
    assurance = dice.choice([CLAIMED, ASSERTED, PROVED])
    return event(
        *personal,
        *devices,
        minutes=dice.randrange(50),
        event_id=f"{number:02}",
        assurance=assurance,
        proof=personal[0] if assurance is PROVED and personal else None,
        attributes={"plan": number} if dice.random() < 0.4 else {},
    )
