"""The pictures of `docs/explanation/identity.md`, played out: what they show is what happens."""

from __future__ import annotations

from onefold.identity.assurance import Assurance
from onefold.identity.plan import OutcomeKind, Reason
from tests.support.worlds import World, event

ASSERTED, PROVED = Assurance.ASSERTED, Assurance.PROVED
TOKEN, U1, U2 = "anonymous_token:t", "user_id:u1", "user_id:u2"
ANN, EMAIL = "anonymous_token:a", "email:ann@example.com"
HIS, PHONE = "anonymous_token:m", "phone:+4915112345678"


def test_what_a_careful_claim_may_not_join_gathers_on_the_side() -> None:
    """Policy `careful`: the device joins, the e-mail gets a ghost of its own and a proposal, and the event is the known contact's (R1)."""
    world = World()
    world.play(event(U1, "anonymous_token:t1", assurance=ASSERTED))
    (outcome,) = world.play(event("anonymous_token:t2", U1, "email:e2@example.com", attributes={"plan": "pro"}, minutes=1))
    assert world.groups() == sorted([sorted([U1, "anonymous_token:t1", "anonymous_token:t2"]), ["email:e2@example.com"]])
    known, ghost = world.holder(U1), world.holder("email:e2@example.com")
    assert (outcome.contact_id, known.attributes, ghost.attributes) == (known.contact_id, {"unbound": {"plan": "pro"}}, {})
    (proposal,) = world.plans[-1].proposed
    assert {proposal.one, proposal.other} == {known.contact_id, ghost.contact_id}


def test_a_shared_device_is_handed_over_and_its_past_stays() -> None:
    """Guard 1, R7: by event time, whenever the events arrive."""
    world = World()
    world.play(event(TOKEN, U1, assurance=ASSERTED), event(TOKEN, minutes=30))
    (taken,) = world.play(event(TOKEN, U2, assurance=ASSERTED, minutes=60))
    assert taken.kind is OutcomeKind.HANDED_OVER
    (now,) = world.play(event(TOKEN, minutes=90))
    (late,) = world.play(event(TOKEN, minutes=45))
    assert (now.contact_id, late.contact_id) == (world.holder(U2).contact_id, world.holder(U1).contact_id)
    world.play(event(TOKEN, U1, assurance=ASSERTED, minutes=50))
    assert world.groups() == sorted([[TOKEN, U2], [U1]]), "older than the last use by u2"
    world.play(event(TOKEN, U1, assurance=ASSERTED, minutes=120))
    assert world.groups() == sorted([sorted([TOKEN, U1]), [U2]])


def test_a_proof_takes_the_email_and_what_came_with_it() -> None:
    """Guard 2, R9: the claimant keeps everything else, and there is a proposal."""
    world = World()
    world.play(event(HIS, PHONE, attributes={"page": "x"}), event(HIS, EMAIL, attributes={"plan": "pro"}, minutes=1), event(ANN, minutes=2))
    (outcome,) = world.play(event(ANN, EMAIL, assurance=PROVED, proof=EMAIL, minutes=3))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.EVICTED, Reason.PROOF)
    assert world.groups() == sorted([sorted([HIS, PHONE]), sorted([ANN, EMAIL])])
    left, prover = world.holder(HIS), world.holder(ANN)
    assert (left.attributes, prover.attributes) == ({"unbound": {"page": "x", "plan": "pro"}}, {"unbound": {"plan": "pro"}})
    (proposal,) = world.plans[-1].proposed
    assert {proposal.one, proposal.other} == {left.contact_id, prover.contact_id}


def test_a_merge_moves_identifiers_and_an_unmerge_returns_them_with_what_came_through_them() -> None:
    """The stronger one survives; what came through the absorbed one's token goes with it, and no event joins the two again."""
    world = World()
    world.play(event("anonymous_token:b"), event(U1, PHONE, assurance=ASSERTED, minutes=1))
    ghost, known = world.holder("anonymous_token:b").contact_id, world.holder(U1).contact_id
    world.play(event(U1, "anonymous_token:b", assurance=ASSERTED, minutes=2))
    world.play(event("anonymous_token:b", EMAIL, assurance=ASSERTED, minutes=3))
    assert world.groups() == [sorted([U1, PHONE, "anonymous_token:b", EMAIL])]
    assert (world.root("acme", ghost), world.holder(U1).contact_id) == (known, known)
    world.unmerge(ghost)
    parted = sorted([sorted([U1, PHONE]), sorted(["anonymous_token:b", EMAIL])])
    assert world.groups() == parted
    (outcome,) = world.play(event(U1, "anonymous_token:b", assurance=ASSERTED, minutes=2_000))
    assert (world.groups(), outcome.reason) == (parted, Reason.KEPT_APART)
