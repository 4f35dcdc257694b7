"""Order does not matter (I5): for events of one assurance, or under `eager`, without types that are unique, limits and pairs kept apart.

Groups, types, fields and attributes are compared, the ids of contacts are not: they tell which event came first.
"""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations
from operator import itemgetter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation.compare import interaction_of, rules_of
from tests.simulation.order_free import order_free_groups
from tests.simulation.worlds import ASSERTED, CLAIMED, Event, Order
from tests.support.worlds import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.identity.contact import ContactId

ANY_ORDER = Order(blocked=frozenset({"email:blocked@example.com"}), values_per_type=1_000, merges_per_hour=1_000, contacts_per_day=1_000)
MOST = 6
"""All 720 orders of so many events."""
LONG = 200
CASES = pytest.mark.parametrize(("policy", "assurances"), [("eager", [CLAIMED]), ("eager", [ASSERTED]), ("eager", [CLAIMED, ASSERTED])])

identifiers = st.lists(
    st.one_of(
        st.sampled_from([f"anonymous_token:t{number}" for number in range(4)]),
        st.sampled_from([f"email:p{number}@example.com" for number in range(3)] + ["email:blocked@example.com", "device_id:d0"]),
    ),
    min_size=1,
    max_size=3,
    unique=True,
)
values = st.dictionaries(st.sampled_from(["given_name", "last_name", "plan"]), st.sampled_from(["a", "b"]), max_size=2)


@st.composite
def logs(draw: st.DrawFn, assurances: list[int], most: int) -> list[Event]:
    """Events at few different times, so that ids have to break ties."""
    return [
        Event(
            f"e{number}",
            draw(st.integers(0, 2)),
            draw(st.sampled_from(assurances)),
            tuple(draw(identifiers)),
            values=tuple(draw(values).items()),
        )
        for number in range(draw(st.integers(2, most)))
    ]


@CASES
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_all_orders_of_a_few_events_end_in_the_same_people(policy: str, assurances: list[int], data: st.DataObject) -> None:
    """R12 too: values compete by event time, then event id."""
    order, events = replace(ANY_ORDER, policy=policy), data.draw(logs(assurances, MOST))
    expected = people(order, events)
    for each in permutations(events):
        assert people(order, each) == expected


@CASES
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_orders_of_many_events_some_of_them_twice_end_in_the_same_people(policy: str, assurances: list[int], seed: int) -> None:
    """I2, R7 too. The groups are those that chains of events connect."""
    dice, order = random.Random(seed), replace(ANY_ORDER, policy=policy)
    events = many(dice, assurances)
    log = [interaction_of(each, rules_of(order)) for each in events]
    expected = people(order, events)
    assert [group for group, *_ in expected] == order_free_groups(each for each in log if each.identifiers)
    for _ in range(3):
        repeated = events + dice.sample(events, LONG // 4)
        dice.shuffle(repeated)
        assert people(order, repeated, batch=dice.choice([1, 7, LONG])) == expected


def many(dice: random.Random, assurances: list[int]) -> list[Event]:
    """Two hundred events of some dozens of people, of whom now and then two turn out to be one."""
    return [
        Event(
            f"e{number}",
            dice.randrange(LONG),
            dice.choice(assurances),
            (f"anonymous_token:t{dice.randrange(90)}", *dice.sample([f"email:p{n}@example.com" for n in range(40)], dice.randrange(2))),
            values=tuple((name, dice.choice("ab")) for name in ("given_name", "last_name", "plan") if dice.random() < 0.4),
        )
        for number in range(LONG)
    ]


def people(order: Order, events: Sequence[Event], *, batch: int = 1) -> list[tuple[object, ...]]:
    """Everybody in the end: identifiers with how sure they are, type, fields, attributes, when first and last seen; no ids."""
    rules = rules_of(order)
    world = World(rules=rules)
    world.play(*(interaction_of(each, rules) for each in events), size=batch)
    held: dict[ContactId, list[tuple[str, int]]] = {}
    for tenure in world.tenures.values():
        held.setdefault(tenure.contact_id, []).append((f"{tenure.semantic_type}:{tenure.normalised}", int(tenure.assurance)))
    found = []
    for contact in (world.contacts["acme", each] for each in held):
        group, sure = zip(*sorted(held[contact.contact_id]), strict=True)
        names = (contact.given_name, contact.last_name)
        found.append(([*group], sure, contact.type, names, contact.attributes, contact.first_seen_at, contact.last_seen_at))
    return sorted(found, key=itemgetter(0))
