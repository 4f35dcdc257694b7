"""What the index may vouch for, and what it must not (architecture, section 2, step 3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from onefold.identity.assurance import Assurance
from onefold.identity.plan import OutcomeKind
from onefold.identity.rules import Rules
from onefold.index.entries import Entry
from onefold.index.life import entry_of
from onefold.index.naming import Namings
from onefold.index.recognise import recognise, vouch
from onefold.index.separations import Separations
from tests.support.namings import naming_of
from tests.support.stories import random_story
from tests.support.worlds import START, World, at, event

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.interaction import Interaction
    from onefold.index.naming import Naming

    Entries = Mapping[tuple[str, IdentifierKey], Entry]

HOURLY = Rules(recency=timedelta(hours=1))
CONTACT = UUID(bytes=b"c" * 16)


@dataclass
class Seen:
    """What recognising asks of an interaction."""

    naming: Naming
    seconds: float
    assurance: int
    may_change: bool


def entries(*interactions: Interaction, **change: object) -> dict[tuple[str, IdentifierKey], Entry]:
    start = int(START.timestamp())
    entry = Entry(CONTACT.bytes, 1, int(Assurance.ASSERTED), start, start, True, 1)._replace(**change)  # type: ignore[arg-type]
    return {(each.workspace, identifier.key): entry for each in interactions for identifier in each.identifiers}


def recognised(interactions: Iterable[Interaction], known: Entries) -> list[tuple[UUID, int] | None]:
    """For each interaction, contact and tenure that entries name for it, if they vouch for it."""
    namings = Namings()
    events = [
        Seen(naming_of(each, HOURLY, namings), each.at.timestamp(), each.assurance, each.proof is not None or each.carries_values)
        for each in interactions
    ]
    vouchers = {}
    for naming in {each.naming for each in events}:
        found = [known.get((naming.workspace, each.key)) for each in naming.identifiers]
        whole = [entry for entry in found if entry is not None]
        if len(whole) == len(found) and (voucher := vouch(naming.identifiers, whole, [0] * len(whole), HOURLY)) is not None:
            vouchers[naming] = voucher
    return [(UUID(each.contact.decode()), each.tenure_id) if each is not None else None for each in recognise(events, vouchers)]


def is_recognised(mine: Interaction, **change: object) -> bool:
    return recognised([mine], entries(mine, **change)) != [None]


def test_a_known_visitor_is_recognised() -> None:
    (found,) = recognised([mine := event("anonymous_token:t", "email:a@example.com", minutes=1)], entries(mine))
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
    assert recognised([mine], {}) == [None], "no entry"


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
    assert recognised([mine], found) == [None]


def test_a_hot_interaction_behind_a_cold_one_is_decided_with_it_transitively() -> None:
    """Mutant: transitive cold in a batch."""
    cold = event("anonymous_token:a", "email:new@example.com", minutes=1)
    near = event("anonymous_token:a", "device_id:d", minutes=2)
    far = event("device_id:d", "anonymous_token:b", minutes=3)
    alone = event("anonymous_token:z", minutes=4)
    known = entries(near, far, alone)
    assert recognised([cold, near, far, alone], known) == [None, None, None, (CONTACT, 1)]


def test_a_separation_makes_every_entry_doubtful_whose_writer_may_not_have_seen_it() -> None:
    """Equal counts as later: whoever was running when the writer read is at or above its xmin."""
    known = Separations()
    known.learn([(100, 5), (90, 5)])
    assert known.allows(5, 101)
    assert not known.allows(5, 100)
    assert not known.allows(5, 99)
    assert known.allows(6, 1)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 40))
def test_what_is_recognised_is_what_decide_says_and_writes_nothing(seed: int, size: int) -> None:
    """The hot path is a shortcut, never another opinion: played with and without it, every outcome is the same."""
    story = random_story(seed, length=40, rules=HOURLY)
    plain, quick = World(rules=HOURLY), World(rules=HOURLY)
    expected = plain.play(*story)
    known: dict[tuple[str, IdentifierKey], Entry] = {}
    for start in range(0, len(story), size):
        batch = story[start : start + size]
        hot = recognised(batch, known)
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
