"""Identity tokens at the collector's door: what they raise, what they do not, and that none goes on (S47, S50, S51, S97, S100)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from onefold.errors import StoreUnavailable
from onefold.http.collector.app import MANY, ONE
from tests.support.asking import PUBLIC, SECRET, STRICT, Reply, ask, refused_well
from tests.support.signing import Server

if TYPE_CHECKING:
    import uuid

    from onefold.access.identity_keys import IdentityKey

ACME, OTHER = Server(), Server("beta")
CALL: dict[str, Any] = {"type": "identify", "messageId": "m1", "userId": "u1", "anonymousId": "d3a1", "traits": {"plan": "pro"}}
TAKEN_FROM_PUBLIC_KEYS = [path for path, type_ in ONE.items() if type_ not in {"alias", "merge"}]


async def find(workspace: str, key_id: uuid.UUID) -> IdentityKey | None:
    """Both workspaces' keys, each in its own."""
    return next((each.key() for each in (ACME, OTHER) if (each.workspace, each.key_id) == (workspace, key_id)), None)


def token(server: Server = ACME, **claims: Any) -> str:
    """A token that counts now."""
    return server.token(datetime.now(UTC), **claims)


async def show(call: dict[str, Any], text: str, **more: Any) -> Reply:
    """A call with its token in the header."""
    return await ask("/v1/identify", call, headers={"X-Identity-Token": text, **more.pop("headers", {})}, find=find, **more)


def message_of(reply: Reply) -> Any:
    """The one interaction that came of it."""
    [(_, message)] = reply.records
    return message


def why(reply: Reply) -> list[str]:
    """The reasons for which calls were taken as claims only."""
    return [each["code"] for each in reply.body.get("not_asserted", [])]


@pytest.mark.asyncio
@pytest.mark.parametrize("path", TAKEN_FROM_PUBLIC_KEYS)
async def test_a_token_raises_the_calls_of_its_visitor(path: str) -> None:
    """S50, product.md 4: asserted, for what the token names; nothing in the answer then tells it apart (S30)."""
    call = {**CALL, "event": "x", "groupId": "g"}
    reply = await ask(path, call, headers={"X-Identity-Token": token()}, find=find)
    message = message_of(reply)
    assert reply.body == {"success": True}
    assert message["assurance"] == "asserted"
    assert message["asserts"] == [{"semantic_type": "user_id", "identifier": "u1"}]


@pytest.mark.asyncio
@pytest.mark.parametrize("path", sorted(MANY))
async def test_a_batch_has_one_token_for_all_or_one_each(path: str) -> None:
    """C1: a beacon and an SDK set no header, so a context may carry it; a call's own goes before the batch's."""
    mine, theirs = {**CALL, "messageId": "m2"}, {**CALL, "userId": "u2", "context": {"identityToken": token(sub="u2")}}
    reply = await ask(path, {"batch": [mine, theirs, CALL | {"userId": "u3"}], "context": {"identityToken": token()}}, find=find)
    assert [message["assurance"] for _, message in reply.records] == ["asserted", "asserted", "claimed"]
    assert (reply.body["accepted"], reply.body["rejected"]) == (3, [])
    assert [(each["index"], each["code"]) for each in reply.body["not_asserted"]] == [(2, "token_for_someone_else")]


@pytest.mark.asyncio
async def test_no_token_ever_lies_on_the_topic() -> None:
    """S97: whatever the key, and wherever the token came."""
    text = token()
    for key in (PUBLIC, SECRET):
        for body in (
            {"batch": [CALL], "context": {"identityToken": text}},
            {"batch": [{**CALL, "context": {"identityToken": text, "locale": "de"}}]},
        ):
            reply = await ask("/v1/batch", body, key=key, headers={"X-Identity-Token": text}, find=find)
            assert message_of(reply)["assurance"] == "asserted"
            assert text not in json.dumps(message_of(reply))


@pytest.mark.asyncio
async def test_a_token_for_someone_else_raises_nothing() -> None:
    """Confused device: the page of one visitor sends the token of another, or names nobody; the latter is no mistake."""
    for user_id, reasons in (("u2", ["token_for_someone_else"]), (None, [])):
        reply = await show({**CALL, "userId": user_id}, token(anonymous_id="d3a1"))
        assert (message_of(reply)["assurance"], message_of(reply)["asserts"]) == ("claimed", None)
        assert why(reply) == reasons
    assert message_of(await show({**CALL, "userId": 7}, token(sub="7")))["assurance"] == "asserted", "numbers are texts (R21)"


@pytest.mark.asyncio
async def test_a_token_for_one_device_raises_nothing_on_another() -> None:
    """Replayed: a token that names its anonymous id does nothing beside another, or beside none."""
    bound = token(anonymous_id="d3a1")
    assert {"semantic_type": "anonymous_token", "identifier": "d3a1"} in message_of(await show(CALL, bound))["asserts"]
    for other in ("thief", None):
        reply = await show({**CALL, "anonymousId": other}, bound)
        assert (message_of(reply)["assurance"], why(reply)) == ("claimed", ["token_for_someone_else"])


@pytest.mark.asyncio
async def test_a_replayed_token_asserts_no_device() -> None:
    """Replayed: without an anonymous id it raises the user id alone, so the thief's device joins as the claim that typing makes."""
    message = message_of(await show({**CALL, "anonymousId": "thief", "context": {"device": {"id": "thief-2"}}}, token()))
    assert message["asserts"] == [{"semantic_type": "user_id", "identifier": "u1"}]


@pytest.mark.asyncio
async def test_a_page_cannot_add_to_what_its_token_names() -> None:
    """Bridging, alias: a stranger's e-mail beside one's own token is not asserted."""
    call = {**CALL, "traits": {"email": "victim@example.com", "phone": "+4915112345678"}}
    assert [each["semantic_type"] for each in message_of(await show(call, token()))["asserts"]] == ["user_id"]
    both = message_of(await show(call, token(email="u1@example.com")))
    assert {"semantic_type": "email", "identifier": "u1@example.com"} in both["asserts"]
    assert {"semantic_type": "email", "identifier": "victim@example.com"} not in both["asserts"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("text", "code"),
    [
        (ACME.token(datetime.now(UTC) - timedelta(hours=2)), "token_expired"),
        (OTHER.token(datetime.now(UTC), iss="acme"), "token_unknown_key"),
        (ACME.token(datetime.now(UTC)).rpartition(".")[0] + ".", "token_bad_signature"),
        ("", "token_malformed"),
    ],
)
async def test_a_token_that_does_not_count_leaves_a_claim_and_says_why(text: str, code: str) -> None:
    """S51: never a silent skip. Refusing would lose the event (I1) and stop nobody, who could leave the token away."""
    reply = await show(CALL, text)
    assert (reply.status, reply.body["accepted"], message_of(reply)["assurance"]) == (200, 1, "claimed")
    assert [(each["index"], each["messageId"], each["code"]) for each in reply.body["not_asserted"]] == [(0, "m1", code)]
    refused_well(await show(CALL, text, headers={"X-Strict-Mode": "1"}), 401, "events_refused")


@pytest.mark.asyncio
@pytest.mark.parametrize("odd", [7, True, {"a": 1}, ["x"]])
async def test_a_token_that_is_no_text_does_not_count(odd: object) -> None:
    """A6: whatever stands in the field."""
    reply = await ask("/v1/identify", {**CALL, "context": {"identityToken": odd}}, find=find)
    assert (message_of(reply)["assurance"], why(reply)) == ("claimed", ["token_malformed"])


@pytest.mark.asyncio
@pytest.mark.parametrize("path", [*TAKEN_FROM_PUBLIC_KEYS, *sorted(MANY)])
async def test_a_key_that_requires_tokens_takes_nobodys_name_without_one(path: str) -> None:
    """S50, enforce mode: refused on every path, batch included; whoever says nothing of a person needs no token."""
    for naming in ({"userId": "u1"}, {"traits": {"email": "a@example.com"}}, {"context": {"traits": {"phone": "+4915112345678"}}}):
        call = {"type": "identify", "event": "x", "groupId": "g", "anonymousId": "a", **naming}
        if "traits" in naming and ONE.get(path) == "group":
            continue  # the traits of a group are the organization's
        reply = await ask(path, {"batch": [call]} if path in MANY else call, key=STRICT, find=find)
        assert (reply.status, reply.records) == (200, [])
        assert [each["code"] for each in reply.body["rejected"]] == ["identity_token_required"]
    nobody = {"type": "track", "event": "x", "groupId": "g", "anonymousId": "a"}
    assert len((await ask(path, {"batch": [nobody]} if path in MANY else nobody, key=STRICT, find=find)).records) == 1


@pytest.mark.asyncio
async def test_a_key_that_requires_tokens_takes_what_they_name_and_no_more() -> None:
    """S50, S51, enforce mode: an empty, expired or foreign token is as none; an e-mail that it does not name is refused."""
    assert message_of(await show(CALL, token(), key=STRICT))["assurance"] == "asserted"
    expired = ACME.token(datetime.now(UTC) - timedelta(hours=2))
    for text in ("", expired, token(OTHER, iss="acme"), token(sub="u2")):
        reply = await show(CALL, text, key=STRICT)
        assert ([each["code"] for each in reply.body["rejected"]], reply.records) == (["identity_token_required"], [])
        assert len(why(reply)) == 1, "and says what is wrong with the token"
    more = {**CALL, "traits": {"email": "victim@example.com"}}
    assert (await show(more, token(), key=STRICT)).records == []
    assert len((await show(more, token(email="victim@example.com"), key=STRICT)).records) == 1
    refused_well(await show(CALL, expired, key=STRICT, headers={"X-Strict-Mode": "1"}), 401, "events_refused")


@pytest.mark.asyncio
async def test_alias_and_merge_need_a_secret_key_whatever_the_token() -> None:
    """S53."""
    call = {"type": "alias", "previousId": "victim", "userId": "u1"}
    reply = await ask("/v1/alias", call, headers={"X-Identity-Token": token()}, find=find)
    assert [each["code"] for each in reply.body["rejected"]] == ["secret_key_required"]


@pytest.mark.asyncio
async def test_a_secret_key_asserts_by_itself() -> None:
    """A token beside it narrows nothing and is not looked at."""
    message = message_of(await show({**CALL, "userId": "u2"}, "no token at all", key=SECRET))
    assert (message["assurance"], message["asserts"]) == ("asserted", None)


@pytest.mark.asyncio
async def test_a_store_that_cannot_say_which_keys_there_are_is_503() -> None:
    """F23: the SDK sends it again; what a token would have raised is not lost to a claim meanwhile."""

    async def deaf(_workspace: str, _key_id: uuid.UUID) -> IdentityKey | None:
        raise StoreUnavailable("no answer")

    refused_well(await ask("/v1/identify", CALL, headers={"X-Identity-Token": token()}, find=deaf), 503, "store_unavailable")
    assert (await ask("/v1/identify", CALL, find=deaf)).status == 200


@pytest.mark.asyncio
async def test_browsers_may_send_the_header() -> None:
    """C1, preflight."""
    reply = await ask("/v1/identify", method="OPTIONS", key=None)
    assert "x-identity-token" in reply.headers["access-control-allow-headers"]


@pytest.mark.asyncio
async def test_each_token_of_a_request_is_verified_once() -> None:
    """A batch of one page has one token, and a signature costs 0.1 ms."""
    asked = []

    async def counting(workspace: str, key_id: uuid.UUID) -> IdentityKey | None:
        asked.append(key_id)
        return await find(workspace, key_id)

    body = {"batch": [CALL] * 50, "context": {"identityToken": token()}}
    assert len((await ask("/v1/batch", body, find=counting)).records) == 50
    assert len(asked) == 1
