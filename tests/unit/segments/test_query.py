"""The query language: what parses, what it means, what it says when it does not parse."""

from __future__ import annotations

from typing import Any

import pytest

from onefold.errors import InvalidQuery
from onefold.segments.evaluate import Subject, evaluate, matters
from onefold.segments.query import parse

ANN = Subject(
    {
        "type": "lead",
        "given_name": "Ann",
        "last_name": None,
        "email": "Ann@example.com",
        "is_vendor": False,
        "organization_name": "Acme",
        "workflows.onboarding": "first-call",
    },
    {"unbound": {"plan": "pro", "seats": 3, "trial": True, "tools": ["chat", 7]}},
    [("email", "main", "ann@example.com"), ("email", "work", "a@corp.example"), ("phone", "main", "+4915112345678")],
    {"tags": ["news", "vip"], "relationships.advisor": ["7d0e"]},
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"field": "type", "operator": "equals", "value": "lead"}, True),
        ({"field": "type", "operator": "!=", "value": "lead"}, False),
        ({"field": "last_name", "operator": "!=", "value": "Lee"}, True),
        ({"field": "last_name", "operator": "is_null"}, True),
        ({"field": "given_name", "operator": "starts_with", "value": "An"}, True),
        ({"field": "given_name", "operator": "contains", "value": "ann"}, False),
        ({"field": "is_vendor", "operator": "equals", "value": False}, True),
        ({"field": "attributes.unbound.plan", "operator": "in", "value": ["free", "pro"]}, True),
        ({"field": "attributes.unbound.seats", "operator": "equals", "value": 3.0}, True),
        ({"field": "attributes.unbound.seats", "operator": "equals", "value": "3"}, False),
        ({"field": "attributes.unbound.trial", "operator": "equals", "value": 1}, False),
        ({"field": "attributes.unbound.tools", "operator": "contains", "value": 7}, True),
        ({"field": "attributes.unbound.missing", "operator": "is_not_null"}, False),
        ({"identifier": "email", "operator": "equals", "value": "a@corp.example"}, True),
        ({"identifier": "email", "slug": "main", "operator": "contains", "value": "corp"}, False),
        ({"identifier": "email", "operator": "!=", "value": "a@corp.example"}, False),
        ({"identifier": "oauth", "operator": "is_null"}, True),
        ({"field": "organization_name", "operator": "equals", "value": "Acme"}, True),
        ({"field": "tags", "operator": "equals", "value": "vip"}, True),
        ({"field": "tags", "operator": "in", "value": ["none", "news"]}, True),
        ({"field": "tags", "operator": "!=", "value": "vip"}, False),
        ({"field": "profiles", "operator": "is_null"}, True),
        ({"field": "relationships.advisor", "operator": "equals", "value": "7d0e"}, True),
        ({"field": "relationships.partner", "operator": "is_not_null"}, False),
        ({"field": "workflows.onboarding", "operator": "equals", "value": "first-call"}, True),
        ({"field": "workflows.sales", "operator": "is_null"}, True),
        ({"and": [{"field": "type", "operator": "equals", "value": "lead"}, {"identifier": "phone", "operator": "is_not_null"}]}, True),
        ({"or": [{"field": "type", "operator": "equals", "value": "ghost"}, {"identifier": "phone", "operator": "is_null"}]}, False),
        ({"not": {"field": "type", "operator": "equals", "value": "ghost"}}, True),
    ],
)
def test_a_query_means(query: dict[str, Any], expected: bool) -> None:
    assert evaluate(parse(query), ANN) is expected


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ([], "query: must be an object"),
        ({}, "query: must have"),
        ({"and": []}, "query.and: must be a list of at least one condition"),
        ({"and": [{"field": "colour", "operator": "is_null"}]}, r"query.and\[0\].field: 'colour' is no field"),
        ({"field": "type", "operator": "like", "value": "x"}, "query.operator: 'like' is none of equals"),
        ({"field": "type", "operator": "equals"}, "query: equals takes a value"),
        ({"field": "type", "operator": "is_null", "value": 1}, "query: is_null takes no value"),
        ({"field": "type", "operator": "equals", "value": None}, "query.value: null is equal to nothing|query.value: must be text"),
        ({"field": "type", "operator": "equals", "value": 1}, "query.value: must be text"),
        ({"field": "is_vendor", "operator": "contains", "value": "x"}, "query.value: is_vendor takes equals"),
        ({"field": "attributes.unbound", "operator": "is_null"}, "query.field: an attribute is named"),
        ({"field": "type", "operator": "in", "value": []}, "query.value: in takes a list"),
        ({"field": "type", "operator": "equals", "value": "x", "colour": 1}, "query: colour has no meaning here"),
        ({"identifier": "email", "slug": 1, "operator": "is_null"}, "query.slug: must be a label"),
    ],
)
def test_a_query_that_does_not_parse_says_where_and_why(query: object, text: str) -> None:
    with pytest.raises(InvalidQuery, match=text):
        parse(query)


def test_a_query_nested_too_deep_is_refused() -> None:
    query: object = {"field": "type", "operator": "is_null"}
    for _ in range(30):
        query = {"not": query}
    with pytest.raises(InvalidQuery, match="nested deeper"):
        parse(query)


def test_only_changes_that_the_query_looks_at_matter() -> None:
    query = parse({"or": [{"field": "attributes.unbound.plan", "operator": "is_null"}, {"identifier": "email", "operator": "is_null"}]})
    assert matters(query) == {"attributes.unbound.plan", "identifiers"}
