"""RULES.json: what it takes, what it refuses and how, and the rules that it makes (R28, R18, guard 5)."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from onefold.errors import InvalidRules
from onefold.identity.catalog import BUILT_IN
from onefold.identity.identifiers import Dropped, resolve_identifiers
from onefold.identity.rules import Rules
from onefold.identity.rules_difference import Change, difference, given_difference, with_key, without_key
from onefold.identity.rules_document import Document, in_force, rules_of, schema
from onefold.identity.rules_reading import document_of, read

HOUR = timedelta(hours=1)
WHOLE: dict[str, Any] = {
    "policy": "strict",
    "catalog": [
        {"semantic_type": "email", "max_per_contact": 3, "slugs": ["main", "work", "personal", "school"]},
        {"semantic_type": "loyalty_card", "unique_per_contact": True, "priority": 8, "title": "Card"},
        {"semantic_type": "oauth", "enabled": False},
    ],
    "limits": {"values_per_type": 7, "identifiers_per_contact": 50, "merges_per_identifier_hour": 0, "contacts_per_value_day": 1},
    "blocked": {"user_id": {"exact": ["test"], "patterns": ["^bot-[0-9]+$"]}, "email": {"exact": [" Info@Example.COM "]}},
    "normalise": {"phone_region": "DE", "email_case_sensitive": False, "email_provider_rules": True},
    "recency_seconds": 0,
}


def test_a_document_that_says_nothing_makes_the_default_rules() -> None:
    """R28: every key is optional."""
    assert rules_of(read("{}"), recency=HOUR) == Rules(recency=HOUR)
    assert rules_of(read("{}"), recency=timedelta(0)).recency == timedelta(0)


def test_every_key_reaches_the_rules() -> None:
    rules = rules_of(document_of(WHOLE), recency=HOUR, version=5)
    assert (rules.policy, rules.version, rules.recency) == ("strict", 5, timedelta(0))
    limits = rules.limits
    assert (limits.values_per_type, limits.identifiers_per_contact) == (7, 50)
    assert (limits.merges_per_identifier_hour, limits.contacts_per_value_day) == (0, 1)
    normalisation = rules.normalisation
    assert (normalisation.phone_region, normalisation.email_case_sensitive, normalisation.email_provider_rules) == ("DE", False, True)
    card, email, oauth = (rules.catalog.entry(kind) for kind in ("loyalty_card", "email", "oauth"))
    assert (card.unique_per_contact, card.priority, card.title, card.slugs) == (True, 8, "Card", ("main",))
    assert not oauth.enabled
    assert [rules.values_limit(kind) for kind in ("email", "loyalty_card", "phone")] == [3, 1, 7]
    assert (email.priority, email.outreach, email.slugs[-1]) == (4, True, "school")


def test_an_entry_amends_the_built_in_one_of_its_type() -> None:
    """R28: what it does not say stays, and so do the other types."""
    rules = rules_of(document_of({"catalog": [{"semantic_type": "user_id", "title": "Customer"}]}), recency=HOUR)
    assert rules.catalog.entry("user_id").unique_per_contact
    assert list(rules.catalog.entries) == [each.semantic_type for each in BUILT_IN]


def test_a_switched_off_type_does_not_resolve_and_an_added_one_does() -> None:
    """R18."""
    rules = rules_of(document_of(WHOLE), recency=HOUR)
    found, dropped = resolve_identifiers([("oauth", "a|b", None), ("loyalty_card", "77", None), ("shoe_size", "44", None)], rules)
    assert [each.semantic_type for each in found] == ["loyalty_card"]
    assert dropped == (Dropped("oauth", "disabled"), Dropped("shoe_size", "unknown_type"))


@pytest.mark.parametrize(
    ("kind", "value", "blocked"),
    [
        ("user_id", "test", True),
        ("user_id", "Test", False),
        ("user_id", "bot-12", True),
        ("user_id", "robot-12", False),
        ("user_id", "bot-12\u0661", False),
        ("email", "INFO@example.com", True),
        ("email", "info2@example.com", False),
        ("phone", "test", False),
    ],
)
def test_blocked_values_never_resolve(kind: str, value: str, *, blocked: bool) -> None:
    """Guard 5: by exact text, compared in its normalised form, and by pattern."""
    _, dropped = resolve_identifiers([(kind, value, None)], rules_of(document_of(WHOLE), recency=HOUR))
    assert (Dropped(kind, "blocked") in dropped) is blocked


def test_no_pattern_is_slow() -> None:
    """Guard 5: what makes engines that backtrack hang for years takes RE2 milliseconds."""
    rules = rules_of(document_of({"blocked": {"user_id": {"patterns": ["^(a+)+$", "^(a|aa)*$", "(x+x+)+y"]}}}), recency=HOUR)
    began = time.process_time()
    assert resolve_identifiers([("user_id", "a" * 1_000 + "!", None), ("user_id", "x" * 1_000, None)], rules)[1] == (
        Dropped("user_id", "conflict"),
    )
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ('{"polcy": "eager"}', "polcy: there is no such key; did you mean policy?"),
        ('{"limits": {"values": 3}}', "limits.values: there is no such key; there are values_per_type, "),
        ('{"catalog": [{"semantic_type": "email", "priorty": 3}]}', "catalog.email.priorty: there is no such key; did you mean priority?"),
        ('{"blocked": {"email": {"exacts": []}}}', "blocked.email.exacts: there is no such key; did you mean exact?"),
        ('{"policy": "brave"}', "policy: input should be 'careful', 'eager' or 'strict', not \"brave\""),
        ('{"limits": {"contacts_per_value_day": 0}}', "limits.contacts_per_value_day: input should be greater than or equal to 1, not 0"),
        ('{"limits": {"values_per_type": "5"}}', 'limits.values_per_type: input should be a valid integer, not "5"'),
        ('{"limits": {"values_per_type": true}}', "limits.values_per_type: input should be a valid integer, not true"),
        ('{"limits": {"values_per_type": 1e9}}', "limits.values_per_type: "),
        ('{"limits": null}', "limits: input should be an object, not null"),
        ("[]", "rules: input should be an object, not []"),
        ("{", "the rules are not JSON: "),
        ("", "the rules are not JSON: "),
        ('{"recency_seconds": NaN}', "recency_seconds: "),
        ("[" * 100_000, "the rules are not JSON: "),
        ('{"policy": "eager", "policy": "strict"}', "the key 'policy' stands twice"),
        ('{"catalog": [{}]}', "catalog.0.semantic_type: field required"),
        ('{"catalog": [{"semantic_type": "a b"}]}', "catalog.a b.semantic_type: string should match pattern"),
        ('{"catalog": [{"semantic_type": "a"}, {"semantic_type": "a"}]}', "catalog names 'a' twice"),
        ('{"catalog": [{"semantic_type": "email", "slugs": ["work"]}]}', "catalog.email.slugs: must hold 'main'"),
        ('{"catalog": [{"semantic_type": "email", "slugs": ["main", "main"]}]}', "catalog.email.slugs: names 'main' twice"),
        ('{"catalog": [{"semantic_type": "user_id", "max_per_contact": 2}]}', "leave max_per_contact out"),
        ('{"blocked": {"e-mail": {}}}', "blocked.e-mail: the catalog has no such type; it has anonymous_token, "),
        ('{"blocked": {"email": {"exact": ["a\\u0000"]}}}', "blocked.email.exact.0: holds a control character"),
        ('{"blocked": {"email": {"exact": ["\\ud800"]}}}', "the rules cannot be used"),
        ('{"blocked": {"email": {"patterns": ["(a"]}}}', "blocked.email.patterns.0: is no pattern that RE2 takes: missing ): (a"),
        ('{"blocked": {"email": {"patterns": ["(?=a)b"]}}}', "blocked.email.patterns.0: is no pattern that RE2 takes"),
        ('{"blocked": {"email": {"patterns": ["(a)\\\\1"]}}}', "blocked.email.patterns.0: is no pattern that RE2 takes"),
        ('{"blocked": {"email": {"patterns": [".*"]}}}', "blocked.email.patterns.0: is found in every value"),
        ('{"normalise": {"phone_region": "UK"}}', "normalise.phone_region: is no region; name it by its two capital letters"),
        ('{"recency_seconds": -1}', "recency_seconds: input should be greater than or equal to 0, not -1"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(raw: str, says: str) -> None:
    with pytest.raises(InvalidRules) as refused:
        read(raw)
    assert says in str(refused.value)


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidRules) as refused:
        read('{"policy": "x", "limits": {"values_per_type": 0, "b": 1}}')
    assert len(str(refused.value).splitlines()) == 4


def test_the_rules_in_force_are_a_document_that_makes_the_same_rules() -> None:
    """What `show` prints, `set --file` takes."""
    for raw in ({}, WHOLE):
        whole = in_force(document_of(raw))
        again = document_of(whole)
        assert in_force(again) == whole
        assert {each.kind for each in difference(document_of(raw), again)} <= {"fixed"}
        mine, theirs = (rules_of(each, recency=HOUR) for each in (document_of(raw), again))
        assert (mine.catalog, mine.limits, mine.policy) == (theirs.catalog, theirs.limits, theirs.policy)


def test_the_schema_takes_what_we_take() -> None:
    validator = Draft202012Validator(schema())
    assert list(validator.iter_errors(WHOLE)) == []
    assert list(validator.iter_errors(in_force(document_of(WHOLE)))) == []
    for wrong in ({"polcy": 1}, {"policy": "x"}, {"limits": {"values_per_type": 0}}, {"catalog": [{"title": "a"}]}):
        assert list(validator.iter_errors(wrong))


def test_a_difference_names_each_key_with_its_value_before_and_after() -> None:
    before = document_of({"limits": {"values_per_type": 5}, "policy": Document().policy})
    after = document_of({"limits": {"values_per_type": 6, "contacts_per_value_day": 50}, "blocked": {"email": {"exact": ["a@b.de"]}}})
    assert difference(before, after) == (
        Change("blocked.email.exact", None, ["a@b.de"], "changed"),
        Change("limits.contacts_per_value_day", 50, 50, "fixed"),
        Change("limits.values_per_type", 5, 6, "changed"),
        Change("policy", Document().policy, Document().policy, "freed"),
    )
    assert given_difference(before.given(), after.given())[2] == Change("limits.values_per_type", 5, 6, "changed")


def test_an_added_type_shows_in_both_differences() -> None:
    before, after = read("{}"), document_of({"catalog": [{"semantic_type": "card"}]})
    assert Change("catalog.card.enabled", None, True, "changed") in difference(before, after)
    assert given_difference(before.given(), after.given()) == (Change("catalog.card", None, {}, "changed"),)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("policy", "careful"),
        ("recency_seconds", 60),
        ("limits.values_per_type", 3),
        ("normalise.phone_region", "NO"),
        ("catalog.email.max_per_contact", 5),
        ("catalog.card.priority", 8),
        ("blocked.email.exact", ["a@b.de"]),
        ("blocked.email.patterns", ["^a"]),
    ],
)
@pytest.mark.parametrize("start", [{}, WHOLE])
def test_a_key_is_set_and_follows_its_default_again(key: str, value: object, start: dict[str, Any]) -> None:
    """A document is left as it was by whoever edits it."""
    kept = json.dumps(start)
    changed = with_key(start, key, value)
    assert changed != start
    assert document_of(without_key(changed, key))
    assert difference(document_of(start), document_of(changed))
    assert json.dumps(start) == kept


@pytest.mark.parametrize(
    "key", ["", "limits", "limits.a.b", "catalog.email", "catalog.email.semantic_type", "blocked.email.exact.0", "policy.x"]
)
def test_a_path_that_leads_nowhere_is_refused(key: str) -> None:
    with pytest.raises(InvalidRules):
        document_of(with_key({}, key, 1))


@pytest.mark.parametrize(
    ("key", "value", "then"),
    [
        ("limits", 5, "limits.values_per_type"),
        ("normalise", None, "normalise.phone_region"),
        ("catalog", 5, "catalog.email.title"),
        ("catalog", [{"title": "Mail"}], "catalog.email.title"),
        ("catalog", ["email"], "catalog.email.title"),
        ("blocked", [], "blocked.email.exact"),
        ("blocked", {"email": []}, "blocked.email.exact"),
    ],
)
def test_a_path_through_something_of_another_form_is_refused(key: str, value: object, then: str) -> None:
    """Edits of one command build on each other, before anything is known of their values."""
    with pytest.raises(InvalidRules, match=f"^{key} is not of the form"):
        with_key(with_key({}, key, value), then, 1)


def test_taking_out_what_is_not_set_is_refused() -> None:
    for key in ("policy", "limits.values_per_type", "catalog.card", "blocked.email", "catalog.email.title"):
        with pytest.raises(InvalidRules, match="follows the default already"):
            without_key({}, key)
    assert without_key({"catalog": [{"semantic_type": "email", "title": "Mail"}]}, "catalog.email.title") == {}
    assert without_key(WHOLE, "catalog.loyalty_card")["catalog"] == [WHOLE["catalog"][0], WHOLE["catalog"][2]]


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_any_json_makes_a_document_or_is_refused(raw: object) -> None:
    """Nothing else is raised, whatever somebody types."""
    for each in (raw, {"catalog": raw}, {"blocked": {"email": raw}}, {"limits": raw}):
        with suppress(InvalidRules):
            assert rules_of(document_of(each), recency=HOUR).limits
