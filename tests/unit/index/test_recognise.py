"""What the index may vouch for, and what it must not (architecture, section 2, step 3)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from onefold.identity.assurance import Assurance
from onefold.identity.plan import OutcomeKind
from onefold.identity.rules import Rules
from onefold.index.entries import Entry
from onefold.index.life import entry_of
from onefold.index.recognise import recognise
from onefold.index.separations import Separations
from tests.support.stories import random_story
from tests.support.worlds import START, World, at, event

if TYPE_CHECKING:
    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.interaction import Interaction

HOURLY = Rules(recency=timedelta(hours=1))
RULES = {"acme": HOURLY}
CONTACT = b"c" * 16


def entries(*interactions: Interaction, **change: object) -> dict[tuple[str, IdentifierKey], Entry]:
    entry = Entry(CONTACT, 1, int(Assurance.ASSERTED), int(START.timestamp()), int(START.timestamp()), True, 1)._replace(**change)  # type: ignore[arg-type]
    return {(each.workspace, identifier.key): entry for each in interactions for identifier in each.identifiers}


def is_recognised(mine: Interaction, **change: object) -> bool:
    return recognise([mine], entries(mine, **change), RULES) != [None]


def test_a_known_visitor_is_recognised() -> None:
    (found,) = recognise([mine := event("anonymous_token:t", "email:a@example.com", minutes=1)], entries(mine), RULES)
    assert found == (CONTACT, 1)


def test_whatever_may_change_something_is_not_recognised() -> None:
    mine = event("anonymous_token:t", minutes=1)
    assert is_recognised(mine)
    assert not is_recognised(event("anonymous_token:t", minutes=-1)), "older than the tenure"
    assert not is_recognised(event("anonymous_token:t", minutes=60)), "last use is an hour old"
    assert not is_recognised(event("anonymous_token:t", minutes=1, attributes={"plan": "pro"})), "carries a value"
    assert not is_recognised(event("anonymous_token:t", minutes=1, assurance=Assurance.PROVED)), "a proof"
    assert not is_recognised(mine, assurance=int(Assurance.CLAIMED) - 1), "weaker than the interaction"
    assert not is_recognised(event("anonymous_token:null", minutes=1)), "no identifier"
    assert recognise([mine], {}, RULES) == [None], "no entry"


def test_use_together_with_a_person_must_be_on_record() -> None:
    """R7: else a later hand-over would be decided as if this use had not happened."""
    together = event("anonymous_token:t", "email:a@example.com", minutes=1)
    assert not is_recognised(together, used=False)
    assert is_recognised(event("anonymous_token:t", minutes=1), used=False)


def test_entries_that_name_two_contacts_vouch_for_nobody() -> None:
    mine = event("anonymous_token:t", "email:a@example.com", minutes=1)
    found = dict(entries(mine))
    first = next(iter(found))
    found[first] = found[first]._replace(contact_id=b"d" * 16)
    assert recognise([mine], found, RULES) == [None]


def test_a_hot_interaction_behind_a_cold_one_is_decided_with_it_transitively() -> None:
    """Mutant: transitive cold in a batch."""
    cold = event("anonymous_token:a", "email:new@example.com", minutes=1)
    near = event("anonymous_token:a", "device_id:d", minutes=2)
    far = event("device_id:d", "anonymous_token:b", minutes=3)
    alone = event("anonymous_token:z", minutes=4)
    known = entries(near, far, alone)
    assert recognise([cold, near, far, alone], known, RULES) == [None, None, None, (CONTACT, 1)]


def test_a_separation_makes_every_entry_doubtful_whose_writer_may_not_have_seen_it() -> None:
    """Equal counts as later: whoever was running when the writer read is at or above its xmin."""
    known = Separations()
    known.learn([(100, 5), (90, 5)])
    assert known.allows(5, 101)
    assert not known.allows(5, 100)
    assert not known.allows(5, 99)
    assert known.allows(6, 1)


@given(seed=st.integers(0, 10_000), size=st.integers(1, 40))
def test_what_is_recognised_is_what_decide_says_and_writes_nothing(seed: int, size: int) -> None:
    """The hot path is a shortcut, never another opinion: played with and without it, every outcome is the same."""
    story = random_story(seed, length=40, rules=HOURLY)
    plain, quick = World(rules=HOURLY), World(rules=HOURLY)
    expected = plain.play(*story)
    known: dict[tuple[str, IdentifierKey], Entry] = {}
    for start in range(0, len(story), size):
        batch = story[start : start + size]
        hot = recognise(batch, known, RULES)
        outcomes = iter(quick.play(*(each for each, who in zip(batch, hot, strict=True) if who is None), size=size))
        for position, (each, who) in enumerate(zip(batch, hot, strict=True), start=start):
            if who is None:
                outcome = next(outcomes)
                assert (outcome.kind, outcome.contact_id) == (expected[position].kind, expected[position].contact_id)
            else:
                assert expected[position].kind is OutcomeKind.SEEN
                contact_id = expected[position].contact_id
                assert contact_id is not None
                assert quick.root("acme", contact_id) == quick.holder_of(each).contact_id
        for plan in quick.plans[-1:]:
            for tenure in plan.separated:
                known.pop((tenure.workspace, tenure.key), None)
            known.update({(each.workspace, each.key): entry_of(each, 1) for each in plan.current})
    assert quick.groups() == plain.groups()
    assert at(0) == START
