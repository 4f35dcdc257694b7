"""From a message to an interaction: key, time, values, proof (R8, R12, R22 to R24, poison 23 and 25)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from onefold.errors import InvalidMessage
from onefold.identity.assurance import Assurance
from onefold.identity.identifiers import identifier_key
from onefold.identity.interaction import Interaction, Position
from onefold.identity.rules import Rules
from onefold.messages.codec import decode_identifiers, skim
from onefold.messages.interactions import (
    RELEASED,
    InteractionMessage,
    SkimmedInteraction,
    WireIdentifier,
    WireProof,
    interaction_key,
    is_released,
)
from onefold.messages.reading import Arrival, check_key, event_time, identify, read, with_event_time

APPENDED = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
EMAIL = WireIdentifier("email", "Ann@Example.com", "work")
TOKEN = WireIdentifier("anonymous_token", "t1")


def reading(**more: Any) -> Interaction:
    message = InteractionMessage(**{"event_id": "e", "workspace": "acme", "type": "identify", "identifiers": [TOKEN, EMAIL], **more})
    return whole(message)


def whole(message: InteractionMessage | SkimmedInteraction) -> Interaction:
    wire = decode_identifiers(message.identifiers) if isinstance(message, SkimmedInteraction) else message.identifiers
    identifiers, dropped = identify(wire, Rules())
    return read(message, identifiers, Arrival(Position("interactions", 3, 41), APPENDED, None), Rules(), dropped)


def test_the_example_of_the_specification_reads() -> None:
    raw = b"""{"event_id": "5b7e", "workspace": "acme", "channel": "web", "type": "identify", "name": null, "assurance": "claimed",
      "proof": null, "occurred_at": "2026-11-01T09:29:00.000Z", "received_at": "2026-11-01T09:29:00.120Z",
      "identifiers": [{"semantic_type": "anonymous_token", "identifier": "d3a1"},
                      {"semantic_type": "email", "identifier": "Ann@Example.com", "slug": "work"}],
      "traits": {"given_name": "Ann", "plan": "pro"}, "properties": {"path": "/pricing"}, "context": {"ip": "", "user_agent": ""}}"""
    found = whole(skim(raw))
    assert [(each.semantic_type, each.identifier, each.normalised, each.slug) for each in found.identifiers] == [
        ("anonymous_token", "d3a1", "d3a1", None),
        ("email", "Ann@Example.com", "ann@example.com", "work"),
    ]
    assert (found.fields, found.attributes, found.assurance) == ({"given_name": "Ann"}, {"plan": "pro"}, Assurance.CLAIMED)
    assert found.at == APPENDED - timedelta(minutes=1)


@pytest.mark.parametrize(
    ("occurred", "received", "expected"),
    [
        ("2026-11-01T09:00:00Z", None, APPENDED - timedelta(minutes=30)),
        ("2026-11-01T10:00:00+01:00", None, APPENDED - timedelta(minutes=30)),
        ("2027-01-01T00:00:00Z", None, APPENDED),
        ("2026-11-01T09:00:00", "2026-11-01T09:10:00Z", APPENDED - timedelta(minutes=20)),
        ("0001-01-01T00:00:00Z", None, APPENDED),
        ("99999-01-01T00:00:00Z", None, APPENDED),
        ("0001-01-01T00:00:00+23:59", None, APPENDED),
        ("2026-11-01T09:00:60Z", None, APPENDED),
        (-5, None, APPENDED),
        (None, None, APPENDED),
        ({"a": 1}, [], APPENDED),
    ],
)
def test_event_time_is_told_or_else_received_and_never_after_the_append(occurred: object, received: object, expected: datetime) -> None:
    """R12, R27, poison 23."""
    assert reading(occurred_at=occurred, received_at=received).at == expected


@pytest.mark.parametrize(
    ("traits", "fields"),
    [
        ({"name": "Ann"}, {"given_name": "Ann"}),
        ({"name": " Ann Maria Lee "}, {"given_name": "Ann Maria", "last_name": "Lee"}),
        ({"name": "Ann Lee", "given_name": "Bea"}, {"given_name": "Bea", "last_name": "Lee"}),
        ({"firstName": "Ann", "lastName": "Lee"}, {"given_name": "Ann", "last_name": "Lee"}),
        ({"given_name": "  ", "name": ""}, {}),
        ({"given_name": 7, "name": ["x"]}, {}),
    ],
)
def test_names_fill_fields(traits: dict[str, Any], fields: dict[str, str]) -> None:
    """R23."""
    assert reading(traits=traits).fields == fields


@pytest.mark.parametrize(
    ("told", "kept"), [(1e23, 10**23), (-1.5e300, -15 * 10**299), (1e15, 1e15), (1e-7, 1e-7), (-0.0, 0.0), ([{"a": 1e16}], [{"a": 10**16}])]
)
def test_a_number_is_kept_in_the_digits_in_which_postgres_gives_it_back(told: object, kept: object) -> None:
    """I7, poison 30: else what was told would not be what is stored."""
    assert repr(reading(traits={"n": told}).attributes["n"]) == repr(kept)


def test_traits_are_never_identifiers_and_nul_becomes_a_replacement() -> None:
    """R22, R24."""
    found = reading(traits={"email": "x@example.com", "phone": "1", "a\0b": "c\0d", "deep": {"e\0": ["f\0"]}})
    assert found.attributes == {"a\ufffdb": "c\ufffdd", "deep": {"e\ufffd": ["f\ufffd"]}}
    assert len(found.identifiers) == 2


def test_a_proof_proves_what_it_names_or_else_the_only_address() -> None:
    """R8."""
    named = reading(assurance="proved", proof=WireProof("email", " ann@example.com", "otp"))
    assert named.proof is not None
    assert named.proof.key == named.identifiers[1].key
    only = reading(assurance="proved")
    assert only.proof is not None
    assert only.proof.key == only.identifiers[1].key
    two = reading(assurance="proved", identifiers=[TOKEN, EMAIL, WireIdentifier("email", "b@example.com")])
    assert two.proof is None
    foreign = reading(assurance="proved", proof=WireProof("email", "b@example.com", "otp"))
    assert foreign.proof is None
    assert named.assurance_of(named.identifiers[1], device_bound=False) is Assurance.PROVED
    assert named.assurance_of(named.identifiers[0], device_bound=True) is Assurance.ASSERTED
    assert two.assurance_of(two.identifiers[1], device_bound=False) is Assurance.CLAIMED
    assert named.value_assurance is Assurance.CLAIMED


def test_a_foreign_key_is_refused() -> None:
    """Poison 25: else the order per visitor would break silently."""
    expected = interaction_key(InteractionMessage("e", "acme", "page", identifiers=[EMAIL, TOKEN]))
    assert expected == b"acme:t1"
    check_key(expected, b"acme:t1")
    for key in (None, b"", b"acme:other", b"beta:t1"):
        with pytest.raises(InvalidMessage, match="key") as refused:
            check_key(expected, key)
        assert refused.value.code == "key_mismatch"


def test_a_token_asserts_what_it_names_and_nothing_else() -> None:
    """S40, S47, S50: a stranger's e-mail, the device and the traits beside a token count as claimed."""
    mine = WireIdentifier("user_id", "u1")
    found = reading(assurance="asserted", asserts=[mine], identifiers=[TOKEN, EMAIL, mine], traits={"plan": "pro"})
    bound = {
        each.semantic_type: found.assurance_of(each, device_bound=each.semantic_type == "anonymous_token") for each in found.identifiers
    }
    assert bound == {"user_id": Assurance.ASSERTED, "email": Assurance.CLAIMED, "anonymous_token": Assurance.CLAIMED}
    assert found.value_assurance is Assurance.CLAIMED


def test_what_a_token_names_is_compared_as_identifiers_are() -> None:
    """Normalised; what does not resolve asserts nothing, and a token that asserts nothing leaves all claimed."""
    named = reading(assurance="asserted", asserts=[WireIdentifier("email", " ann@EXAMPLE.com")])
    assert [named.assurance_of(each, device_bound=False) for each in named.identifiers] == [Assurance.CLAIMED, Assurance.ASSERTED]
    for nothing in ([], [WireIdentifier("user_id", "null")], [WireIdentifier("email", "other@example.com")]):
        found = reading(assurance="asserted", asserts=nothing)
        assert {found.assurance_of(each, device_bound=False) for each in found.identifiers} == {Assurance.CLAIMED}


def test_without_a_token_an_asserted_interaction_asserts_the_whole_of_it() -> None:
    """Product.md, section 4; and no list of theirs makes a claim or a proof more than it is."""
    assert {reading(assurance="asserted").value_assurance} == {Assurance.ASSERTED}
    claim = reading(assurance="claimed", asserts=[EMAIL])
    assert {claim.assurance_of(each, device_bound=False) for each in claim.identifiers} == {Assurance.CLAIMED}
    assert claim.value_assurance is Assurance.CLAIMED


@pytest.mark.parametrize("time", [{}, {"occurred_at": "yesterday"}, {"occurred_at": "2999-01-01T00:00:00Z"}, {"received_at": 5}])
def test_an_event_that_is_appended_again_stays_when_it_was(time: dict[str, object]) -> None:
    """Its time was that of its append; all else, unknown fields and numbers as they were written, stays."""
    raw = b'{"event_id":"e","workspace":"acme","type":"page","new":{"n":1.50e300,"d":1},"identifiers":[{"semantic_type":"email","identifier":"a"}]'
    raw += b"".join(b"," + msgspec.json.encode({name: value})[1:-1] for name, value in time.items()) + b"}"
    again = with_event_time(raw, APPENDED)
    assert event_time(skim(again), APPENDED + timedelta(days=7)) == APPENDED
    assert b'"new":{"n":1.50e300,"d":1}' in again
    assert with_event_time(again, APPENDED + timedelta(days=7)) == again


def test_an_event_that_says_its_time_is_appended_again_byte_by_byte() -> None:
    raw = b'{"event_id":"e" ,"workspace":"acme","type":"page","identifiers":[],"occurred_at":"2026-11-01T08:00:00+01:00"}'
    assert with_event_time(raw, APPENDED) is raw


def test_an_email_in_quarantine_is_one_that_a_proof_may_have_meant() -> None:
    """R8: with several emails and phones it proves nothing, whether they resolve or not."""
    quarantined = Rules(quarantined=frozenset({identifier_key("email", "ann@example.com")}))
    message = InteractionMessage("e", "acme", "message", assurance="proved", identifiers=[EMAIL, WireIdentifier("phone", "+4915112345678")])
    identifiers, dropped = identify(message.identifiers, quarantined)
    assert [each.semantic_type for each in identifiers] == ["phone"]
    arrival = Arrival(Position("interactions", 3, 41), APPENDED, None)
    assert read(message, identifiers, arrival, quarantined, dropped).proof is None


def test_a_header_says_that_a_person_let_a_parked_interaction_go() -> None:
    assert is_released((("traceparent", b"x"), (RELEASED, b"3/41")))
    assert not is_released((("traceparent", b"x"),))
