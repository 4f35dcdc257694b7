"""No hijack: each attack on identity in full, as whoever attacks would play it (S40 to S55).

Mallory attacks. He knows Ann's e-mail, and types it wherever a public key lets him. Every test fails when its guard is taken out
(`tests/mutants`). Forged and replayed tokens and aliases are tried at their doors: `tests/unit/access/test_identity_tokens.py`,
`tests/unit/collector/test_identity.py`, `test_translate.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from onefold.identity.assurance import Assurance
from onefold.identity.plan import OutcomeKind, Reason
from tests.support.worlds import EXACT, World, event

if TYPE_CHECKING:
    from onefold.identity.rules import Policy, Rules

ASSERTED, PROVED = Assurance.ASSERTED, Assurance.PROVED
ANN, MALLORY = "email:ann@example.com", "email:mallory@example.com"
HERS, HIS, U1, U2 = "anonymous_token:hers", "anonymous_token:his", "user_id:u1", "user_id:u2"
NAMED = {"given_name": "Mallory", "last_name": "M"}
POLICIES: tuple[Policy, ...] = ("careful", "eager", "strict")


def under(policy: Policy) -> Rules:
    """The rules of a workspace with this policy."""
    return replace(EXACT, policy=policy)


@pytest.mark.parametrize("policy", POLICIES)
def test_whoever_registers_with_her_email_first_has_nothing_of_her_once_she_proves_it(policy: Policy) -> None:
    """Pre-hijack, S41 to S43: his device, his names and his own e-mail stay behind, and nothing that he says later reaches her."""
    world = World(rules=under(policy))
    world.play(event(HIS, MALLORY, fields=NAMED), event(HIS, ANN, minutes=1), event(HERS, minutes=2))
    world.play(event(HERS, ANN, assurance=PROVED, proof=ANN, minutes=3))
    assert world.identifiers(world.holder(ANN).contact_id) == [HERS, ANN]
    assert world.holder(ANN).given_name is None
    world.play(event(HIS, ANN, fields=NAMED, minutes=4), event(HIS, MALLORY, minutes=5), event(HIS, minutes=6))
    assert world.identifiers(world.holder(ANN).contact_id) == [HERS, ANN]
    assert world.holder(ANN).given_name is None
    assert world.holder(HIS).contact_id == world.holder(MALLORY).contact_id


@pytest.mark.parametrize("policy", POLICIES)
def test_her_proof_does_not_make_her_his_contact_though_he_was_first(policy: Policy) -> None:
    """Capture: what she does from then on is hers, on the device where she proved herself."""
    world = World(rules=under(policy))
    world.play(event(HIS, ANN), event(HERS, ANN, assurance=PROVED, proof=ANN, minutes=1))
    (outcome,) = world.play(event(HERS, attributes={"page": "account"}, minutes=2))
    assert outcome.contact_id != world.holder(HIS).contact_id
    assert "page" not in world.holder(HIS).attributes.get("unbound", {})


@pytest.mark.parametrize("policy", POLICIES)
def test_typing_the_email_of_a_validated_contact_leads_nowhere(policy: Policy) -> None:
    """Guard 2, S40, S46, S47: neither his device nor his names come to her, and his ghost sees nothing of hers."""
    world = World(rules=under(policy))
    world.play(event(HERS, ANN, assurance=PROVED, proof=ANN, attributes={"plan": "pro"}))
    (outcome,) = world.play(event(HIS, ANN, fields=NAMED, attributes={"plan": "free"}, minutes=1))
    assert outcome.reason is Reason.PROOF
    assert world.groups() == sorted([sorted([HERS, ANN]), [HIS]])
    assert (world.holder(HIS).attributes, world.holder(ANN).given_name) == ({"unbound": {"plan": "free"}}, None)


@pytest.mark.parametrize("policy", ["careful", "strict"])
def test_two_victims_in_one_event_stay_two(policy: Policy) -> None:
    """Bridging, S40, guard 3."""
    world = World(rules=under(policy))
    world.play(event(ANN, assurance=ASSERTED), event("email:bea@example.com", assurance=ASSERTED, minutes=1))
    world.play(event(HIS, ANN, "email:bea@example.com", minutes=2))
    assert world.holder(ANN).contact_id != world.holder("email:bea@example.com").contact_id


def test_a_proof_of_his_own_email_carries_no_claim_of_hers() -> None:
    """R8: the code went to him; her e-mail and user id beside it are claims."""
    world = World()
    world.play(event(HERS, ANN, U1, assurance=ASSERTED))
    world.play(event(HIS, MALLORY, ANN, U1, assurance=PROVED, proof=MALLORY, fields=NAMED, minutes=1))
    assert world.identifiers(world.holder(ANN).contact_id) == [HERS, ANN, U1]
    assert world.holder(ANN).given_name is None


def test_a_value_that_everybody_names_joins_only_so_many_contacts() -> None:
    """Identifier flooding, S48, S49: from the fourth contact on, here, it is quarantined, and nobody else is joined to the crowd."""
    world = World(rules=replace(EXACT, policy="eager", limits=replace(EXACT.limits, contacts_per_value_day=3)))
    shared = "phone:+4915112345678"
    for number in range(8):
        world.play(event(f"anonymous_token:{number}", f"email:{number}@example.com"))
        world.play(event(f"email:{number}@example.com", shared, minutes=1 + number))
    assert max(len([each for each in group if each.startswith("email:")]) for group in world.groups()) == 3


def test_whoever_floods_her_contact_with_devices_fills_it_no_further_than_the_limit() -> None:
    """Identifier flooding, S49, guard 4, R11: the rest gets no contact and is parked for a person, and what she says is heard all the same."""
    rules = replace(EXACT, limits=replace(EXACT.limits, values_per_type=5, contacts_per_value_day=1_000))
    world = World(rules=rules)
    world.play(event(HERS, U1, ANN, assurance=ASSERTED))
    flood = world.play(*(event(f"anonymous_token:flood{number}", ANN, minutes=1 + number) for number in range(20)))
    assert len(world.identifiers(world.holder(ANN).contact_id)) == 2 + rules.limits.values_per_type
    assert [each.kind for each in flood] == [OutcomeKind.ATTACHED] * 4 + [OutcomeKind.PARKED] * 16
    (heard,) = world.play(event(HERS, attributes={"plan": "pro"}, assurance=ASSERTED, minutes=30))
    assert (heard.kind, world.holder(ANN).attributes) == (OutcomeKind.UPDATED, {"unbound": {"plan": "pro"}})


def test_the_same_identifiers_in_another_workspace_are_other_people() -> None:
    """S55, S88: asserted and proved there, they take and join nothing here, in one batch with hers too."""
    world = World()
    hers = event(HERS, ANN, U1, assurance=ASSERTED)
    world.play(hers)
    before = world.holder(ANN).fork()
    world.play(
        hers,
        event(HERS, ANN, U2, assurance=ASSERTED, workspace="evil", minutes=1),
        event(HIS, ANN, assurance=PROVED, proof=ANN, workspace="evil", minutes=2),
        size=3,
    )
    assert world.holder(ANN) == before
    assert world.groups() == [sorted([HERS, ANN, U1])]
    assert world.groups("evil") == [sorted([HERS, HIS, ANN, U2])]


def test_a_replayed_token_brings_nothing_that_it_does_not_name() -> None:
    """S50: her token, shown on his device beside his own e-mail; what he says of her is a claim, which replaces nothing."""
    world = World()
    world.play(event(HERS, U1, ANN, assurance=ASSERTED, fields={"given_name": "Ann"}))
    world.play(event(HIS, U1, MALLORY, assurance=ASSERTED, asserts=[U1], fields=NAMED, minutes=1))
    assert MALLORY not in world.identifiers(world.holder(U1).contact_id)
    assert world.holder(U1).given_name == "Ann"
    assert not world.holder(MALLORY).is_known


@pytest.mark.parametrize("policy", POLICIES)
def test_two_people_who_sign_in_on_one_device_stay_two(policy: Policy) -> None:
    """Confused device, guard 1, S55: it goes to whoever uses it now, and back; each one's visits stay hers."""
    world = World(rules=under(policy))
    world.play(event(HERS, U1, ANN, assurance=ASSERTED), event("device_id:d", U2, assurance=ASSERTED, minutes=1))
    (outcome,) = world.play(event(HERS, U2, assurance=ASSERTED, minutes=2))
    assert outcome.kind is OutcomeKind.HANDED_OVER
    (late,) = world.play(event(HERS, minutes=1.5))
    assert late.contact_id == world.holder(U1).contact_id
    world.play(event(HERS, U1, assurance=ASSERTED, minutes=3))
    assert world.groups() == sorted([sorted([HERS, U1, ANN]), ["device_id:d", U2]])


@pytest.mark.parametrize("policy", POLICIES)
def test_who_proves_herself_on_a_device_of_somebody_else_joins_nobody(policy: Policy) -> None:
    """Confused device, R9: the device is handed over to her, and its owner keeps all that is his."""
    world = World(rules=under(policy))
    world.play(event(HIS, U2, MALLORY, assurance=ASSERTED), event(HERS, U1, ANN, assurance=ASSERTED, minutes=1))
    world.play(event(HIS, ANN, assurance=PROVED, proof=ANN, minutes=2))
    assert world.groups() == sorted([sorted([HERS, HIS, U1, ANN]), sorted([MALLORY, U2])])
