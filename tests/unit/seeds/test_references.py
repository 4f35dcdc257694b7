"""Helper expressions in seeds: what they are, where they may stand (product.md, section 10)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onefold.errors import InvalidMessage
from onefold.seeds.items import read_items
from onefold.seeds.references import Reference, references_in, resolved

ACME = Reference("organizations", "slug", "acme")


def test_an_expression_may_stand_in_every_text_of_an_item() -> None:
    data = {
        "organization_id": ACME.text,
        "attributes": {"unbound": {"note": f"see {ACME.text} and {ACME.text}"}},
        "list": [[ACME.text]],
        ACME.text: 1,
    }
    assert set(references_in(data)) == {ACME}
    assert resolved(data, {ACME: "ID"}) == {
        "organization_id": "ID",
        "attributes": {"unbound": {"note": "see ID and ID"}},
        "list": [["ID"]],
        "ID": 1,
    }


@pytest.mark.parametrize(
    "text",
    [
        "{{",
        '{{getRecordAttribute("organizations","slug")}}',
        "{{getRecordAttribute('organizations','slug','acme')}}",
        '{{getRecordAttribute("organizations","slug",1)}}',
        '{{dropEverything("a","b","c")}}',
        "{{acme}}",
    ],
)
def test_what_looks_like_an_expression_and_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidMessage, match=r"getRecordAttribute|helper"):
        list(references_in({"x": text}))


@given(
    st.builds(
        Reference,
        *[st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), max_size=10)] * 3,
        st.just("id") | st.just("slug"),
    )
)
def test_a_written_reference_is_read_again(reference: Reference) -> None:
    assert list(references_in(f"a {reference.text} b")) == [reference]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ({}, "a JSON array"),
        ([1], "item 1"),
        ([{"object_type": "tags"}], "item 1: an item has object_type and data"),
        ([{"object_type": "colours", "data": {}}], "'colours' is none of"),
        ([{"object_type": "tags", "data": []}], "item 1"),
    ],
)
def test_a_seed_that_is_none_is_refused(raw: Any, why: str) -> None:
    with pytest.raises(InvalidMessage, match=why):
        read_items(raw)
