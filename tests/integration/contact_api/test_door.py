"""Who may call the Contact API from where, how often, and who may read its answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from onefold.access import keys
from onefold.http.contact_api.app import routes
from onefold.http.contact_api.door import Limits
from onefold.http.rates import Rates
from tests.support.contact_apis import SITE, contact_api_on, public_key

if TYPE_CHECKING:
    from onefold.records.store import Store
    from tests.support.contact_apis import ContactApi

LEAD = {"email": "ann@example.com"}


@pytest.mark.asyncio
async def test_only_a_public_key_that_lives_opens_the_door(api: ContactApi, store: Store) -> None:
    """S57, S60: every route; a secret key in a page is told to be replaced."""
    async with store.transaction(["acme"]) as connection:
        secret = (await keys.create_key(connection, "acme", "secret", "server")).text
    for method, path, _ in routes():
        path = re.sub(r"\{\w+\}", "00000000-0000-4000-8000-000000000000", path.removeprefix("/contact/v1"))  # noqa: PLW2901
        for key, code in (("", "missing_key"), ("of_pub_" + "x" * 43, "unknown_key"), (secret, "secret_key"), ("of_srv_x", "secret_key")):
            async with api.client(api_key=key) as client:
                answer = await client.request(method, path, json=LEAD)
                assert (answer.status_code, answer.json()["code"]) == (401, code), (method, path)
    assert await api.said() == []


@pytest.mark.asyncio
async def test_a_key_counts_on_its_own_pages_and_only_they_can_read_the_answer(api: ContactApi, store: Store) -> None:
    """Product-facts 2.3: allowed URLs with wildcards, and addresses. Credentials never go with `*`."""
    key = await public_key(store, allowed_urls=["https://*.example.com/*"], allowed_addresses=["192.0.2.0/24"])
    for address, origin, status in (
        ("192.0.2.7", SITE, 202),
        ("192.0.2.7", "https://example.com", 403),
        ("192.0.2.7", "https://evil.test", 403),
        ("203.0.113.7", SITE, 403),
    ):
        async with api.client(api_key=key, origin=origin, address=address) as client:
            answer = await client.post("/leads", json=LEAD)
            assert answer.status_code == status, (address, origin)
            assert answer.headers["vary"] == "origin"
            assert answer.headers["access-control-allow-origin"] == origin
            assert "retry-after" in answer.headers["access-control-expose-headers"]
    async with api.client() as client:
        asked = await client.options("/leads", headers={"access-control-request-method": "POST"})
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, SITE)
        assert {"api-key", "authorization", "content-type"} <= set(asked.headers["access-control-allow-headers"].split(", "))
    assert len(await api.said()) == 1


@pytest.mark.asyncio
async def test_calls_are_limited_by_key_by_place_and_overall(store: Store) -> None:
    """S32: 429 says when there is room; another address, or another key, is not held up by what one does."""
    for limits, others in (
        (Limits(per_place=Rates(0.5, 2)), [202, 202]),
        (Limits(per_key=Rates(0.5, 2)), [429, 202]),
        (Limits(overall=Rates(0.5, 2)), [429, 429]),
    ):
        async with contact_api_on(store, limits=limits) as api:
            async with api.client() as client:
                answers = [await client.post("/leads", json=LEAD) for _ in range(3)]
            assert [each.status_code for each in answers] == [202, 202, 429]
            assert 1 <= int(answers[-1].headers["retry-after"]) <= 2
            found = []
            for address, key in (("203.0.113.9", api.key), ("198.51.100.9", await public_key(store))):
                async with api.client(address=address, api_key=key) as client:
                    found.append((await client.post("/leads", json=LEAD)).status_code)
            assert found == others
    rates = Rates(1, 1, now=lambda: 0.0)
    assert [rates.take("2001:db8::/64") is None for _ in range(2)] == [True, False]


@pytest.mark.asyncio
async def test_what_cannot_be_read_says_why(api: ContactApi) -> None:
    async with api.client() as client:
        for content, kind, status, code in (
            (b"{", "application/json", 400, "malformed_json"),
            (b"{}", "text/plain", 415, "json_only"),
            (b'"' + b"x" * 100_000 + b'"', "application/json", 413, "too_large"),
            (b'{"email": "ann@example.com", "type": "vendor"}', "application/json", 422, "invalid"),
            (b'{"email": "ann"}', "application/json", 422, "invalid_email"),
            (b"{}", "application/json", 422, "empty_lead"),
            (b'{"name": "Ann", "anonymous_token": "a b"}', "application/json", 422, "invalid"),
        ):
            answer = await client.post("/leads", content=content, headers={"content-type": kind})
            assert (answer.status_code, answer.json()["code"]) == (status, code), content[:60]
        assert (await client.post("/leads?email=a@example.com", json=LEAD)).status_code == 422
        assert (await client.get("/leads")).headers["allow"] == "POST"
        assert (await client.get("/nothing")).status_code == 404
    assert await api.said() == []
