"""Which values are the same: what Postgres gives back in other digits must not look like a change (I2, poison 30)."""

from __future__ import annotations

import pytest

from onefold.identity.survivorship import same_value


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
