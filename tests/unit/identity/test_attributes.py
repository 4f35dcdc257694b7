"""Attributes: what fits a definition, and what is said of what does not (product.md, section 7)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from onefold.identity.attributes import Attribute, InvalidAttributes, check_definitions, checked


def attribute(data_type: str = "text", **more: Any) -> Attribute:
    return Attribute.model_validate({"slug": "x", "title": "X", "data_type": data_type, **more})


@pytest.mark.parametrize(
    ("definition", "value", "expected"),
    [
        (attribute(), "hello", "hello"),
        (attribute(is_array=True), ["a", "b"], ["a", "b"]),
        (attribute("integer"), 3.0, 3),
        (attribute("number"), 2.5, 2.5),
        (attribute("number"), 2.0, 2),
        (attribute("boolean"), False, False),
        (attribute("date"), "2026-11-01", "2026-11-01"),
        (attribute("datetime"), "2026-11-01T10:30:00+01:00", "2026-11-01T09:30:00Z"),
        (attribute("option", options=[{"value": "a", "title": "A"}]), "a", "a"),
        (attribute(appearance="email"), "ann@example.com", "ann@example.com"),
        (attribute("object", attributes=[{"slug": "y", "title": "Y", "data_type": "integer"}]), {"y": 1.0}, {"y": 1}),
    ],
)
def test_a_value_that_fits_is_stored_in_one_form(definition: Attribute, value: Any, expected: Any) -> None:
    assert checked([definition], {}, {"x": value}) == {"x": expected}


@pytest.mark.parametrize(
    ("definition", "value", "why"),
    [
        (attribute(), 1, "must be text"),
        (attribute(), "  ", "must not be blank"),
        (attribute(), "a\0", "must not be blank, nor hold NUL"),
        (attribute(maximum=2), "abc", "at most 2 characters"),
        (attribute(pattern="a+"), "ab", "does not match"),
        (attribute(appearance="email"), "ann", "is no e-mail address"),
        (attribute(appearance="url"), "javascript:alert(1)", "is no URL"),
        (attribute(appearance="color"), "red", "is no color"),
        (attribute("integer"), True, "must be a whole number"),
        (attribute("integer"), 1.5, "must be a whole number"),
        (attribute("integer"), float("nan"), "must be a whole number"),
        (attribute("number", minimum=0), -1, "must be at least 0"),
        (attribute("number"), float("inf"), "must be a number"),
        (attribute("boolean"), 1, "must be true or false"),
        (attribute("date"), "20261101", "must be a date"),
        (attribute("date"), "2026-02-30", "must be a date"),
        (attribute("datetime"), "2026-11-01T09:30:00", "must be a time with a zone"),
        (attribute("datetime"), "0001-01-01T00:00:00+14:00", "must be a time with a zone"),
        (attribute("option", options=[{"value": "a", "title": "A"}]), "b", "must be one of a"),
        (attribute(is_array=True), "a", "must be a list"),
        (attribute("object", attributes=[{"slug": "y", "title": "Y", "data_type": "text"}]), {"z": 1}, "there is no such attribute"),
        (attribute("object", attributes=[{"slug": "y", "title": "Y", "data_type": "text", "is_required": True}]), {}, "is required"),
        (attribute(is_disabled=True), "a", "is disabled"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_where_and_why(definition: Attribute, value: Any, why: str) -> None:
    with pytest.raises(InvalidAttributes, match=why):
        checked([definition], {}, {"x": value})


def test_every_value_that_does_not_fit_is_named() -> None:
    definitions = [attribute("integer"), Attribute(slug="y", title="Y", data_type="text", is_required=True)]
    with pytest.raises(InvalidAttributes) as caught:
        checked(definitions, {}, {"x": "a", "z": 1}, prefix="attributes.customer.")
    assert [each["where"] for each in caught.value.facts["errors"]] == [f"attributes.customer.{slug}" for slug in ("x", "z", "y")]


def test_a_required_value_may_be_there_already_and_not_be_cleared() -> None:
    definition = attribute(is_required=True)
    assert checked([definition], {"x": "there"}, {}) == {}
    with pytest.raises(InvalidAttributes, match="is required"):
        checked([definition], {"x": "there"}, {"x": None})


def test_what_cannot_be_edited_is_set_once() -> None:
    definition = attribute(is_editable=False)
    assert checked([definition], {}, {"x": "a"}) == {"x": "a"}
    assert checked([definition], {"x": "a"}, {"x": "a"}) == {"x": "a"}
    with pytest.raises(InvalidAttributes, match="cannot be changed"):
        checked([definition], {"x": "a"}, {"x": "b"})


def test_a_default_fills_what_is_missing_and_nothing_else() -> None:
    definition = attribute(default="d", is_required=True)
    assert checked([definition], {}, {}) == {"x": "d"}
    assert checked([definition], {"x": "a"}, {}) == {}
    assert checked([definition], {}, {"x": "b"}) == {"x": "b"}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ({"data_type": "option"}, "an option has options"),
        ({"data_type": "text", "attributes": [{"slug": "y", "title": "Y", "data_type": "text"}]}, "a group"),
        ({"data_type": "text", "appearance": "group"}, "text looks like one of"),
        ({"data_type": "text", "pattern": "(?=x)"}, "none that RE2 takes"),
        ({"data_type": "boolean", "minimum": 1}, "only texts and numbers"),
        ({"data_type": "text", "slug": "Not a slug"}, "String should match"),
        ({"data_type": "text", "colour": 1}, "Extra inputs"),
    ],
)
def test_a_definition_that_contradicts_itself_is_refused(raw: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Attribute.model_validate({"slug": "x", "title": "X", **raw})


def test_definitions_are_checked_together() -> None:
    assert check_definitions([attribute(), attribute()]) == "the slug x is there twice"
    assert "its default does not fit" in str(check_definitions([attribute("integer", default="a")]))
    deep = attribute()
    for _ in range(3):
        deep = attribute("object", attributes=[deep])
    assert "deeper than 3 levels" in str(check_definitions([deep]))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["2026-11-01", "2026-11-01T00:00:00Z", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["y", "z"]), inner, max_size=2),
    max_leaves=5,
)
DEFINITIONS = st.sampled_from(
    [
        *(
            attribute(kind, is_array=many)
            for kind in ("text", "integer", "number", "boolean", "date", "datetime")
            for many in (False, True)
        ),
        attribute("option", options=[{"value": "a", "title": "A"}]),
        attribute("object", attributes=[{"slug": "y", "title": "Y", "data_type": "datetime", "is_array": True}]),
    ]
)


@given(definition=DEFINITIONS, value=VALUES)
def test_checking_twice_changes_nothing_and_nothing_else_ever_happens(definition: Attribute, value: Any) -> None:
    """Whatever comes, it is stored in a form that fits again, or refused."""
    try:
        first = checked([definition], {}, {"x": value})
    except InvalidAttributes:
        return
    assert checked([definition], {}, first) == first
