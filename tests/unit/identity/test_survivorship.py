"""Which values are the same (I2, poison 30), and how many a contact takes (R11, poison 28)."""

from __future__ import annotations

import pytest

from onefold.identity.plan import OutcomeKind, Reason
from onefold.identity.survivorship import MOST_VALUE_BYTES, same_value
from tests.support.worlds import World, event


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1e23, 10**23),
        (1.7976931348623157e308, 17976931348623157 * 10**292),
        (1.0, 1),
        ([1e23, {"a": 1e23}], [10**23, {"a": 10**23}]),
        ({"a": 1, "b": None}, {"b": None, "a": 1}),
    ],
)
def test_a_number_is_the_same_in_other_digits(one: object, other: object) -> None:
    assert same_value(one, other)
    assert same_value(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (0, False),
        ("1", 1),
        ([1], [True]),
        ({"a": 1}, {"a": True}),
        ([1], [1, 2]),
        ({"a": 1}, {"b": 1}),
        (1e23, 10**23 + 1),
        (None, 0),
    ],
)
def test_what_only_looks_alike_is_not(one: object, other: object) -> None:
    assert not same_value(one, other)
    assert not same_value(other, one)


LARGE = "x" * (MOST_VALUE_BYTES * 2 // 5)


def test_a_contact_takes_values_as_long_as_a_message_can_say_them() -> None:
    """R11, poison 28: what there is no room for is left out, the rest of the event applies, and what is replaced makes room."""
    world = World()
    outcomes = world.play(
        event("email:a@example.com", attributes={"a": LARGE}, minutes=1),
        event("email:a@example.com", attributes={"b": LARGE}, minutes=2),
        event("email:a@example.com", attributes={"c": LARGE, "d": 1}, minutes=3),
        event("email:a@example.com", attributes={"a": "short"}, minutes=4),
        event("email:a@example.com", attributes={"c": LARGE}, minutes=5),
    )
    full = (OutcomeKind.PARKED, Reason.LIMIT)
    expected = [(OutcomeKind.CREATED, None), (OutcomeKind.UPDATED, None), full, (OutcomeKind.UPDATED, None), (OutcomeKind.UPDATED, None)]
    assert [(outcome.kind, outcome.reason) for outcome in outcomes] == expected
    assert world.holder("email:a@example.com").attributes["unbound"] == {"a": "short", "b": LARGE, "c": LARGE, "d": 1}


def test_names_of_cleared_attributes_take_room_too() -> None:
    """R12, poison 28: a null keeps its place in the competition, so endless nulls would be endless places."""
    world = World()
    nulls = [event("email:a@example.com", attributes={f"{n}-{LARGE[:1_000]}-{m}": None for m in range(100)}, minutes=n) for n in range(3)]
    assert [outcome.kind for outcome in world.play(*nulls)] == [OutcomeKind.CREATED, OutcomeKind.PARKED, OutcomeKind.PARKED]
    assert len(world.holder("email:a@example.com").provenance) < 130


def test_what_a_survivor_has_no_room_for_is_kept_in_the_merge_record() -> None:
    """R12: a merge never loses a value."""
    world = World()
    for letter in "abc":
        world.play(event(f"email:{letter}@example.com", attributes={letter: LARGE}, minutes=ord(letter)))
    world.play(event("email:a@example.com", "email:b@example.com", "email:c@example.com", minutes=200))
    kept = world.holder("email:a@example.com").attributes["unbound"]
    lost = {path for plan in world.plans for merge in plan.merges for path in merge.lost}
    assert len(kept) == 2
    assert {f"attributes.unbound.{slug}" for slug in kept} | lost == {f"attributes.unbound.{letter}" for letter in "abc"}
