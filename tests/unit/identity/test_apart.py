"""Pairs that are kept apart, and barriers: what no event undoes (product.md, section 4; architecture, section 2)."""

from __future__ import annotations

from onefold.identity.assurance import Assurance
from onefold.identity.identifiers import identifier_key
from onefold.identity.plan import OutcomeKind, Reason
from tests.support.worlds import World, at, event

ASSERTED = Assurance.ASSERTED
ANN, BEN = "email:ann@example.com", "email:ben@example.com"


def two_people() -> World:
    """Ann and Ben, each with a token of their own."""
    world = World()
    world.play(
        event(ANN, "anonymous_token:a", assurance=ASSERTED),
        event(BEN, "anonymous_token:b", assurance=ASSERTED, minutes=1),
    )
    return world


def apart() -> World:
    """The same, and somebody said that they are two."""
    world = two_people()
    world.keep_apart(ANN, BEN)
    return world


def bar(world: World, identifier: str, minutes: float) -> None:
    kind, _, value = identifier.partition(":")
    world.bar("acme", identifier_key(kind, value), at(minutes))


def test_no_event_joins_two_contacts_that_are_kept_apart() -> None:
    """Mutant kept-apart-joined: not even a server's event that names both; each keeps what it holds."""
    world = apart()
    before = world.groups()
    (outcome,) = world.play(event(ANN, "anonymous_token:b", assurance=ASSERTED, minutes=2))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.SEEN, Reason.KEPT_APART)
    assert outcome.contact_id == world.holder(ANN).contact_id
    assert world.groups() == before


def test_whoever_absorbs_one_of_a_pair_is_apart_from_the_other() -> None:
    """Architecture, section 4: a pair names contacts as they were, and forbids joining any two trees that hold its sides."""
    world = apart()
    world.play(event("anonymous_token:c", minutes=2), event("anonymous_token:c", ANN, assurance=ASSERTED, minutes=3))
    world.play(event("user_id:7", assurance=ASSERTED, minutes=-5), event("user_id:7", BEN, assurance=ASSERTED, minutes=4))
    assert world.holder(BEN).contact_id == world.holder("user_id:7").contact_id
    (outcome,) = world.play(event("user_id:7", "anonymous_token:c", assurance=ASSERTED, minutes=5))
    assert outcome.reason is Reason.KEPT_APART
    assert world.holder(ANN).contact_id != world.holder(BEN).contact_id


def test_a_pair_holds_within_a_batch_that_merges_its_sides_elsewhere() -> None:
    """The pair was read before the batch; what the batch absorbs leads to whoever absorbed it."""
    world = apart()
    story = [
        event("user_id:7", assurance=ASSERTED, minutes=-5),
        event("user_id:7", BEN, assurance=ASSERTED, minutes=4),
        event("user_id:7", ANN, assurance=ASSERTED, minutes=5),
    ]
    outcomes = world.play(*story, size=3)
    assert [each.reason for each in outcomes] == [None, None, Reason.KEPT_APART]
    assert world.holder(ANN).contact_id != world.holder("user_id:7").contact_id


def test_a_third_contact_joins_one_of_a_pair_and_leaves_the_other() -> None:
    """The event's contact is chosen first (R5); what is apart from it stays where it is."""
    world = apart()
    world.play(event("anonymous_token:c", minutes=2))
    (outcome,) = world.play(event(ANN, BEN, "anonymous_token:c", assurance=ASSERTED, minutes=3))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.MERGED, Reason.KEPT_APART)
    assert world.holder("anonymous_token:c").contact_id == world.holder(ANN).contact_id
    assert world.holder(BEN).contact_id != world.holder(ANN).contact_id


def test_pairs_of_another_workspace_keep_nobody_apart() -> None:
    """S55: ids are compared within a workspace."""
    world = two_people()
    world.keep_apart(ANN, BEN)
    world.apart = [each._replace(workspace="other") for each in world.apart]
    world.contacts.update({("other", key[1]): each for key, each in world.contacts.items()})
    (outcome,) = world.play(event(ANN, BEN, assurance=ASSERTED, minutes=2))
    assert outcome.kind is OutcomeKind.MERGED


def test_an_event_older_than_a_separation_joins_nothing_through_what_was_separated() -> None:
    """Mutant barrier-crossed: a late retry, a redrive, a replay; a newer event does."""
    world = two_people()
    bar(world, "anonymous_token:b", 10)
    (outcome,) = world.play(event(ANN, "anonymous_token:b", assurance=ASSERTED, minutes=9))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.SEEN, Reason.BARRED)
    assert world.holder(ANN).contact_id != world.holder(BEN).contact_id
    (outcome,) = world.play(event(ANN, "anonymous_token:b", assurance=ASSERTED, minutes=10))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.MERGED, None)


def test_an_event_older_than_a_separation_attaches_nothing_again() -> None:
    """What nobody holds any more stays with nobody; the rest of the event counts."""
    world = two_people()
    bar(world, "phone:+4915112345678", 10)
    (outcome,) = world.play(event(ANN, "phone:+4915112345678", assurance=ASSERTED, minutes=9, attributes={"plan": "pro"}))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.UPDATED, Reason.BARRED)
    assert ["anonymous_token:a", ANN] in world.groups()
    (outcome,) = world.play(event("phone:+4915112345678", assurance=ASSERTED, minutes=9))
    assert (outcome.kind, outcome.reason, outcome.contact_id, outcome.tenure) == (OutcomeKind.BARRED, Reason.BARRED, None, None)
    assert len(world.groups()) == 2


def test_an_event_older_than_a_separation_takes_no_device_over() -> None:
    """Old news takes nothing back: the conflict alone would hand it over."""
    world = World()
    world.play(
        event("anonymous_token:t"), event("user_id:1", assurance=ASSERTED), event("user_id:2", "anonymous_token:t", assurance=ASSERTED)
    )
    bar(world, "anonymous_token:t", 10)
    (outcome,) = world.play(event("user_id:1", "anonymous_token:t", assurance=ASSERTED, minutes=9))
    assert outcome.reason is Reason.BARRED
    assert world.holder("anonymous_token:t").contact_id == world.holder("user_id:2").contact_id


def test_an_older_event_that_names_its_holder_alone_is_the_holders() -> None:
    """History hangs on identifiers: it is credited, as the index would credit it."""
    world = two_people()
    bar(world, "anonymous_token:b", 10)
    bar(world, BEN, 10)
    (outcome,) = world.play(event("anonymous_token:b", BEN, assurance=ASSERTED, minutes=5))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.SEEN, None)
    assert outcome.contact_id == world.holder(BEN).contact_id
