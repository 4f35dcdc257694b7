"""Each security requirement is shown by a test, or is said to be open; nothing names one that there is not."""

from __future__ import annotations

from tests import requirements


def test_every_requirement_is_shown_by_a_test_or_said_to_be_open() -> None:
    """When the first test shows a requirement, its `open` in tests/requirements.toml goes."""
    found = requirements.requirements()
    assert list(found) == [f"S{number}" for number in range(1, 119)]
    assert [each.number for each in found.values() if not each.tests and not each.open] == [], "no test, and no word why"
    assert [each.number for each in found.values() if each.tests and each.open] == [], "shown by a test, and still called open"


def test_no_test_names_a_requirement_that_there_is_not() -> None:
    known = requirements.requirements()
    unknown = [(test, number) for test, text in requirements.tests() for number in requirements.named(text) if number not in known]
    assert unknown == []


def test_ranges_and_names_count() -> None:
    assert list(requirements.named("as S18–S20 say, and S5")) == ["S18", "S19", "S20", "S5"]
    assert requirements.IN_NAME.findall("test_s85_a_key_replays_its_answer") == ["85"]
