"""Values that stand for nothing (R20; poison 17): exactly the listed ones, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onefold.identity.identifiers import Dropped, resolve_identifiers
from onefold.identity.placeholders import is_placeholder
from onefold.identity.rules import Rules

LISTED = (
    "null",
    "nil",
    "none",
    "undefined",
    "nan",
    "n/a",
    "true",
    "false",
    "id",
    "distinct_id",
    "distinctid",
    "anonymous",
    "guest",
    "unknown",
    "not_authenticated",
    "email",
    "-1",
    "0",
)


@pytest.mark.parametrize("text", [*LISTED, "[object object]", "", "00", "0-0", "-", "---", "00000000-0000-0000-0000-000000000000"])
@pytest.mark.parametrize("dress", ["{}", "  {} ", '"{}"', "'{}'", ' "{}" ', '" {} "', "\ufeff{}\u200b"])
def test_a_listed_value_never_resolves_however_it_is_dressed(text: str, dress: str) -> None:
    """R20: trimmed, one pair of quotes removed, case folded."""
    for word in (text, text.upper(), text.title()):
        found, dropped = resolve_identifiers([("anonymous_token", dress.format(word), None)], Rules())
        assert (found, dropped) == ((), (Dropped("anonymous_token", "placeholder"),))


@pytest.mark.parametrize(
    "text",
    ["null1", "nobody", "test", "admin", "-2", "1", "0.0", "+0", "0a", "a-0", "''null''", "\"null'", "[object]", "user", "none.", "n a"],
)
def test_nothing_else_is_a_placeholder(text: str) -> None:
    """R20: what a workspace wants to add is a blocked value."""
    assert not is_placeholder(text)


@given(st.text(alphabet="0-", min_size=1, max_size=60))
def test_zeros_and_hyphens_alone_are_nobody(text: str) -> None:
    assert is_placeholder(text)
    assert not is_placeholder(text + "2")


def test_a_uuid_of_zeros_is_nobody_in_every_spelling() -> None:
    for text in ("0" * 32, "{00000000-0000-0000-0000-000000000000}", "urn:uuid:00000000-0000-0000-0000-000000000000"):
        assert resolve_identifiers([("uuid", text, None)], Rules())[1] == (Dropped("uuid", "placeholder"),)


def test_an_absent_value_is_nobody() -> None:
    assert resolve_identifiers([("user_id", None, None)], Rules()) == ((), (Dropped("user_id", "placeholder"),))
