"""What somebody says without a proof: claimed, on its way to the log, and answered alike whoever holds the address."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from onefold.contacts.acting import User
from onefold.contacts.create import Draft, create
from onefold.contacts.identifiers import Raw
from onefold.records.numbers import TenureNumbers
from onefold.records.shards import shard_count

if TYPE_CHECKING:
    import httpx

    from onefold.records.store import Store
    from tests.support.contact_apis import ContactApi

TOKEN = "7b0b7e0e-3c5d-4d9a-9b52-0a4f5f3f0b11"


def told(answer: httpx.Response) -> tuple[object, ...]:
    """An answer without the number of the request."""
    return answer.status_code, answer.content, sorted((name, value) for name, value in answer.headers.items() if name != "x-request-id")


@pytest.mark.asyncio
async def test_a_lead_is_one_claimed_interaction(api: ContactApi) -> None:
    """S47: nothing of it is more than a claim, and what names a field of ours is no attribute."""
    body = {
        "anonymous_token": TOKEN,
        "name": "Ann Lee",
        "email": " ann@example.com ",
        "phone": "+49 171 1234567",
        "attributes": {"plan": "pro", "email": "eve@example.com", "given_name": "Eve"},
        "channel": "funnel",
        "page": {"url": "https://shop.example.com/", "title": "Shop"},
    }
    async with api.client(user_agent="Browser/1") as client:
        answer = await client.post("/leads", json=body)
        assert (answer.status_code, answer.json()) == (202, {"anonymous_token": TOKEN, "validation": None})
        new = (await client.post("/leads", json={"given_name": "Bob"})).json()["anonymous_token"]
    said, other = await api.said()
    assert (said.type, said.channel, said.name, said.assurance, said.proof) == ("form", "funnel", "Lead captured", "claimed", None)
    assert [(each.semantic_type, each.identifier) for each in said.identifiers] == [
        ("anonymous_token", TOKEN),
        ("email", "ann@example.com"),
        ("phone", "+49 171 1234567"),
    ]
    assert said.traits == {"plan": "pro", "given_name": "Eve", "name": "Ann Lee"}
    assert said.context == {"page": body["page"], "ip": "192.0.2.7", "user_agent": "Browser/1"}
    assert uuid.UUID(new) == uuid.UUID(str(other.identifiers[0].identifier))


@pytest.mark.asyncio
async def test_a_message_sent_again_is_the_same_message(api: ContactApi) -> None:
    """R7: the page's own id makes a retry harmless."""
    message_id = str(uuid.uuid4())
    async with api.client() as client:
        answers = [
            await client.post("/messages", json={"text": "Hello", "message_id": message_id, "anonymous_token": TOKEN}) for _ in range(2)
        ]
    assert [each.json() for each in answers] == 2 * [{"anonymous_token": TOKEN, "event_id": message_id}]
    said = await api.said()
    assert {(each.event_id, each.type, each.channel, each.properties["text"]) for each in said if each.properties} == {
        (message_id, "message", "chat_widget", "Hello")
    }


@pytest.mark.asyncio
async def test_the_answer_is_the_same_whoever_holds_the_address(api: ContactApi, store: Store) -> None:
    """S26, S46: byte by byte, for one that a contact holds validated, one that somebody claimed, and one that nobody has."""
    shards = await shard_count(store)
    async with store.transaction(["acme"]) as connection:
        draft = Draft([Raw("email", "known@example.com")], {"given_name": "Known"})
        await create(connection, "acme", draft, User("user:ann", None), numbers=TenureNumbers(), shards=shards)
    async with api.client() as client:
        bodies = [{"anonymous_token": TOKEN, "email": f"{name}@example.com"} for name in ("known", "other")]
        answers = [told(await client.post("/leads", json=body)) for body in bodies]
    assert answers[0] == answers[1]
