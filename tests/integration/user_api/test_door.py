"""What every call of the User API goes through: who calls, may they, was it answered before, the log, and what errors look like."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from fastapi import APIRouter

from onefold.errors import ConfigurationError
from onefold.http.user_api.door import DoorRoute
from onefold.records import log

if TYPE_CHECKING:
    import httpx

    from onefold.records.store import Store
    from tests.support.apis import Api

pytestmark = pytest.mark.asyncio

NEW = {"email": "ben@example.com", "roles": ["coach"]}


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == answer.status_code
    assert told["type"] == f"urn:onefold:problem:{told['code']}"
    return answer.status_code, told["code"]


async def test_s75_a_route_that_declares_no_permission_does_not_start() -> None:
    router = APIRouter(route_class=DoorRoute)
    with pytest.raises(ConfigurationError, match="declares no permission"):

        @router.get("/open")
        async def everything() -> None: ...


async def test_without_a_credential_nothing_is_shown(api: Api) -> None:
    """S75: deny by default; a credential that is none says so alike."""
    async with api.client() as nobody, api.client("of_srv_" + "0" * 43) as forged:
        assert problem(await nobody.get("/users")) == (401, "not_signed_in")
        assert problem(await forged.get("/users")) == (401, "not_signed_in")
        assert problem(await nobody.get("/users", headers={"cookie": "__Host-onefold=" + "A" * 43})) == (401, "not_signed_in")


async def test_s31_a_foreign_and_a_missing_object_are_the_same_404(api: Api) -> None:
    """S31, S77: byte for byte, but for the request's id."""
    foreign = await api.user("coach", workspace="other")
    async with api.as_role("super_admin") as client:
        answers = [await client.get(f"/users/{each}", headers={"x-request-id": "r1"}) for each in (foreign.user_id, uuid4())]
        assert [problem(each) for each in answers] == [(404, "not_found")] * 2
        assert answers[0].content == answers[1].content
        assert dict(answers[0].headers) == dict(answers[1].headers)
        edits = [
            await client.patch(f"/users/{each}", json={"given_name": "x"}, headers={"if-match": "*"}) for each in (foreign.user_id, uuid4())
        ]
        assert [problem(each) for each in edits] == [(404, "not_found")] * 2


async def test_s88_the_workspace_is_that_of_the_credential_alone(api: Api) -> None:
    """S88: a header, a parameter or a body that names another is refused or ignored."""
    await api.user("coach", workspace="other", email="canary@example.com")
    async with api.as_role("super_admin") as client:
        listed = await client.get("/users", headers={"x-workspace": "other", "onefold-workspace": "other"})
        assert "canary" not in listed.text
        assert problem(await client.get("/users", params={"workspace": "other"})) == (422, "unknown_parameter")
        assert problem(await client.post("/users", json={**NEW, "workspace": "other"})) == (422, "invalid")


async def test_s85_an_idempotency_key_replays_refuses_and_keeps_apart(api: Api) -> None:
    """S85: the same call is answered the same and done once; another call under the key is 422; another caller's key is another key."""
    async with api.as_role("super_admin") as client, api.as_role("super_admin") as other:
        headers = {"idempotency-key": "k1"}
        first, again = [await client.post("/users", json=NEW, headers=headers) for _ in range(2)]
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.content == again.content
        assert again.headers["idempotency-replayed"] == "true"
        assert again.headers["etag"] == first.headers["etag"]
        assert problem(await client.post("/users", json={**NEW, "given_name": "Ben"}, headers=headers)) == (422, "idempotency_key_reused")
        assert problem(await other.post("/users", json=NEW, headers=headers)) == (409, "already_exists")
        found = (await client.get("/users", params={"role": "coach"})).json()["items"]
        assert [each["email"] for each in found] == ["ben@example.com"]
        assert problem(await client.post("/users", json=NEW, headers={"idempotency-key": "x" * 201})) == (422, "invalid_idempotency_key")


async def test_s85_of_calls_at_once_under_one_key_one_is_done(api: Api) -> None:
    """S85: concurrent ones get 409, or the answer if it is there by then."""
    async with api.as_role("super_admin") as client:
        calls = [client.post("/users", json=NEW, headers={"idempotency-key": "k1"}) for _ in range(8)]
        answers = await asyncio.gather(*calls)
        assert {each.status_code for each in answers} <= {201, 409}
        assert sum(each.status_code == 201 and "idempotency-replayed" not in each.headers for each in answers) == 1
        assert all(problem(each) == (409, "in_progress") for each in answers if each.status_code == 409)


async def test_a_refused_call_keeps_nothing_under_its_key(api: Api) -> None:
    """S85: what was refused may be tried again under the same key."""
    async with api.as_role("super_admin") as client:
        headers = {"idempotency-key": "k1"}
        assert problem(await client.post("/users", json={**NEW, "email": "nobody"}, headers=headers)) == (422, "invalid_email")
        assert (await client.post("/users", json=NEW, headers=headers)).status_code == 201


async def test_s84_a_write_says_which_version_it_was_made_for(api: Api) -> None:
    """S84: without If-Match 428, with an old one 412, with the present one it is done."""
    user = await api.user("coach")
    async with api.as_role("super_admin") as client:
        seen = await client.get(f"/users/{user.user_id}")
        edit = {"given_name": "Bea"}
        assert problem(await client.patch(f"/users/{user.user_id}", json=edit)) == (428, "if_match_needed")
        done = await client.patch(f"/users/{user.user_id}", json=edit, headers={"if-match": seen.headers["etag"]})
        assert (done.status_code, done.headers["etag"]) == (200, '"2"')
        assert problem(await client.patch(f"/users/{user.user_id}", json=edit, headers={"if-match": '"1"'})) == (412, "version_conflict")
        assert problem(await client.patch(f"/users/{user.user_id}", json=edit, headers={"if-match": "x"})) == (422, "invalid_if_match")


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"{", {"content-type": "application/json"}, (400, "malformed_json")),
        (b"[" * 100_000, {"content-type": "application/json"}, (400, "malformed_json")),
        (b'{"email": NaN}', {"content-type": "application/json"}, (400, "malformed_json")),
        (json.dumps(NEW).encode(), {"content-type": "text/plain"}, (415, "json_only")),
        (b" " * 1_000_001, {"content-type": "application/json"}, (413, "too_large")),
        (b"[]", {"content-type": "application/json"}, (422, "invalid")),
        (json.dumps({**NEW, "colour": 1}).encode(), {"content-type": "application/json"}, (422, "invalid")),
    ],
    ids=["cut off", "deep", "NaN", "S63 text", "large", "list", "S78 unknown field"],
)
async def test_a_body_that_cannot_be_used_is_refused(api: Api, body: bytes, headers: dict[str, str], expected: tuple[int, str]) -> None:
    """S63, S78: JSON only, known fields only, and no larger than a bound."""
    async with api.as_role("super_admin") as client:
        assert problem(await client.post("/users", content=body, headers=headers)) == expected


@pytest.mark.parametrize(
    ("headers", "is_let_in"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"origin": "https://api.test"}, True),
        ({"origin": "https://evil.test"}, False),
        ({"origin": "null"}, False),
        ({}, True),
    ],
)
async def test_a_page_of_another_site_does_nothing_with_a_session(api: Api, headers: dict[str, str], is_let_in: bool) -> None:
    """Cross-site requests: by Sec-Fetch-Site, or the Origin where there is none."""
    async with api.signed_in(await api.user("super_admin")) as client:
        answer = await client.post("/users", json=NEW, headers=headers)
        assert answer.status_code == (201 if is_let_in else 403)


async def test_s86_pages_are_bounded_and_cursors_are_ours(api: Api) -> None:
    """S86: limits from 1 to 200, and a cursor of another list, or of nobody, is refused."""
    for number in range(5):
        await api.user("coach", email=f"u{number}@example.com")
    async with api.as_role("super_admin") as client:
        seen: list[str] = []
        cursor = None
        while True:
            params: dict[str, Any] = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            page = (await client.get("/users", params=params)).json()
            assert len(page["items"]) <= 2
            seen += [each["email"] for each in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 6
        for limit in (0, 201, "x"):
            assert problem(await client.get("/users", params={"limit": limit})) == (422, "invalid")
        for bad in ("x", "W10", "bnVsbA", "=", "ä"):
            assert problem(await client.get("/users", params={"cursor": bad})) == (422, "invalid_cursor")


async def test_no_such_path_and_no_such_method_are_problems_too(api: Api) -> None:
    async with api.as_role("super_admin") as client:
        assert problem(await client.get("/nothing")) == (404, "not_found")
        assert problem(await client.put("/users")) == (405, "wrong_method")


async def test_an_answer_may_be_kept_by_nobody_and_framed_nowhere(api: Api) -> None:
    async with api.as_role("super_admin") as client:
        for answer in (await client.get("/users"), await client.get(f"/users/{uuid4()}")):
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


async def test_s99_what_is_done_is_in_the_log_with_who_and_from_where(api: Api, store: Store) -> None:
    """S99: actor, action, what was different, address, agent and request; and the chain holds."""
    async with api.as_role("super_admin") as client:
        headers = {"x-request-id": "req-1", "user-agent": "test/1"}
        made = (await client.post("/users", json=NEW, headers=headers)).json()
        await client.patch(f"/users/{made['user_id']}", json={"roles": ["master"]}, headers={"if-match": '"1"'})
        entries = (await client.get("/log", params={"object_id": made["user_id"]})).json()["items"]
    assert [each["action"] for each in entries] == ["updated", "created"]
    edited, created = entries
    assert edited["changes"] == [{"type": "field", "slug": "roles", "old_value": ["coach"], "new_value": ["master"]}]
    assert (created["address"], created["user_agent"], created["request_id"]) == ("192.0.2.7", "test/1", "req-1")
    assert created["actor"].startswith("user:")
    async with store.transaction(["acme"]) as connection:
        chain = [each async for each in log.chain(connection, "acme")]
        previous = log.START
        for entry in chain:
            assert entry.previous == previous
            assert entry.hash == log.hash_of("acme", entry)
            previous = entry.hash
        assert await log.head(connection, "acme") == (chain[-1].seq, previous)


async def test_what_fails_leaves_nothing_behind_and_says_nothing_of_itself(store: Store) -> None:
    """S96: a fault of ours is 500, told to the log by the request's id, without a word of what it was."""
    from tests.support.apis import api_on  # noqa: PLC0415

    async with api_on(store) as api, api.as_role("super_admin") as client:
        async with store.connection() as connection:
            assert connection is not None
        api.app.state.parts.passwords.close()
        body = {"workspace": "acme", "email": "a@example.com", "password": "x"}
        answer = await client.post("/session", json=body)
        assert problem(answer) == (500, "internal")
        assert "executor" not in answer.text
        assert [str(each) for each in api.failures] == ["cannot schedule new futures after shutdown"]
        api.failures.clear()
