"""A partition stops at twenty dead letters in a row, or over five per cent of a thousand (architecture, section 6)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from onefold.errors import PermanentError
from onefold.topics.breaker import Breaker


def test_twenty_in_a_row_stop_the_partition_and_nineteen_do_not() -> None:
    breaker, tripped = Breaker(), []
    for fates in ([True] * 19, [False], [True] * 19, [True]):
        breaker.note(fates)
        tripped.append(breaker.has_tripped)
    assert tripped == [False, False, False, True]
    assert isinstance(breaker.error(), PermanentError)
    assert breaker.error().code == "too_many_dead_letters"


def test_over_five_per_cent_of_a_thousand_stop_it_and_fifty_do_not() -> None:
    breaker = Breaker()
    breaker.note([False, True] * 50)
    assert not breaker.has_tripped
    breaker.note([False] * 900)
    assert not breaker.has_tripped
    breaker.note([True])
    assert breaker.has_tripped


def test_a_few_dead_letters_at_the_start_stop_nothing() -> None:
    """One of three is a third, but no reason to call a person."""
    breaker = Breaker()
    breaker.note([True, False, True])
    assert not breaker.has_tripped


def test_old_dead_letters_are_forgotten() -> None:
    breaker = Breaker()
    for _ in range(10):
        breaker.note([True] * 10 + [False] * 990)
    assert not breaker.has_tripped


@given(st.lists(st.booleans(), max_size=60), st.lists(st.booleans(), max_size=60))
def test_it_admits_exactly_what_does_not_trip_it_and_counts_nothing_by_asking(before: list[bool], batch: list[bool]) -> None:
    breaker = Breaker(in_a_row=4, window=20, share=0.3)
    for dead in before:
        if breaker.admits([dead]):
            breaker.note([dead])
    admitted = breaker.admits(batch)
    assert breaker.admits(batch) == admitted
    breaker.note(batch[:admitted])
    assert not breaker.has_tripped
    if admitted < len(batch):
        breaker.note([batch[admitted]])
        assert breaker.has_tripped
