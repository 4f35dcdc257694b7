"""Decoding interactions: what is kept, and under which code everything else is refused (reference/reliability.md, A6)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from onefold.errors import InvalidMessage, OnefoldError, UnsupportedVersion
from onefold.messages.codec import MAX_IDENTIFIERS, MAX_TRAITS, decode, decode_identifiers, encode, key_of, skim
from onefold.messages.interactions import InteractionMessage, SkimmedInteraction, WireIdentifier
from onefold.messages.segments import SegmentMembership


def body(**changes: Any) -> bytes:
    whole = {"event_id": "e1", "workspace": "acme", "type": "page", "identifiers": [token("t1")]} | changes
    return json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()


def token(value: object) -> dict[str, object]:
    return {"semantic_type": "anonymous_token", "identifier": value}


def read(value: bytes | None, **options: Any) -> tuple[SkimmedInteraction, list[WireIdentifier]]:
    message = skim(value, **options)
    return message, decode_identifiers(message.identifiers)


def code_of(value: bytes | None, **options: Any) -> str:
    with pytest.raises(OnefoldError) as caught:
        read(value, **options)
    assert isinstance(caught.value, (InvalidMessage, UnsupportedVersion))
    return caught.value.code


def test_a_short_message_gets_the_defaults_of_a_server() -> None:
    found, identifiers = read(body())
    assert (found.channel, found.assurance, found.schema) == ("server", "asserted", 1)
    assert found.traits is None
    assert identifiers == [WireIdentifier("anonymous_token", "t1")]


def test_an_encoded_message_decodes_to_itself() -> None:
    message = InteractionMessage(
        "e1", "acme", "identify", identifiers=[WireIdentifier("email", "a@b.example", "work")], traits={"n": 2**70}
    )
    found, identifiers = read(encode(message))
    assert msgspec.structs.asdict(found) | {"identifiers": identifiers} == msgspec.structs.asdict(message)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param(b"", "empty_value", id="poison-1"),
        pytest.param(None, "null_value", id="poison-2"),
        pytest.param(body(event_id="?").replace(b"?", b"\xff"), "invalid_utf8", id="poison-3"),
        pytest.param(body(unknown="?").replace(b"?", b"\xff"), "invalid_utf8", id="poison-3-in-an-unknown-field"),
        pytest.param(body(event_id="?").replace(b"?", b"\xed\xa0\x80"), "invalid_utf8", id="poison-3-surrogate-bytes"),
        pytest.param(body()[:-9], "truncated", id="poison-4"),
        pytest.param(body() + body(), "trailing_garbage", id="poison-5"),
        pytest.param(body() + b" x", "trailing_garbage", id="poison-5-garbage"),
        pytest.param(b"[]", "not_an_object", id="poison-6-array"),
        pytest.param(b"3", "not_an_object", id="poison-6-number"),
        pytest.param(b"null", "not_an_object", id="poison-6-null"),
        pytest.param(b'"text"', "not_an_object", id="poison-6-text"),
        pytest.param(body(traits="?").replace(b'"?"', b"[" * 100_000 + b"]" * 100_000), "nesting_too_deep", id="poison-7"),
        pytest.param(body(unknown="?").replace(b'"?"', b"[" * 100_000), "nesting_too_deep", id="poison-7-unknown-field"),
        pytest.param(b'{"a":' * 100_000, "nesting_too_deep", id="poison-7-objects"),
        pytest.param(body(traits={"n": "?"}).replace(b'"?"', b"9" * 10_000), "number_out_of_range", id="poison-8"),
        pytest.param(body(properties={"n": "?"}).replace(b'"?"', b"1e400"), "number_out_of_range", id="poison-9"),
        pytest.param(body(traits={"n": float("nan")}), "malformed_json", id="poison-9-nan"),
        pytest.param(body(traits={"n": float("inf")}), "malformed_json", id="poison-9-infinity"),
        pytest.param(body(event_id="\ud800"), "lone_surrogate", id="poison-11"),
        pytest.param(body(traits={"a": "\udc00 and a long text behind it"}), "lone_surrogate", id="poison-11-low"),
        pytest.param(body(unknown="\ud83d"), "lone_surrogate", id="poison-11-unknown-field"),
        pytest.param(body(type=...), "missing_type", id="poison-14"),
        pytest.param(body(type=" "), "missing_type", id="poison-14-blank"),
        pytest.param(body(event_id=...), "missing_event_id", id="poison-24"),
        pytest.param(body(event_id=""), "missing_event_id", id="poison-24-blank"),
        pytest.param(body(event_id="a\x00b"), "invalid_event_id", id="poison-12-event-id"),
        pytest.param(body(event_id="e" * 1_025), "invalid_event_id", id="long-event-id"),
        pytest.param(body(event_id="é" * 600), "invalid_event_id", id="long-event-id-in-bytes"),
        pytest.param(body(type="t\n"), "invalid_type", id="control-character-in-type"),
        pytest.param(body(channel="c" * 2_000), "invalid_channel", id="long-channel"),
        pytest.param(body(workspace=...), "missing_workspace", id="no-workspace"),
        pytest.param(body(workspace=""), "missing_workspace", id="blank-workspace"),
        pytest.param(body(assurance="decided"), "wrong_type", id="decided-is-no-assurance-of-an-event"),
        pytest.param(body(assurance=None), "wrong_type", id="null-assurance"),
        pytest.param(body(identifiers={}), "wrong_type", id="identifiers-not-a-list"),
        pytest.param(body(identifiers=["t1"]), "wrong_type", id="identifier-not-an-object"),
        pytest.param(body(traits=[1]), "wrong_type", id="traits-not-an-object"),
        pytest.param(body(event_id=7), "wrong_type", id="event-id-not-a-text"),
        pytest.param(body(identifiers=[token(n) for n in range(MAX_IDENTIFIERS + 1)]), "too_many_identifiers", id="poison-19"),
        pytest.param(body(asserts=[token(n) for n in range(MAX_IDENTIFIERS + 1)]), "too_many_identifiers", id="poison-19-asserted"),
        pytest.param(body(asserts="u1"), "wrong_type", id="asserts-not-a-list"),
        pytest.param(body(asserts=[]).replace(b"{", b'{"asserts":null,', 1), "duplicate_key", id="poison-10-asserts-twice"),
        pytest.param(
            body(asserts=[token("t1")]).replace(b'"t1"}]}', b'"t1","identifier":"t2"}]}'), "duplicate_key", id="poison-10-in-asserts"
        ),
        pytest.param(body(traits={str(n): n for n in range(MAX_TRAITS + 1)}), "too_many_traits", id="poison-28"),
        pytest.param(body(schema=0), "invalid_schema", id="schema-0"),
        pytest.param(b"\xef\xbb\xbf" + body(), "malformed_json", id="byte-order-mark"),
    ],
)
def test_what_is_no_interaction_is_refused_with_a_code_of_its_own(value: bytes | None, code: str) -> None:
    assert code_of(value) == code


def test_a_value_over_the_limit_is_refused_before_it_is_read() -> None:
    """Poison 34: our own limit decides, not the fetch size."""
    assert code_of(body(traits={"x": "y" * 500}), max_bytes=400) == "too_large"
    assert skim(body(), max_bytes=400)


@pytest.mark.parametrize("workspace", ["acme,beta", "Acme", "-acme", "a b", "a" * 64, "acmé", "acme\n"])
def test_a_workspace_that_is_no_slug_never_reaches_a_transaction(workspace: str) -> None:
    """A transaction sees the workspaces that a comma-separated setting names (S90): `acme,beta` would name two."""
    assert code_of(body(workspace=workspace)) == "invalid_workspace"


def test_depth_is_judged_on_the_text_wherever_the_caller_stands() -> None:
    """Poison 7: the decoder's own limit depends on the stack of its caller; ours does not."""

    def nested(levels: int) -> bytes:
        return body(traits={"x": "?"}).replace(b'"?"', b"[" * levels + b"]" * levels)

    assert read(nested(62))
    assert code_of(nested(63)) == "nesting_too_deep"
    assert read(body(traits={"x": "[" * 500}))


def test_a_version_from_the_future_is_told_apart_even_if_it_looks_different() -> None:
    """Poison 15: it is redriven after an upgrade, so it must not look like a damaged message."""
    assert code_of(body(schema=2)) == "unsupported_version"
    assert code_of(body(schema=3, identifiers={"by": "type"}, event_id=...)) == "unsupported_version"


@pytest.mark.parametrize(
    "value",
    [
        body().replace(b'"acme"', b'"acme","workspace":"beta"'),
        body().replace(b'"acme"', b'"acme","w\\u006frkspace":"beta"'),
        body().replace(b'"t1"', b'"t1","identifier":"t2"'),
        body().replace(b'"semantic_type"', b'"semantic_type":"email","semantic_type"', 1),
        body(assurance="claimed").replace(b'"claimed"', b'"claimed","assurance":"proved"'),
        body()[:-1] + b',"identifiers":[{"semantic_type":"email","identifier":"a@b.example"}]}',
        body()[:-1] + b',"proof":null,"proof":{"semantic_type":"email","identifier":"a@b.example","method":"otp"}}',
        body()[:-1] + b',"proof":{"semantic_type":"email","identifier":"a@b.example","identifier":"c@d.example","method":"otp"}}',
    ],
)
def test_a_key_named_twice_is_refused_where_it_decides_who_is_who(value: bytes) -> None:
    """Poison 10: readers disagree on which of two equal keys counts."""
    assert code_of(value) == "duplicate_key"


@pytest.mark.parametrize("field", ["proof", "asserts"])
def test_what_proves_and_asserts_nothing_is_not_looked_at_closely(field: str) -> None:
    """The close look costs more than all the rest, and the collector writes every field: here only it would see the trait named twice."""
    value = body(traits={"n": 1})[:-2].replace(b'"n": 1', b'"n": 1, "n": 2') + f'}},"{field}":null}}'.encode()
    assert read(value)[0].traits == {"n": 2}
    named = [token("t1")] if field == "asserts" else token("t1") | {"method": "otp"}
    assert code_of(value.replace(b"null", json.dumps(named).encode())) == "duplicate_key"


@pytest.mark.parametrize(
    "traits",
    [
        {"note": 'says "workspace": "beta" and "identifier": 1'},
        {"workspace": "a trait", "identifier": "another", "semantic_type": "third"},
        {"é": "\u0001", "name": "O\u0000K"},
    ],
)
def test_words_that_look_like_a_repeated_key_are_not_taken_for_one(traits: dict[str, object]) -> None:
    assert read(body(traits=traits))[0].traits == traits


@pytest.mark.parametrize("value", [1, 1.5, True, None, ["a"], {"a": 1}, "x" * 100_000, "a\u0000b", 1e21])
def test_an_identifier_of_any_kind_is_left_to_the_resolver(value: object) -> None:
    """Poison 16 and 18: it is sanitised or dropped there, and the event is kept (R21)."""
    assert read(body(identifiers=[token(value)]))[1][0].identifier == value


@pytest.mark.parametrize("value", [None, "yesterday", 17, -1.5, True, [], "99999-01-01T00:00:00Z"])
def test_a_time_of_any_kind_is_left_to_the_resolver(value: object) -> None:
    """Poison 23."""
    assert read(body(occurred_at=value))[0].occurred_at == value


def test_unknown_fields_types_and_channels_are_no_fault() -> None:
    """Poison 14, F53: an unknown type is kept, an unknown field ignored."""
    found, _ = read(body(type="wave", channel="fax", colour="blue"))
    assert (found.type, found.channel) == ("wave", "fax")


@pytest.mark.parametrize(
    ("identifiers", "key"),
    [
        ([WireIdentifier("email", "A@b.example"), WireIdentifier("anonymous_token", " T1 ")], "acme: T1 "),
        ([WireIdentifier("email", "A@b.example"), WireIdentifier("phone", "1")], "acme:A@b.example"),
        ([WireIdentifier("anonymous_token", None), WireIdentifier("user_id", 42)], "acme:42"),
        ([WireIdentifier("anonymous_token", " "), WireIdentifier("user_id", 42.0)], "acme:42"),
        ([WireIdentifier("anonymous_token", True), WireIdentifier("user_id", [1])], "acme:"),
        ([WireIdentifier("user_id", "zoë")], "acme:zoë"),
        ([], "acme:"),
    ],
)
def test_the_key_is_the_anonymous_token_as_given_else_the_first_identifier(identifiers: list[WireIdentifier], key: str) -> None:
    """product.md, section 5. One visitor's records keep their order."""
    assert key_of(encode(InteractionMessage("e1", "acme", "page", identifiers=identifiers))) == key.encode()


def test_other_messages_are_refused_with_the_same_codes() -> None:
    for value, code in (
        (None, "null_value"),
        (b"{}", "missing_event_id"),
        (b"[]", "not_an_object"),
        (b'{"schema":2}', "unsupported_version"),
    ):
        with pytest.raises(OnefoldError) as caught:
            decode(value, SegmentMembership)
        assert caught.value.code == code
