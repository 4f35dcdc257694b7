"""What is remembered of how events name their visitors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from onefold.errors import InvalidMessage
from onefold.identity.rules import Normalisation, Rules
from onefold.index.naming import LONGEST_KEPT, MOST_BYTES, Namings
from onefold.messages.codec import skim

if TYPE_CHECKING:
    from onefold.messages.interactions import SkimmedInteraction


def message(*values: str, workspace: str = "acme", kind: str = "email") -> SkimmedInteraction:
    identifiers = [{"semantic_type": kind, "identifier": value} for value in values]
    return skim(json.dumps({"event_id": "e", "workspace": workspace, "type": "page", "identifiers": identifiers}).encode())


def test_the_same_bytes_of_the_same_workspace_are_read_once() -> None:
    namings = Namings()
    once = namings.of(message("ann@example.com"))
    assert namings.of(message("ann@example.com")) is once
    assert namings.of(message("bea@example.com")) is not once
    assert namings.of(message("ann@example.com", workspace="beta")) is not once
    assert once.record_key == b"acme:ann@example.com"


def test_under_other_rules_the_same_bytes_mean_something_else() -> None:
    """Mutant namings-outlive-their-rules; R21: a batch that was read under the old ones keeps what it has."""
    namings, told = Namings(), message("030 123456", kind="phone")
    abroad, german = Rules(), Rules(normalisation=Normalisation(phone_region="DE"), version=2)
    before = namings.under(abroad, told, namings.of(told))
    assert (before.identifiers, [each.semantic_type for each in before.dropped]) == ((), ["phone"])
    after = namings.under(german, told, namings.of(told))
    assert [each.normalised for each in after.identifiers] == ["+4930123456"]
    assert (before.identifiers, before.rules) == ((), abroad)
    assert namings.under(german, told, namings.of(told)) is after


def test_neither_many_nor_long_namings_fill_the_memory() -> None:
    """I18: bounded, whatever visitors send."""
    namings, long = Namings(), message("x" * LONGEST_KEPT)
    assert namings.of(long) is not namings.of(long)
    first = namings.of(message("first"))
    others = [message(f"{number:0900}") for number in range(MOST_BYTES // 900)]
    for each in others[: len(others) // 2]:
        namings.of(each)
    assert namings.of(message("first")) is first
    for each in others:
        namings.of(each)
    assert namings.of(message("first")) is not first


def test_what_cannot_be_read_is_refused_each_time() -> None:
    """Poison 19."""
    namings, many = Namings(), message(*(str(number) for number in range(101)))
    for _ in range(2):
        with pytest.raises(InvalidMessage) as refused:
            namings.of(many)
        assert refused.value.code == "too_many_identifiers"
