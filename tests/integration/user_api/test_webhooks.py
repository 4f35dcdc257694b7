"""Webhooks in the User API (S58, S87, S88, S94, S99)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import pytest_asyncio

from onefold.workspace.webhook_secrets import SigningSecrets
from onefold.workspace.webhooks import MOST_WEBHOOKS, Rules
from tests.support.apis import Api, api_on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from onefold.records.store import Store

URL = "https://crm.example.com/hook?token=hunter2"
MADE = {"title": "CRM", "url": URL, "kinds": ["contact.changed"], "fields": ["email"]}


@pytest_asyncio.fixture
async def api(store: Store) -> AsyncIterator[Api]:
    async with api_on(store, webhooks=Rules(SigningSecrets({1: b"w" * 32}))) as api:
        yield api


async def make(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await client.post("/webhooks", json={**MADE, **changes})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.asyncio
async def test_s58_a_secret_is_shown_once_and_lies_nowhere(api: Api) -> None:
    """S58, S85, S99: not in a later answer, in a repeat under an idempotency key, in the log, or in a row."""
    async with api.as_role("master") as client:
        key = {"idempotency-key": "once"}
        first = (await client.post("/webhooks", json=MADE, headers=key)).json()
        assert first["secret"].startswith("whsec_")
        again = (await client.post("/webhooks", json=MADE, headers=key)).json()
        assert again == {**first, "secret": None}
        rotated = (await client.post(f"/webhooks/{first['webhook_id']}/rotate", json={})).json()
        assert rotated["secret"] not in {None, first["secret"]}
        told = (await client.get("/webhooks")).text + (await client.get("/log")).text
    for secret in (first["secret"], rotated["secret"]):
        assert secret not in told
        async with api.store.transaction(["acme"]) as connection:
            for table in ("webhooks", "webhook_secrets", "idempotency_keys", "log_details"):
                assert await connection.fetchval(f"select count(*) from {table} t where strpos(t::text, $1) > 0", secret[6:40]) == 0, table  # noqa: S608


@pytest.mark.asyncio
async def test_a_webhook_is_edited_tried_disabled_and_deleted_and_the_log_tells_it(api: Api) -> None:
    """S97, S99: what a URL says behind its question mark stays out of the log."""
    async with api.as_role("super_admin") as client:
        made = await make(client)
        path = f"/webhooks/{made['webhook_id']}"
        edited = await client.patch(path, json={"url": "https://crm.example.com/other?token=hunter3", "segments": ["vip"], "title": None})
        assert (edited.json()["segments"], edited.json()["title"]) == (["vip"], "CRM")
        ping = (await client.post(f"{path}/test")).json()
        assert (ping["kind"], ping["state"], ping["attempts"]) == ("ping", "waiting", 0)
        assert (await client.get(f"{path}/deliveries")).json()["items"] == [ping]
        assert (await client.post(f"{path}/deliveries/{ping['delivery_id']}/resend")).json() == ping, "it waits already"
        assert (await client.post(f"{path}/deliveries/{uuid4()}/resend")).status_code == 404
        assert (await client.patch(path, json={"is_enabled": False})).json()["is_enabled"] is False
        for call in (f"{path}/test", f"{path}/deliveries/{ping['delivery_id']}/resend"):
            refused = await client.post(call)
            assert (refused.status_code, refused.json()["code"]) == (409, "webhook_disabled")
        assert (await client.delete(path)).status_code == 204
        assert (await client.get(path)).status_code == 404
        log = (await client.get("/log?object_type=webhooks")).json()["items"]
    assert [each["action"] for each in log] == ["destroyed", "updated", "resent", "tested", "updated", "created"]
    assert "hunter" not in str(log)
    assert "crm.example.com/other" in str(log)


@pytest.mark.asyncio
async def test_what_is_no_webhook_is_refused(api: Api) -> None:
    """S87: plain HTTP among it; `allows_http` of installations that name networks is for the sender to narrow."""
    async with api.as_role("super_admin") as client:
        wrongs: list[dict[str, Any]] = [
            {"url": "http://crm.example.com/"}, {"url": "https://user:pass@crm.example.com/"}, {"url": "https://crm.example.com/#a"}, {"kinds": []},
            {"kinds": ["interaction"]}, {"fields": [""]}, {"title": " "}, {"secret": "mine"}, {"segments": ["a\0b"]}, {"url": "file:///etc/passwd"},
        ]  # fmt: skip
        for wrong in wrongs:
            answer = await client.post("/webhooks", json={**MADE, **wrong})
            assert answer.status_code == 422, (wrong, answer.text)
        path = f"/webhooks/{(await make(client))['webhook_id']}"
        assert (await client.patch(path, json={"url": "http://crm.example.com/"})).status_code == 422
        for _ in range(3):
            assert (await client.post(f"{path}/rotate", json={})).status_code == 201
        assert (await client.post(f"{path}/rotate", json={})).json()["code"] == "too_many"
        assert (await client.post(f"{path}/rotate", json={"overlap_hours": 0})).status_code == 201
        for _ in range(MOST_WEBHOOKS - 1):
            await make(client)
        assert (await client.post("/webhooks", json=MADE)).json()["code"] == "too_many"


@pytest.mark.asyncio
async def test_s94_nobody_sees_or_moves_another_workspaces_webhooks(api: Api) -> None:
    """S88, S94."""
    async with api.as_role("super_admin") as client, api.as_role("super_admin", workspace="other") as stranger:
        made = await make(client)
        path = f"/webhooks/{made['webhook_id']}"
        ping = (await client.post(f"{path}/test")).json()
        assert (await stranger.get("/webhooks")).json() == []
        for method, call in (
            ("GET", path), ("PATCH", path), ("DELETE", path), ("POST", f"{path}/rotate"), ("POST", f"{path}/test"),
            ("GET", f"{path}/deliveries"), ("POST", f"{path}/deliveries/{ping['delivery_id']}/resend"),
        ):  # fmt: skip
            answer = await stranger.request(method, call, json={} if method in {"PATCH", "POST"} else None)
            assert answer.status_code == 404, call
        assert (await client.get(f"{path}/deliveries")).json()["items"] == [ping]


@pytest.mark.asyncio
async def test_an_installation_without_secrets_makes_no_webhooks(store: Store) -> None:
    async with api_on(store) as api, api.as_role("super_admin") as client:
        refused = await client.post("/webhooks", json=MADE)
        assert (refused.status_code, refused.json()["code"]) == (409, "webhooks_not_set_up")
        assert (await client.get("/webhooks")).json() == []
