"""Guard 4: what exceeds a limit is left out, and the whole interaction is kept; a value that joins too many contacts resolves no more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from onefold.identity.assurance import Assurance
from onefold.identity.plan import Excess, Limit, OutcomeKind, Reason
from onefold.identity.rules import Limits, Rules
from tests.support.worlds import World, at, event

if TYPE_CHECKING:
    from onefold.identity.interaction import Interaction
    from onefold.identity.plan import Outcome

SHARED = "email:shared@example.com"
A_FEW_A_DAY = Rules(recency=timedelta(0), limits=Limits(merges_per_identifier_hour=1_000, contacts_per_value_day=5))


def flood(contacts: int, *, begin: float = 0) -> list[Interaction]:
    """An email, then so many visitors, each of whom gives it."""
    visits = [
        each
        for number in range(contacts)
        for each in (
            event(f"anonymous_token:t{number}", minutes=begin + number),
            event(f"anonymous_token:t{number}", SHARED, minutes=begin + number + 0.5),
        )
    ]
    return [event(SHARED, minutes=begin), *visits]


def test_a_value_that_tries_to_join_too_many_contacts_in_a_day_is_quarantined() -> None:
    """R11: 50 distinct contacts a value and day, the first included; earlier joins stay. Guard 5: it resolves no more, a day later either."""
    world = World(rules=A_FEW_A_DAY)
    outcomes = world.play(*flood(6))
    assert [each.kind for each in outcomes[2::2]] == [OutcomeKind.MERGED] * 4 + [OutcomeKind.PARKED, OutcomeKind.SEEN]
    assert [each.reason for each in outcomes[2::2]] == [None] * 4 + [Reason.LIMIT, None]
    (found_out,) = [each for plan in world.plans for each in plan.quarantined]
    assert (found_out.tenure.normalised, found_out.contacts) == ("shared@example.com", 5)
    assert len(world.groups()) == 3
    (outcome,) = world.play(event("anonymous_token:t4", SHARED, minutes=24 * 60))
    assert outcome.kind is OutcomeKind.SEEN
    assert [(each.semantic_type, each.reason) for each in outcome.interaction.dropped] == [("email", "quarantined")]
    assert world.groups()[0] == [f"anonymous_token:t{number}" for number in range(4)] + [SHARED], "its holder keeps it"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_the_size_of_a_batch_changes_nothing_about_a_quarantine(size: int) -> None:
    """The value resolves no more from the next interaction on, whether it is of the same batch or not."""
    story = flood(6)
    alone, together = World(rules=A_FEW_A_DAY), World(rules=A_FEW_A_DAY)
    one_by_one, batched = alone.play(*story), together.play(*story, size=size)
    assert list(map(told, batched)) == list(map(told, one_by_one))
    assert together.groups() == alone.groups()
    assert together.quarantined == alone.quarantined


def told(outcome: Outcome) -> tuple[object, ...]:
    return outcome.kind, outcome.reason, outcome.contact_id, outcome.interaction


def test_a_quarantined_value_is_no_proof_and_keeps_no_contact_of_its_own() -> None:
    """Guard 5: an interaction with nothing else is nobody's; a code typed for the value validates nothing."""
    world = World(rules=A_FEW_A_DAY)
    world.play(*flood(5))
    (outcome,) = world.play(event(SHARED, assurance=Assurance.PROVED, proof=SHARED, minutes=60))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.UNRESOLVED, Reason.NO_IDENTIFIER)
    assert outcome.interaction.proof is None
    world.play(event("anonymous_token:other", SHARED, assurance=Assurance.PROVED, proof=SHARED, minutes=61))
    assert not any(each.is_validated for each in world.tenures.values())


def test_another_workspace_keeps_its_value() -> None:
    """S55."""
    world = World(rules=A_FEW_A_DAY)
    world.play(*flood(5))
    (outcome,) = world.play(event(SHARED, workspace="other", minutes=60))
    assert outcome.kind is OutcomeKind.CREATED


def test_only_the_value_that_joins_too_many_is_quarantined() -> None:
    """Not the visitor's own token, which joined nobody yet."""
    world = World(rules=A_FEW_A_DAY)
    world.play(*flood(5))
    assert {key for keys in world.quarantined.values() for key in keys} == {flood(0)[0].identifiers[0].key}


def test_what_was_parked_says_what_it_exceeded_and_keeps_the_whole_interaction() -> None:
    """R11."""
    world = World(rules=Rules(recency=timedelta(0), limits=Limits(values_per_type=1)))
    world.play(event("anonymous_token:t", "email:a@example.com"))
    story = event("anonymous_token:t", "email:b@example.com", attributes={"plan": "pro"}, minutes=1)
    (outcome,) = world.play(story)
    (parked,) = world.plans[-1].parked
    assert parked.interaction is story
    assert parked.contact_id == outcome.contact_id
    assert parked.excesses == (Excess(Limit.VALUES_PER_TYPE, "email", story.identifiers[1].key),)


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (Limits(values_per_type=3), Limit.VALUES_PER_TYPE),
        (Limits(identifiers_per_contact=5), Limit.IDENTIFIERS_PER_CONTACT),
        (Limits(merges_per_identifier_hour=0), Limit.MERGES_PER_IDENTIFIER_HOUR),
        (Limits(contacts_per_value_day=1), Limit.CONTACTS_PER_VALUE_DAY),
    ],
)
def test_contacts_stay_apart_whose_merge_would_exceed_a_limit(limits: Limits, limit: Limit) -> None:
    """R11: existing contacts stay apart, and are told of by name."""
    world = World(rules=Rules(recency=timedelta(0), limits=limits))
    for number, (one, two) in enumerate(pairwise(("a", "b", "c"))):
        world.play(event(f"anonymous_token:{one}{two}", f"email:{one}@example.com", f"email:{two}{number}@example.com", minutes=number))
    before = world.groups()
    (outcome,) = world.play(event("anonymous_token:ab", "anonymous_token:bc", minutes=5))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.PARKED, Reason.LIMIT)
    assert {each.limit for each in world.plans[-1].parked[0].excesses} == {limit}
    assert world.groups() == before


def test_a_released_interaction_is_held_back_by_size_alone_and_counts_for_nothing() -> None:
    """R11: who let it go has seen how often the value joins; how much a contact holds is no question of time."""
    world = World(rules=replace(A_FEW_A_DAY, limits=Limits(contacts_per_value_day=2, values_per_type=3)))
    world.play(*flood(3))
    world.quarantined.clear()
    (outcome,) = world.play(release(event("anonymous_token:t1", SHARED, minutes=1.5)))
    assert outcome.kind is OutcomeKind.MERGED
    joins = [each.joins.in_day for each in world.tenures.values() if each.normalised == "shared@example.com"]
    assert joins == [1], "as before"
    (outcome,) = world.play(release(event("anonymous_token:t2", SHARED, minutes=2.5)))
    assert outcome.kind is OutcomeKind.MERGED
    world.play(event("anonymous_token:t3", minutes=3))
    (outcome,) = world.play(release(event("anonymous_token:t3", SHARED, minutes=3.5)))
    assert outcome.kind is OutcomeKind.PARKED
    assert [each.limit for each in world.plans[-1].parked[0].excesses] == [Limit.VALUES_PER_TYPE]


def release(interaction: Interaction) -> Interaction:
    return structs.replace(interaction, is_released=True)


def test_an_identifier_merges_only_so_often_in_an_hour() -> None:
    """R11, S49: what was joined counts, so an event that comes again counts once."""
    world = World(rules=Rules(recency=timedelta(0), limits=Limits(merges_per_identifier_hour=2)))
    world.play(event("email:shared@example.com"))
    kinds = []
    for number in range(4):
        world.play(event(f"anonymous_token:t{number}", minutes=number))
        joining = event(f"anonymous_token:t{number}", "email:shared@example.com", minutes=number + 0.5)
        kinds.append(world.play(joining)[0].kind)
        world.play(joining)
    assert kinds == [OutcomeKind.MERGED, OutcomeKind.MERGED, OutcomeKind.PARKED, OutcomeKind.PARKED]
    (outcome,) = world.play(event("anonymous_token:t3", "email:shared@example.com", minutes=70))
    assert outcome.kind is OutcomeKind.MERGED


def test_what_exceeds_the_values_of_a_type_gets_no_contact_and_the_rest_applies() -> None:
    """R11."""
    world = World(rules=Rules(recency=timedelta(0), limits=Limits(values_per_type=2)))
    world.play(event("anonymous_token:t", "email:a@example.com"), event("anonymous_token:t", "email:b@example.com", minutes=1))
    (outcome,) = world.play(event("anonymous_token:t", "email:c@example.com", attributes={"plan": "pro"}, minutes=2))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.PARKED, Reason.LIMIT)
    assert world.groups() == [["anonymous_token:t", "email:a@example.com", "email:b@example.com"]]
    assert world.holder("anonymous_token:t").attributes == {"unbound": {"plan": "pro"}}
    world.play(event("anonymous_token:u", "email:d@example.com", minutes=3))
    (outcome,) = world.play(event("anonymous_token:t", "anonymous_token:u", minutes=4))
    assert outcome.kind is OutcomeKind.PARKED
    assert len(world.groups()) == 2


def test_a_merge_counts_for_every_identifier_of_its_event_and_wherever_it_goes() -> None:
    """R11: merges an identifier and hour, also of one that came last in the event, and of one that was handed over since."""
    world = World(rules=Rules(recency=timedelta(0), limits=Limits(merges_per_identifier_hour=1)))
    world.play(
        event("anonymous_token:t", "user_id:1"),
        event("email:a@example.com", minutes=1),
        event("anonymous_token:t", "email:a@example.com", minutes=2),
        event("phone:+4915112345678", minutes=3),
        event("user_id:1", minutes=4),
    )
    (outcome,) = world.play(event("phone:+4915112345678", "user_id:1", "anonymous_token:t", minutes=5))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.PARKED, Reason.LIMIT)
    world.play(event("anonymous_token:t", "user_id:2", minutes=6))
    (outcome,) = world.play(event("anonymous_token:t", "phone:+4915112345678", minutes=7))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.PARKED, Reason.LIMIT)


def test_a_device_that_a_limit_keeps_where_it_is_learns_nothing_from_the_event() -> None:
    """R11, R5: what is left out was not used with this contact, so it does not become asserted, and may be handed over later."""
    world = World(rules=Rules(recency=timedelta(0), limits=Limits(values_per_type=1)))
    world.play(event("anonymous_token:t1", "user_id:1", event_id="told"), event("anonymous_token:t2", "user_id:2", minutes=1))
    (outcome,) = world.play(event("anonymous_token:t1", "anonymous_token:t2", "user_id:2", assurance=Assurance.ASSERTED, minutes=3))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.PARKED, Reason.LIMIT)
    (token,) = [tenure for tenure in world.tenures.values() if tenure.normalised == "t1"]
    assert (token.assurance, token.used) == (Assurance.CLAIMED, (at(0), "told"))
