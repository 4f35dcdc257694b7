"""The built-in catalog and the defaults of the rules (product.md, section 3; R5, R11, R28)."""

from __future__ import annotations

from onefold.identity.blocked import BlockedValues
from onefold.identity.catalog import BUILT_IN, Catalog, CatalogEntry
from onefold.identity.identifiers import resolve_identifiers
from onefold.identity.rules import Normalisation, Rules


def test_the_built_in_types_come_in_the_order_of_choice() -> None:
    """R5, R28: priorities 1 to 7, others 99."""
    assert [(entry.semantic_type, entry.priority) for entry in BUILT_IN] == [
        ("user_id", 1),
        ("oauth", 2),
        ("uuid", 3),
        ("email", 4),
        ("phone", 5),
        ("device_id", 6),
        ("anonymous_token", 7),
    ]
    assert CatalogEntry("loyalty_card").priority == 99


def test_what_the_built_in_types_are() -> None:
    """product.md, section 3: `user_id` is unique, the last two are device-bound, email and phone may be written to."""
    assert [entry.semantic_type for entry in BUILT_IN if entry.unique_per_contact] == ["user_id"]
    assert [entry.semantic_type for entry in BUILT_IN if entry.device_bound] == ["device_id", "anonymous_token"]
    assert [entry.semantic_type for entry in BUILT_IN if entry.outreach] == ["email", "phone"]
    assert all(entry.slugs == (("main", "work", "personal") if entry.outreach else ("main",)) for entry in BUILT_IN)
    assert all(entry.enabled for entry in BUILT_IN)


def test_the_limits_of_values_follow_the_catalog_first() -> None:
    """R11: 100 values a type, `max_per_contact` wins; a unique type has one."""
    rules = Rules(catalog=Catalog({each.semantic_type: each for each in (*BUILT_IN, CatalogEntry("card", max_per_contact=500))}))
    assert [rules.values_limit(kind) for kind in ("email", "card", "user_id")] == [100, 500, 1]
    limits = rules.limits
    assert (limits.identifiers_per_contact, limits.merges_per_identifier_hour, limits.contacts_per_value_day) == (10_000, 20, 50)


def test_a_type_that_left_the_catalog_is_held_to_the_general_limit() -> None:
    """R18: contacts keep what they hold of it, and merge with it; a missing entry must not stop a partition."""
    assert Rules().values_limit("retired") == 100


def test_what_contacts_hold_is_found_though_it_resolves_no_more() -> None:
    """R18: blocked or switched off since; normalised as the workspace says."""
    off = Catalog({**Catalog().entries, "email": CatalogEntry("email", enabled=False)})
    rules = Rules(catalog=off, blocked={"user_id": BlockedValues({"test"})}, normalisation=Normalisation(phone_region="DE"))
    raw = [("email", "A@example.com", None), ("user_id", "test", None), ("phone", "0151 12345678", None)]
    assert len(resolve_identifiers(raw, rules)[0]) == 1
    found, dropped = resolve_identifiers(raw, rules.to_find())
    assert [each.normalised for each in found] == ["a@example.com", "test", "+4915112345678"]
    assert dropped == ()
