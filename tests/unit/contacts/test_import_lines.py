"""What a line of an import says, and why one is refused; and how a stream becomes lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onefold.contacts.import_lines import DERIVED, Columns, json_line
from onefold.contacts.imports import MOST_LINE_BYTES, Splitter
from onefold.errors import InvalidMessage

if TYPE_CHECKING:
    from onefold.contacts.imports import Format


def refusal(value: Any) -> str:
    with pytest.raises(InvalidMessage) as refused:
        json_line(value if isinstance(value, bytes) else msgspec.json.encode(value))
    return refused.value.code


def test_a_json_line_says_all_that_an_import_takes() -> None:
    """`email` and `phone` become identifiers (product.md, section 2)."""
    line = json_line(
        b'{"given_name": " Ann ", "email": "ann@example.com", "identifiers": [{"semantic_type": "user_id", "identifier": 7, "slug": "work"}],'
        b'"tags": ["vip", " news ", "vip", ""], "is_vendor": true, "organization": "mill", "attributes": {"unbound": {"plan": "pro"}}}'
    )
    assert line.fields == {"given_name": "Ann"}
    assert line.identifiers == [("email", "ann@example.com", None), ("user_id", 7, "work")]
    assert (line.tags, line.is_vendor, line.organization, line.attributes) == (("news", "vip"), True, "mill", {"plan": "pro"})


def test_a_row_says_the_same_by_its_columns() -> None:
    """Empty cells say nothing; labels and types stand in the column's name."""
    columns = Columns(
        "last_name;email;phone.work;identifiers.user_id;identifiers.oauth.main;tags;is_vendor;attributes.unbound.a.b;organization"
    )
    line = columns.line("Doe;ann@example.com;;7;x;vip;;'=1;mill")
    assert line.identifiers == [("email", "ann@example.com", None), ("user_id", "7", None), ("oauth", "x", "main")]
    assert (line.fields, line.tags, line.attributes, line.organization) == ({"last_name": "Doe"}, ("vip",), {"a.b": "=1"}, "mill")
    assert columns.line("D;;+1;;;;no;;").identifiers == [("phone", "+1", "work")]


@pytest.mark.parametrize("name", sorted(DERIVED))
def test_derived_fields_are_refused(name: str) -> None:
    """Product.md, section 2; in a line, and as a column."""
    assert refusal({"given_name": "Ann", name: "x"}) == "derived_field"
    with pytest.raises(InvalidMessage):
        Columns(f"given_name,{name}")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"{", "invalid_json"),
        (b"[]", "invalid_json"),
        (b"\xff", "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        ({"nickname": "x"}, "unknown_field"),
        ({"tags": ["vip"]}, "nobody"),
        ({"given_name": 7}, "invalid_value"),
        ({"given_name": "x" * 201}, "invalid_value"),
        ({"given_name": "A", "is_vendor": "perhaps"}, "invalid_value"),
        ({"given_name": "A", "tags": "vip"}, "invalid_value"),
        ({"given_name": "A", "tags": [f"t{n}" for n in range(101)]}, "invalid_value"),
        ({"identifiers": [{"semantic_type": "email"}]}, "invalid_value"),
        ({"identifiers": "ann@example.com"}, "invalid_value"),
        ({"given_name": "A", "attributes": {"plan": "pro"}}, "invalid_value"),
        ({"given_name": "A", "attributes": {"customer": {"plan": "pro"}}}, "unknown_field"),
    ],
)
def test_a_line_that_cannot_be_is_refused_by_itself(value: Any, code: str) -> None:
    assert refusal(value) == code


@pytest.mark.parametrize(
    "header", ["nickname", "email.work.home", "attributes.plan", "attributes.unbound.", "identifiers", "email,email", '"a']
)
def test_a_column_that_says_nothing_is_refused_at_once(header: str) -> None:
    with pytest.raises(InvalidMessage):
        Columns(header)


def split(text: bytes, form: Format, sizes: list[int]) -> list[tuple[int, bytes]]:
    splitter = Splitter(form)
    found: list[tuple[int, bytes]] = []
    while text:
        size = sizes.pop() if sizes else len(text)
        found += splitter.feed(text[:size])
        text = text[size:]
    return [*found, *splitter.finish()]


@given(st.lists(st.integers(1, 9), max_size=40))
def test_lines_are_whole_wherever_the_stream_is_cut(sizes: list[int]) -> None:
    """With their numbers in the file; a mark before UTF-8 and blank lines are none."""
    text = b'\xef\xbb\xbfa,b\r\n1,"x\r\ny ""z"""\n\n2,z'
    assert split(text, "csv", list(sizes)) == [(1, b"a,b"), (2, b'1,"x\r\ny ""z"""'), (5, b"2,z")]
    assert split(b'{"a": "\\""}\n\n{}', "jsonl", list(sizes)) == [(1, b'{"a": "\\""}'), (3, b"{}")]


def test_a_quote_that_is_never_closed_is_told_with_its_line() -> None:
    """Rather than taking all that follows for one row."""
    with pytest.raises(InvalidMessage, match="line 2"):
        split(b'a\n"x\ny\n', "csv", [])
    with pytest.raises(InvalidMessage, match="line 2"):
        split(b'a\n"x\n' + b"y\n" * MOST_LINE_BYTES, "csv", [1_000] * 1_000)
