"""Which of an event's identifiers resolve, as what, and why not (R5, R6, R18, R20 to R22, R25; poison 16 to 18, 29)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onefold.identity.blocked import BlockedValues
from onefold.identity.catalog import BUILT_IN, Catalog, CatalogEntry
from onefold.identity.identifiers import Dropped, Identifier, identifier_key, resolve_identifiers
from onefold.identity.rules import Normalisation, Rules

SCALARS: st.SearchStrategy[object] = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())
JSON: st.SearchStrategy[object] = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(st.text(max_size=3), SCALARS, max_size=2)
)


def _one(semantic_type: str, value: object, rules: Rules | None = None) -> Identifier | Dropped:
    found, dropped = resolve_identifiers([(semantic_type, value, None)], rules or Rules())
    assert len(found) + len(dropped) == 1
    return found[0] if found else dropped[0]


def _with(entry: CatalogEntry) -> Rules:
    return Rules(catalog=Catalog({each.semantic_type: each for each in (*BUILT_IN, entry)}))


def test_an_identifier_shows_what_was_given_beside_its_normalised_value() -> None:
    """R25; a slug passes through."""
    (found,), dropped = resolve_identifiers([("email", " Ann@Example.com ", "work")], Rules())
    assert dropped == ()
    assert (found.semantic_type, found.identifier, found.normalised, found.slug) == ("email", "Ann@Example.com", "ann@example.com", "work")
    assert found.key == identifier_key("email", "ann@example.com")
    with pytest.raises(AttributeError):
        found.slug = None  # type: ignore[misc]


def test_keys_have_sixteen_bytes_and_differ_by_type_and_value() -> None:
    keys = {identifier_key(kind, value) for kind in ("uuid", "user_id") for value in ("a", "b", "")}
    assert len(keys) == 6
    assert {len(key) for key in keys} == {16}
    assert identifier_key("email", "ann@example.com").hex() == "3fe4526425a22e6a275e1045693f06b8"


@pytest.mark.parametrize("value", [1, 1.0, "1", " 1 "])
def test_numbers_become_text_by_one_rule(value: object) -> None:
    """R21, poison 16."""
    found = _one("user_id", value)
    assert isinstance(found, Identifier)
    assert (found.identifier, found.normalised) == ("1", "1")


def test_large_numbers_keep_every_digit() -> None:
    """Poison 16: a float like 1e21 is a whole number, not text with an exponent."""
    for value in (1e21, 10**21, "1000000000000000000000"):
        found = _one("user_id", value)
        assert isinstance(found, Identifier)
        assert found.normalised == "1000000000000000000000"


@pytest.mark.parametrize("value", [1.5, True, False, [], ["a"], {}, {"id": 1}, float("nan"), float("inf"), b"1"])
def test_what_is_neither_text_nor_a_whole_number_is_dropped_alone(value: object) -> None:
    """R21, poison 16: it drops the identifier, not the event."""
    found, dropped = resolve_identifiers([("user_id", value, None), ("anonymous_token", "t1", None)], Rules())
    assert [each.normalised for each in found] == ["t1"]
    assert dropped == (Dropped("user_id", "invalid"),)


@pytest.mark.parametrize("value", [0, 0.0, -0.0, -1, -1.0])
def test_a_number_can_be_a_placeholder(value: object) -> None:
    """R20, poison 17."""
    assert _one("user_id", value) == Dropped("user_id", "placeholder")


@pytest.mark.parametrize(
    "text", ["a\x00b", "a\x07b", "a\nb", "\x1b[31mred", "a\x7fb", "a\x85b", "a\u202eb", "a\u2066b", "a\u2028b", "a\ud800b"]
)
@pytest.mark.parametrize("semantic_type", ["email", "phone", "user_id", "anonymous_token"])
def test_control_characters_do_not_resolve(semantic_type: str, text: str) -> None:
    """R22; bidirectional controls and lone surrogates likewise (poison 11, 29)."""
    assert _one(semantic_type, text) == Dropped(semantic_type, "control_characters")


def test_over_a_kilobyte_once_normalised_does_not_resolve() -> None:
    """R22, poison 18: bytes of UTF-8, after trimming and composing."""
    assert isinstance(_one("user_id", "a" * 1_024), Identifier)
    assert isinstance(_one("user_id", " " * 5_000 + "a" * 1_024), Identifier)
    assert isinstance(_one("user_id", "e\u0301" * 512), Identifier)
    for text in ("a" * 1_025, "\u00e9" * 513, "e\u0301" * 513, "a" * 1_000_000, "\u0301" * 100_000):
        assert _one("user_id", text) == Dropped("user_id", "too_long")


def test_a_number_of_more_digits_than_fit_does_not_resolve() -> None:
    """R22: nor does it raise, at any size."""
    assert isinstance(_one("user_id", 10**1_023), Identifier)
    for value in (10**1_024, -(10**1_023), 10**20_000):
        assert _one("user_id", value) == Dropped("user_id", "too_long")


@pytest.mark.parametrize(("semantic_type", "text"), [("email", "ann@"), ("phone", "0151 12345678"), ("uuid", "no-uuid")])
def test_what_does_not_parse_does_not_resolve(semantic_type: str, text: str) -> None:
    """R21."""
    assert _one(semantic_type, text) == Dropped(semantic_type, "invalid")


def test_a_workspace_s_region_lets_national_numbers_resolve() -> None:
    """R21; the answer of one workspace is not that of another."""
    for region, expected in (("DE", "+4915112345678"), (None, None), ("AT", "+4315112345678")):
        found = _one("phone", "0151 12345678", Rules(normalisation=Normalisation(phone_region=region)))
        assert (found.normalised if isinstance(found, Identifier) else None) == expected


def test_a_type_that_the_catalog_lacks_or_switches_off_does_not_resolve() -> None:
    """R18."""
    assert _one("loyalty_card", "7") == Dropped("loyalty_card", "unknown_type")
    assert isinstance(_one("loyalty_card", "7", _with(CatalogEntry("loyalty_card"))), Identifier)
    assert _one("loyalty_card", "7", _with(CatalogEntry("loyalty_card", enabled=False))) == Dropped("loyalty_card", "disabled")


def test_blocked_values_are_compared_normalised_and_by_type() -> None:
    """Guard 5."""
    rules = Rules(blocked={"email": BlockedValues({"info@example.com"}), "user_id": BlockedValues({"test"})})
    assert _one("email", "Info@Example.com", rules) == Dropped("email", "blocked")
    assert _one("user_id", "test", rules) == Dropped("user_id", "blocked")
    assert isinstance(_one("anonymous_token", "test", rules), Identifier)


def test_values_are_blocked_by_pattern_too() -> None:
    """Guard 5: in the normalised value."""
    rules = Rules(blocked={"email": BlockedValues((), [r"@example\.com$"]), "user_id": BlockedValues((), ["^bot-[0-9]+$"])})
    assert _one("email", "Ann@EXAMPLE.com", rules) == Dropped("email", "blocked")
    assert _one("user_id", "bot-7", rules) == Dropped("user_id", "blocked")
    for kind, value in (("email", "ann@example.com.org"), ("user_id", "robot-7"), ("anonymous_token", "bot-7")):
        assert isinstance(_one(kind, value, rules), Identifier)


def test_the_same_identifier_twice_is_one() -> None:
    raw = [("email", "ann@example.com", None), ("email", "ANN@example.com", "work"), ("user_id", "1", None), ("user_id", 1.0, None)]
    found, dropped = resolve_identifiers(raw, Rules())
    assert [each.normalised for each in found] == ["ann@example.com", "1"]
    assert dropped == ()


def test_of_a_unique_type_the_first_value_that_resolves_is_kept() -> None:
    """R6: in the event's own order; placeholders and blocked values do not count."""
    rules = replace(Rules(), blocked={"user_id": BlockedValues({"admin"})})
    values = ("null", "admin", "u2", "u1", "u2")
    found, dropped = resolve_identifiers([("user_id", value, None) for value in values], rules)
    assert [each.normalised for each in found] == ["u2"]
    assert [each.reason for each in dropped] == ["placeholder", "blocked", "conflict"]


def test_other_types_take_several_values_in_the_event_s_own_order() -> None:
    found, _ = resolve_identifiers([("email", f"{name}@example.com", None) for name in "cab"], Rules())
    assert [each.normalised[0] for each in found] == ["c", "a", "b"]


@given(st.lists(st.tuples(st.sampled_from(["email", "phone", "uuid", "user_id", "other"]), JSON, st.none() | st.text())))
def test_nothing_raises_and_everything_is_accounted_for(raw: list[tuple[str, object, str | None]]) -> None:
    """I12: no value takes its event with it; what resolves resolves again to itself."""
    found, dropped = resolve_identifiers(raw, Rules())
    assert len({each.key for each in found}) == len(found)
    assert len(found) + len(dropped) <= len(raw)
    again, _ = resolve_identifiers([(each.semantic_type, each.normalised, each.slug) for each in found], Rules())
    assert [(each.key, each.normalised, each.slug) for each in again] == [(each.key, each.normalised, each.slug) for each in found]


def test_a_value_in_quarantine_does_not_resolve_and_keeps_its_place() -> None:
    """Guard 5, R6: a second user id beside it is as dropped as it was before the first went into quarantine."""
    rules = Rules(quarantined=frozenset({identifier_key("user_id", "u1")}))
    raw = [("user_id", "u1", None), ("user_id", "u2", None), ("anonymous_token", "u1", None)]
    found, dropped = resolve_identifiers(raw, rules)
    assert [each.semantic_type for each in found] == ["anonymous_token"]
    assert dropped == (Dropped("user_id", "quarantined"), Dropped("user_id", "conflict"))
    assert len(resolve_identifiers(raw, rules.to_find())[0]) == 2
