"""The reference page says what the cases say; every number of A6 that is a message has its cases."""

from __future__ import annotations

from tests.e2e.poison import door_cases, topic_cases
from tests.e2e.poison.page import PAGE, TITLES, page


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.e2e.poison.page"


def test_every_poison_that_is_a_message_has_its_cases() -> None:
    """A6: 1 to 31, 34 and 36; 13 is of HTTP alone, 2, 22, 25, 27 and 31 of the topic alone."""
    every = {*range(1, 32), 34, 36}
    assert set(TITLES) == every
    assert {case.number for case in door_cases.CASES} == every - {2, 22, 25, 27, 31}
    assert {case.number for case in topic_cases.CASES} == every - {13}
