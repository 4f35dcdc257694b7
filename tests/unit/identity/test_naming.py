"""Ids that follow from names are those of version 5."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from hypothesis import given
from hypothesis import strategies as st

from onefold.identity.naming import Namespace


@given(kind=st.text(), name=st.text())
def test_ids_are_those_that_uuid5_gives(kind: str, name: str) -> None:
    """Contacts and changes that were made by an earlier build keep their ids."""
    expected, namespace = uuid5(uuid5(NAMESPACE_URL, kind), name), Namespace(kind)
    assert namespace.id_of(name) == expected
    assert namespace.text_of(name) == str(expected)
