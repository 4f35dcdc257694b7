"""From SDK calls to interactions (product.md section 5; interfaces.md C1, Fields; R21 to R24)."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from onefold.access.keys import WriteKey
from onefold.http.collector.refusals import POLICY, SENTENCES, EventRefused
from onefold.http.collector.translate import RequestFacts, as_text, translate
from onefold.messages.times import time_text

if TYPE_CHECKING:
    from onefold.messages.interactions import InteractionMessage

PUBLIC = WriteKey(uuid.UUID(int=1), "acme", secret=False)
SECRET = WriteKey(uuid.UUID(int=2), "acme", secret=True)
RECEIVED = datetime(2026, 11, 1, 9, 30, 0, 120_000, tzinfo=UTC)


def facts(**changes: Any) -> RequestFacts:
    return RequestFacts(RECEIVED, time_text(RECEIVED), **changes)


def made(call: dict[str, Any], key: WriteKey = PUBLIC, *, path: str | None = None, **request: Any) -> InteractionMessage:
    return translate(json.loads(json.dumps(call)), json.dumps(call).encode(), key=key, request=facts(**request), forced_type=path)


def refusal(call: dict[str, Any], key: WriteKey = PUBLIC, path: str | None = None) -> EventRefused:
    with pytest.raises(EventRefused) as caught:
        made(call, key, path=path)
    return caught.value


def identifiers(message: InteractionMessage) -> list[tuple[str, object]]:
    return [(each.semantic_type, each.identifier) for each in message.identifiers]


def test_an_identify_call_becomes_an_interaction() -> None:
    """The example of product.md, section 5."""
    message = made(
        {
            "type": "identify",
            "messageId": "5b7e",
            "anonymousId": "d3a1",
            "userId": "u1",
            "traits": {"email": "Ann@Example.com", "phone": 4_912_345, "firstName": "Ann", "last_name": "Lee", "plan": "pro"},
            "context": {"device": {"id": "dev-1"}, "userAgent": "Firefox", "ip": "203.0.113.9"},
            "timestamp": "2026-11-01T09:29:58Z",
            "sentAt": "2026-11-01T09:29:59Z",
            "writeKey": "of_pub_x",
        }
    )
    assert identifiers(message) == [
        ("anonymous_token", "d3a1"),
        ("user_id", "u1"),
        ("email", "Ann@Example.com"),
        ("phone", 4_912_345),
        ("device_id", "dev-1"),
    ]
    assert (message.event_id, message.workspace, message.type, message.assurance) == ("5b7e", "acme", "identify", "claimed")
    assert message.traits == {"given_name": "Ann", "last_name": "Lee", "plan": "pro"}
    assert (message.occurred_at, message.received_at) == ("2026-11-01T09:29:59.120Z", "2026-11-01T09:30:00.120Z")
    assert message.context is not None
    assert message.context["user_agent"] == "Firefox"
    assert message.context["originalTimestamp"] == "2026-11-01T09:29:58Z"
    assert "of_pub_x" not in repr(message), "S60: the write key never reaches the topic"


def test_the_workspace_and_the_assurance_come_from_the_key_alone() -> None:
    """S88: what the body says about them is ignored."""
    call = {"userId": "u", "workspace": "other", "assurance": "proved", "proof": {"semantic_type": "user_id"}, "event": "x"}
    message = made(call, SECRET, path="track")
    assert (message.workspace, message.assurance, message.proof) == ("acme", "asserted", None)


def test_rudderstacks_traits_in_the_context_alone_are_read() -> None:
    """rudder-sdk-python puts identify traits into `context.traits` only (C1)."""
    message = made({"type": "identify", "userId": "u", "context": {"traits": {"email": "a@x.org", "name": "Ann Lee"}}, "channel": "server"})
    assert identifiers(message) == [("user_id", "u"), ("email", "a@x.org")]
    assert message.traits == {"name": "Ann Lee"}, "R23: the resolver splits it"
    assert message.channel == "server"


def test_remembered_traits_identify_but_set_nothing_outside_identify() -> None:
    """A browser's stale copy must not win over what a server knows (R12)."""
    message = made({"type": "track", "event": "x", "anonymousId": "a", "context": {"traits": {"email": "a@x.org", "plan": "old"}}})
    assert identifiers(message) == [("anonymous_token", "a"), ("email", "a@x.org")]
    assert message.traits is None


def test_one_value_named_twice_is_one_identifier_and_two_values_are_two() -> None:
    """`traits` and `context.traits` both count."""
    call = {"type": "identify", "userId": "u", "traits": {"email": "a@x.org"}, "context": {"traits": {"email": "a@x.org", "phone": "1"}}}
    assert identifiers(made(call)) == [("user_id", "u"), ("email", "a@x.org"), ("phone", "1")]
    call["context"] = {"traits": {"email": "b@x.org"}}
    assert ("email", "b@x.org") in identifiers(made(call))


def test_null_and_blank_mean_absent() -> None:
    """Python sends explicit nulls (C1)."""
    call = {"type": "page", "anonymousId": None, "userId": "  ", "previousId": None, "traits": None, "properties": None, "context": None}
    assert refusal(call).code == "missing_identifier"
    message = made({**call, "anonymousId": "a", "messageId": None, "timestamp": None, "name": None})
    assert identifiers(message) == [("anonymous_token", "a")]
    assert (message.traits, message.properties, message.name) == (None, None, None)


def test_a_groups_traits_are_the_organizations_not_the_persons() -> None:
    """Its e-mail is not the visitor's."""
    message = made({"type": "group", "userId": "u", "groupId": "acme-ltd", "traits": {"email": "info@acme.org", "name": "Acme Ltd"}})
    assert message.group == "acme-ltd"
    assert identifiers(message) == [("user_id", "u")]
    assert (message.traits, message.properties) == (None, {"traits": {"email": "info@acme.org", "name": "Acme Ltd"}})


@pytest.mark.parametrize("fields", [{"previousId": "old", "userId": "new"}, {"from": "old", "to": "new"}])
def test_an_alias_names_an_anonymous_token_and_a_user(fields: dict[str, str]) -> None:
    """Old browsers say `from` and `to`."""
    assert identifiers(made({"type": "alias", **fields}, SECRET)) == [("anonymous_token", "old"), ("user_id", "new")]


@pytest.mark.parametrize("type_", ["alias", "merge"])
@pytest.mark.parametrize("by_path", [True, False])
def test_alias_and_merge_are_taken_from_secret_keys_only(type_: str, by_path: bool) -> None:
    """S53, by path and inside a batch, before anything else of the call is looked at."""
    call: dict[str, Any] = {"previousId": "a", "userId": "b", "messageId": "m"} | ({} if by_path else {"type": type_})
    refused = refusal(call, PUBLIC, type_ if by_path else None)
    assert (refused.code, refused.message_id) == ("secret_key_required", "m")
    assert refused.code in POLICY


def test_an_alias_to_itself_is_left_out() -> None:
    """A6 row 20, numbers included."""
    assert refusal({"type": "alias", "previousId": 7, "userId": "7"}, SECRET).code == "alias_to_self"


def test_a_merge_names_its_identifiers_by_type() -> None:
    """RudderStack's types under our names; any other type is passed on."""
    properties = [{"type": "anonymousId", "value": "a"}, {"type": "email", "value": "a@x.org"}, {"type": "crm", "value": 5}]
    message = made({"userId": "u", "mergeProperties": properties}, SECRET, path="merge")
    assert identifiers(message) == [("anonymous_token", "a"), ("email", "a@x.org"), ("crm", 5), ("user_id", "u")]


@pytest.mark.parametrize(
    "named", [None, [], [{"type": "a", "value": "b"}], ["a", "b"], [{"type": "a"}] * 2, [{"type": "a", "value": "b"}] * 11]
)
def test_a_merge_without_two_to_ten_identifiers_is_refused(named: object) -> None:
    """A6 row 19: no fan-out bombs."""
    assert refusal({"mergeProperties": named}, SECRET, "merge").code == "invalid_merge"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ({"userId": "u"}, "invalid_type"),
        ({"type": 7, "userId": "u"}, "invalid_type"),
        ({"type": "a\x00b", "userId": "u"}, "invalid_type"),
        ({"type": "x" * 65, "userId": "u"}, "invalid_type"),
        ({"type": "page"}, "missing_identifier"),
        ({"type": "page", "userId": {"a": 1}, "anonymousId": ["b"]}, "missing_identifier"),
        ({"type": "track", "userId": "u"}, "missing_event"),
        ({"type": "track", "userId": "u", "event": " "}, "missing_event"),
        ({"type": "group", "userId": "u"}, "missing_group"),
        ({"type": "identify", "userId": "u", "traits": []}, "invalid_field"),
        ({"type": "page", "userId": "u", "context": "x"}, "invalid_field"),
        ({"type": "page", "userId": "u", "properties": 1}, "invalid_field"),
        ({"type": "page", "userId": "u", "messageId": "x" * 257}, "invalid_message_id"),
        ({"type": "page", "userId": "u", "messageId": "a\x00"}, "invalid_message_id"),
        ({"type": "page", "userId": "u", "messageId": {}}, "invalid_message_id"),
    ],
)
def test_what_cannot_be_taken_says_why(call: dict[str, Any], code: str) -> None:
    """A6 row 14 and the required fields of C1; each code has a sentence."""
    refused = refusal(call)
    assert refused.code == code
    assert str(refused) == SENTENCES[code]


def test_an_unknown_type_is_kept() -> None:
    """product.md section 5: unknown ones resolve all the same."""
    assert made({"type": "form", "userId": "u"}).type == "form"


def test_the_path_names_the_type() -> None:
    """So a track path cannot smuggle an alias in."""
    assert made({"type": "alias", "event": "x", "userId": "u", "previousId": "p"}, path="track").type == "track"


@pytest.mark.parametrize(
    ("call", "key", "channel"),
    [
        ({}, PUBLIC, "web"),
        ({"context": {"library": {"name": "analytics.js"}}}, PUBLIC, "web"),
        ({"context": {"library": {"name": "analytics-python"}}}, PUBLIC, "server"),
        ({"context": {"library": {"name": "analytics-kotlin"}}}, PUBLIC, "mobile"),
        ({"context": {"library": {"name": 5}}}, PUBLIC, "web"),
        ({"type": "screen"}, SECRET, "mobile"),
        ({}, SECRET, "server"),
        ({"channel": "mobile"}, SECRET, "mobile"),
        ({"channel": "sources"}, PUBLIC, "server"),
        ({"channel": "carrier pigeon"}, PUBLIC, "web"),
    ],
)
def test_the_channel_is_told_by_sdk_or_by_key(call: dict[str, Any], key: WriteKey, channel: str) -> None:
    """RudderStack's own is honoured."""
    assert made({"type": "page", "userId": "u", **call}, key).channel == channel


def test_the_same_call_without_an_id_is_the_same_event_if_it_is_dated() -> None:
    """A6 row 24: a retry of the same body counts once; two undated clicks are two."""
    dated = {"type": "page", "userId": "u", "timestamp": "2026-11-01T09:00:00Z"}
    assert made(dated).event_id == made(dated).event_id
    assert made(dated).event_id != made({**dated, "userId": "v"}).event_id
    undated = {"type": "page", "userId": "u"}
    assert made(undated).event_id != made(undated).event_id


def test_the_caller_is_the_visitor_only_where_the_key_is_public() -> None:
    """A server's own address and library are not its visitors'."""
    seen = {"ip": "203.0.113.7", "user_agent": "Firefox"}
    page = {"type": "page", "userId": "u"}
    assert made(page, PUBLIC, **seen).context == {"ip": "203.0.113.7", "user_agent": "Firefox"}
    assert made(page, SECRET, **seen).context is None
    direct = {**page, "context": {"direct": True, "ip": "10.0.0.1"}}
    assert made(direct, SECRET, **seen).context == {"direct": True, "ip": "203.0.113.7", "user_agent": "Firefox"}


def test_the_roots_context_and_integrations_are_merged_into_each_event() -> None:
    """C1, /v1/batch: the event's own win."""
    call = {"type": "page", "userId": "u", "context": {"locale": "de"}, "integrations": {"A": False}}
    message = made(call, SECRET, context={"locale": "en", "app": {"name": "x"}}, integrations={"All": True}, sent_at="2026-11-01T09:30:00Z")
    assert message.context == {
        "locale": "de",
        "app": {"name": "x"},
        "integrations": {"All": True, "A": False},
        "sentAt": "2026-11-01T09:30:00Z",
    }


def test_one_event_does_not_write_into_the_context_of_the_next() -> None:
    """The root's context is shared."""
    shared = {"locale": "en"}
    made({"type": "page", "userId": "u", "timestamp": "2026-11-01T09:00:00Z"}, context=shared, ip="1.2.3.4")
    assert shared == {"locale": "en"}


def test_page_names_and_categories_are_kept() -> None:
    """The category joins the properties, which win."""
    message = made({"type": "page", "userId": "u", "name": "Home", "category": "Docs", "properties": {"path": "/"}})
    assert (message.name, message.properties) == ("Home", {"category": "Docs", "path": "/"})


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), (1, "1"), (1.0, "1"), (1.5, None), (True, None), (" ", None), ([], None), (None, None)]
)
def test_numbers_become_text_by_one_rule(value: object, text: str | None) -> None:
    """R21."""
    assert as_text(value) == text
