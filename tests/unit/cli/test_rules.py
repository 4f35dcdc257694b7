"""How `onefold rules` reads what is typed and shows what changes."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from onefold.cli.rules import _edits, _rows
from onefold.identity.rules_difference import difference
from onefold.identity.rules_reading import document_of


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("limits.values_per_type=50", 50),
        ("catalog.oauth.enabled=false", False),
        ("catalog.email.max_per_contact=null", None),
        ("policy=strict", "strict"),
        ("normalise.phone_region=NO", "NO"),
        ('blocked.user_id.exact=["a=b"]', ["a=b"]),
        ("catalog.card.title=", ""),
    ],
)
def test_a_value_is_json_or_else_text(typed: str, meant: object) -> None:
    assert list(_edits([typed], None, []).keys) == [(typed.partition("=")[0], meant)]


def test_what_says_nothing_is_no_command() -> None:
    """C5: exit code 2."""
    for keys, file in (([], None), (["policy"], None), ([], "no/such/file.json")):
        with pytest.raises(typer.BadParameter):
            _edits(keys, file, [])


def shown(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, str]]:
    return _rows(difference(document_of(before), document_of(after)))


def test_a_difference_says_what_was_and_what_becomes() -> None:
    """Of long lists only what comes and goes, and the first of it."""
    names = [f"n{number}" for number in range(8)]
    assert shown({}, {"normalise": {"phone_region": "DE"}}) == [("normalise.phone_region", "unset", "DE")]
    assert shown({}, {"limits": {"values_per_type": 100}}) == [("limits.values_per_type", "100 (default)", "100 (set)")]
    assert shown({"limits": {"values_per_type": 100}}, {}) == [("limits.values_per_type", "100 (set)", "100 (default)")]
    assert shown({"blocked": {"email": {"exact": ["x", "n0"]}}}, {"blocked": {"email": {"exact": names}}}) == [
        ("blocked.email.exact", "-x", "+n1 +n2 +n3 +n4 +n5 and 2 more")
    ]
