"""What may hang on a record, and what adopting a profile does (product.md, section 7; product-facts 1.3 and 3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onefold.errors import InvalidMessage
from onefold.identity.adoption import (
    Catalog,
    Change,
    Edit,
    Hung,
    Placement,
    Profile,
    Relation,
    Relationship,
    RelationTaken,
    Taxonomy,
    Workflow,
    hung,
)
from onefold.identity.attributes import Attribute, InvalidAttributes
from onefold.identity.classification import UNCLASSIFIED, Classification, Related, Stage

AT = datetime(2026, 11, 1, tzinfo=UTC)
PLAN = Attribute(slug="plan", title="Plan", data_type="text", default="free")
SINCE = Attribute(slug="since", title="Since", data_type="date", is_required=True)
CATALOG = Catalog(
    profiles={
        "customer": Profile("customer", [PLAN], ["vip"], ["north"], "sales", ["u1"], ["u2"], ["region"]),
        "member": Profile("member", [SINCE], allowed_taxonomies=["food"]),
        "free": Profile("free"),
        "old": Profile("old", is_archived=True),
    },
    taxonomies={
        "region": Taxonomy("region"),
        "north": Taxonomy("north", "region"),
        "food": Taxonomy("food"),
        "gone": Taxonomy("gone", is_archived=True),
    },
    workflows={"sales": Workflow("sales", {"new": ["called"], "won": []})},
    relationships={
        "boss": Relationship("boss", allows_several=False),
        "friends": Relationship("friends", allows_several=True, pivot_fields=[Attribute(slug="since", title="Since", data_type="integer")]),
    },
    tags={"vip", "news"},
    users={"u1", "u2"},
)
BARE = Hung(UNCLASSIFIED, (), {})


def after(present: Hung = BARE, at: datetime = AT, **change: Any) -> Hung:
    return hung(CATALOG, present, Change(**change), at)


def test_adopting_a_profile_applies_its_defaults_once_without_duplicates() -> None:
    """Defaults are merged into the record when it adopts the profile, not each time it is saved."""
    found = after(profiles=Edit(["customer"]), tags=Edit(["vip"]))
    assert found.classification == Classification(
        profiles=("customer",), taxonomies=("north",), owners=("u1",), followers=("u2",), workflows={"sales": Stage("new", AT)}
    )
    assert (tuple(found.tags), found.attributes) == (("vip",), {"customer": {"plan": "free"}})
    later = after(Hung(found.classification, (), found.attributes), profiles=Edit(["customer"]), owners=Edit(remove=["u1"]))
    assert (later.classification.owners, tuple(later.tags), later.values) == ((), (), {})


def test_a_required_attribute_is_asked_for_when_the_profile_is_adopted() -> None:
    with pytest.raises(InvalidAttributes, match=r"attributes.member.since: is required"):
        after(profiles=Edit(["member"]))
    found = after(profiles=Edit(["member"]), attributes={"member": {"since": "2026-01-01"}})
    assert found.values == {("member", "since"): "2026-01-01"}


def test_leaving_a_profile_clears_what_was_of_it() -> None:
    present = Hung(Classification(profiles=("customer",)), (), {"customer": {"plan": "pro"}})
    found = after(present, profiles=Edit(remove=["customer"]))
    assert (found.values, found.attributes) == ({("customer", "plan"): None}, {})


def test_attributes_of_a_profile_that_is_not_adopted_are_refused() -> None:
    with pytest.raises(InvalidMessage, match="has not adopted the profile 'customer'"):
        after(attributes={"customer": {"plan": "pro"}})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"profiles": Edit(["nothing"])}, "unknown_profile"),
        ({"profiles": Edit(["old"])}, "archived_profile"),
        ({"taxonomies": Edit(["nothing"])}, "unknown_taxonomy"),
        ({"taxonomies": Edit(["gone"])}, "archived_taxonomy"),
        ({"owners": Edit(["u9"])}, "unknown_user"),
        ({"workflows": {"nothing": Placement()}}, "unknown_workflow"),
        ({"workflows": {"sales": Placement("lost")}}, "unknown_step"),
        ({"workflows": {"sales": Placement("new", ["danced"])}}, "unknown_item"),
        ({"relate": [Relation("nothing", "1")]}, "unknown_relationship"),
    ],
)
def test_what_is_not_defined_is_refused(change: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        after(**change)
    assert caught.value.code == code


def test_what_is_archived_stays_where_it_is() -> None:
    present = Hung(Classification(profiles=("old",), taxonomies=("gone",)), (), {})
    assert after(present, tags=Edit(["news"])).classification == present.classification


def test_taxonomies_that_no_adopted_profile_allows_are_refused() -> None:
    """Product-facts 3.4: rejected; what lies below an allowed one is allowed; a profile without limits allows all."""
    customer = Hung(Classification(profiles=("customer",)), (), {})
    with pytest.raises(InvalidMessage, match="'food' is not allowed"):
        after(customer, taxonomies=Edit(["food"]))
    assert after(customer, taxonomies=Edit(["north"])).classification.taxonomies == ("north",)
    both = Hung(Classification(profiles=("customer", "free")), (), {})
    assert after(both, taxonomies=Edit(["food"])).classification.taxonomies == ("food",)
    assert after(taxonomies=Edit(["food"])).classification.taxonomies == ("food",)


def test_unknown_tags_are_skipped_and_said() -> None:
    """Product-facts 3.5: the opposite of taxonomies."""
    found = after(tags=Edit(["news", "unheard-of"]))
    assert (tuple(found.tags), list(found.skipped_tags)) == (("news",), ["unheard-of"])


def test_a_record_goes_along_a_workflow() -> None:
    """The time at a step stands still while the checklist is worked off, and begins anew at the next step, with nothing done."""
    first = after(workflows={"sales": Placement()})
    later = AT + timedelta(days=1)
    ticked = after(first, later, workflows={"sales": Placement(done=["called"])})
    assert ticked.classification.workflows == {"sales": Stage("new", AT, ("called",))}
    won = after(ticked, later, workflows={"sales": Placement("won")})
    assert won.classification.workflows == {"sales": Stage("won", later)}
    assert after(won, later, workflows={"sales": None}).classification.workflows == {}


def test_relationships_hold_as_many_as_they_allow() -> None:
    found = after(relate=[Relation("boss", "1"), Relation("friends", "2", {"since": 2020}), Relation("friends", "3")])
    assert found.classification.to_one == {"boss": Related("1")}
    assert found.classification.to_many == {"friends": (Related("2", {"since": 2020}), Related("3"))}
    assert after(found, relate=[Relation("boss", "1")]).classification == found.classification
    with pytest.raises(RelationTaken, match="boss allows one record"):
        after(found, relate=[Relation("boss", "2")])
    changed = after(found, unrelate=[("boss", "1"), ("friends", "2"), ("friends", "3")], relate=[Relation("boss", "2")])
    assert changed.classification == Classification(to_one={"boss": Related("2")})


def test_fields_of_a_relation_are_validated() -> None:
    with pytest.raises(InvalidAttributes, match=r"relationships.friends.since: must be a whole number"):
        after(relate=[Relation("friends", "2", {"since": "long ago"})])
    with pytest.raises(InvalidAttributes, match=r"relationships.boss.x: there is no such attribute"):
        after(relate=[Relation("boss", "2", {"x": 1})])


def test_a_record_carries_only_so_much() -> None:
    many = Catalog(users={f"u{number}" for number in range(101)})
    with pytest.raises(InvalidMessage, match="at most 100 owners"):
        hung(many, BARE, Change(owners=Edit(sorted(many.users))), AT)
