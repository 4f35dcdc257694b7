"""S70: whatever people write into names, traits, event names, tags and titles, a browser that opens an answer runs none of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from onefold.messages.times import to_milliseconds
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.records.shards import shard_count
from onefold.records.timeline import Entry, event_key, monday_of, store_entries
from onefold.records.timeline_weeks import Weeks
from tests.support.working import carry_out
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    import httpx

    from onefold.records.store import Store
    from tests.support.apis import Api

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "</script><svg/onload=alert(1)>",
    "javascript:alert(1)//",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "\u2028</title><iframe srcdoc='<script>alert(1)</script>'>",
    "data:text/html;base64,PHNjcmlwdD4=",
    "<!--<script>",
    "\x1b]0;alert\x07<b>",
)
EVERYTHING = " ".join(HOSTILE)
HARMLESS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


def is_harmless(answer: httpx.Response) -> bool:
    """Whether no browser makes a page of it: its type is no page's and is not guessed at, and were it one, nothing in it would run."""
    kind = answer.headers["content-type"].partition(";")[0]
    is_saved = answer.headers.get("content-disposition", "").startswith("attachment;")
    is_data = kind in {"application/json", "application/problem+json"} or (kind == "text/csv" and is_saved)
    return is_data and all(answer.headers.get(name) == value for name, value in HARMLESS.items())


async def happened(store: Store, contact_id: str) -> None:
    """An event of that name with that referrer, on the timeline of a contact."""
    at_ms = to_milliseconds(datetime.now(UTC))
    await Weeks(store, timedelta(days=400)).make({monday_of(at_ms)})
    async with store.transaction(["acme"]) as connection:
        tenure = await connection.fetchval("select tenure_id from identifiers where contact_id = $1 limit 1", contact_id)
        properties = json.dumps({"referrer": EVERYTHING})
        facts = ("e1", contact_id, "track", "web", EVERYTHING[:200], "seen", None, properties)
        await store_entries(connection, [Entry(event_key("acme", "e1"), "acme", 1, 0, 1, 1, at_ms, tenure, *facts)])


async def furnish(client: httpx.AsyncClient, store: Store) -> str:
    """A contact whose every text is hostile, by an interaction and by hand; gives its id."""
    traits: dict[str, Any] = {f"trait {number}": each for number, each in enumerate(HOSTILE)}
    seen = event("anonymous_token:t", "email:ann@example.com", fields={"given_name": EVERYTHING[:200]}, attributes=traits)
    async with store.transaction(["acme"]) as connection:
        resolution = Resolution(shards=await shard_count(store), numbers=TenureNumbers(), budget=1_000)
        (outcome,) = (await resolution.resolve(connection, [seen], {"acme": EXACT}, "test")).outcomes
    contact_id = str(outcome.contact_id)
    await happened(store, contact_id)
    for path, body in {
        "/taxonomies": {"slug": "hostile", "title": EVERYTHING[:200], "object_type": "contacts", "data": {}},
        "/organizations": {"slug": "hostile", "title": EVERYTHING[:200]},
        "/segments": {"slug": "hostile", "title": EVERYTHING[:200], "query": {"field": "given_name", "operator": "contains", "value": "<"}},
        "/activities": {"object_type": "contacts", "object_id": contact_id, "type": "comments", "content": EVERYTHING},
        "/contacts": {"last_name": EVERYTHING[:200], "reason": EVERYTHING[:500]},
    }.items():
        answer = await client.post(path, json=body)
        assert answer.status_code in {200, 201}, (path, answer.text)
    return contact_id


@pytest.mark.asyncio
async def test_s70_no_answer_with_what_people_wrote_is_a_page_or_runs_anything(api: Api, store: Store) -> None:
    async with api.as_role("super_admin") as client:
        contact_id = await furnish(client, store)
        line = json.dumps({"given_name": EVERYTHING[:200], "email": f"no address {EVERYTHING}"}).encode()
        begun = await client.post("/imports", content=line, headers={"content-type": "application/jsonl"})
        await carry_out(store)
        shows: dict[str, str] = {
            "/contacts": "onerror",
            f"/contacts/{contact_id}": "onerror",
            f"/contacts/{contact_id}/timeline": "onerror",
            f"/activities?object_type=contacts&object_id={contact_id}": "onerror",
            "/taxonomies": "onerror",
            "/organizations": "onerror",
            "/segments": "onerror",
            "/log": "onerror",
            f"/contacts/{contact_id}/explain": contact_id,
            f"/imports/{begun.json()['job_id']}/report.csv": "refused",
        }
        for path, word in shows.items():
            answer = await client.get(path)
            assert answer.status_code == 200, (path, answer.text)
            assert word in answer.text, path
            assert is_harmless(answer), (path, answer.headers)
        shown = (await client.get(f"/contacts/{contact_id}")).json()
        assert set(shown["attributes"]["unbound"].values()) == set(HOSTILE)


@pytest.mark.asyncio
async def test_s70_refusals_that_repeat_what_was_sent_are_no_pages_either(api: Api) -> None:
    """The reflected kind: paths, queries and bodies that are refused, with a credential and without; and what no route answers."""
    async with api.as_role("super_admin") as client, api.client() as stranger:
        for caller in (client, stranger):
            for path in ("/contacts/<script>", "/<script>alert(1)</script>", f"/contacts?sort={quote(EVERYTHING)}", "/contacts?<script>=1"):
                answer = await caller.get(path)
                assert answer.status_code in {401, 404, 422}, (path, answer.text)
                assert is_harmless(answer), (path, answer.headers)
            answer = await caller.post("/contacts", json={EVERYTHING: EVERYTHING, "given_name": {"<b>": 1}})
            assert answer.status_code in {401, 422}, answer.text
            assert is_harmless(answer), answer.headers
        assert is_harmless(await client.put("/contacts", json={}))
        document = await stranger.get("/openapi.json")
        assert (document.status_code, document.headers["x-content-type-options"]) == (200, "nosniff")
