"""Comments, tasks and approvals (product-facts, 3.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from onefold.contacts.acting import User
from onefold.contacts.erase import erase
from onefold.contacts.merge import Wish, merge
from onefold.contacts.unmerge import unmerge
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.records.shards import shard_count
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from onefold.records.store import Store
    from tests.support.apis import Api

pytestmark = pytest.mark.asyncio

ANY = {"if-match": "*"}
ANN = User("ann@host", "one person")


@pytest_asyncio.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with api.as_role("super_admin") as client:
        yield client


@pytest_asyncio.fixture
async def contacts(store: Store) -> list[UUID]:
    """Ann and Ben."""
    resolution = Resolution(shards=await shard_count(store), numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        seen = [event("email:ann@example.com"), event("email:ben@example.com", minutes=1)]
        outcomes = await resolution.resolve(connection, seen, {"acme": EXACT}, "test")
    return [each.contact_id for each in outcomes.outcomes if each.contact_id is not None]


async def write(client: httpx.AsyncClient, contact_id: UUID, **more: Any) -> dict[str, Any]:
    body = {"object_type": "contacts", "object_id": str(contact_id), "type": "comments", "content": "called her", **more}
    answer = await client.post("/activities", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def on(client: httpx.AsyncClient, contact_id: UUID, **more: Any) -> list[dict[str, Any]]:
    params = {"object_type": "contacts", "object_id": str(contact_id), **more}
    items: list[dict[str, Any]] = (await client.get("/activities", params=params)).json()["items"]
    return items


async def test_an_approval_is_decided_by_whom_it_mentions_and_is_done_then(
    api: Api, client: httpx.AsyncClient, contacts: list[UUID]
) -> None:
    boss = await api.user("master")
    made = await write(client, contacts[0], type="approvals", content="a discount?", mentions=[str(boss.user_id)], priority="high")
    path = f"/activities/{made['activity_id']}"
    mine = await client.patch(path, json={"is_approved": True}, headers=ANY)
    assert (mine.status_code, mine.json()["code"]) == (409, "not_yours")
    async with api.client(await api.key(boss)) as theirs:
        waiting = (await theirs.get("/activities", params={"mentions": str(boss.user_id)})).json()["items"]
        assert [each["content"] for each in waiting] == ["a discount?"]
        listed = {each["user_id"]: each["open_activities"] for each in (await theirs.get("/users")).json()["items"]}
        assert listed[str(boss.user_id)] == 1
        decided = await theirs.patch(path, json={"is_approved": True}, headers={"if-match": '"1"'})
        assert (decided.json()["status"], decided.json()["is_approved"]) == ("done", True)
        assert decided.json()["started_at"] is not None
        assert (await theirs.patch(path, json={"status": "doing"}, headers={"if-match": '"1"'})).status_code == 412
        assert (await theirs.patch(path, json={"content": "no"}, headers=ANY)).json()["code"] == "not_yours"
        assert (await theirs.get("/activities", params={"mentions": str(boss.user_id)})).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"type": "tasks"}, 422, "mentions_needed"),
        ({"type": "tasks", "mentions": [str(uuid4())]}, 422, "unknown_user"),
        ({"content": "  "}, 422, "invalid_content"),
        ({"object_id": str(uuid4())}, 404, "not_found"),
        ({"parent_id": str(uuid4())}, 404, "not_found"),
        ({"object_type": "organizations"}, 404, "not_found"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    client: httpx.AsyncClient, contacts: list[UUID], body: dict[str, Any], status: int, code: str
) -> None:
    whole = {"object_type": "contacts", "object_id": str(contacts[0]), "type": "comments", "content": "x", **body}
    answer = await client.post("/activities", json=whole)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_they_follow_a_contact_through_a_merge_and_back(client: httpx.AsyncClient, contacts: list[UUID], store: Store) -> None:
    """They hang on the id that was given: the survivor shows them, an unmerge takes none along, and an answer may come to either id."""
    ann, ben = contacts
    await write(client, ann, content="of ann")
    comment = await write(client, ben, content="of ben")
    shards = await shard_count(store)
    async with store.transaction(["acme"]) as connection:
        await merge(connection, "acme", Wish(ann, ben, {}), ANN, shards=shards)
    assert {each["content"] for each in await on(client, ann)} == {"of ann", "of ben"}
    await write(client, ben, content="an answer", parent_id=comment["activity_id"])
    async with store.transaction(["acme"]) as connection:
        await unmerge(connection, "acme", ben, ANN, shards=shards)
    assert {each["content"] for each in await on(client, ben)} == {"of ben"}
    assert {each["content"] for each in await on(client, ann)} == {"of ann", "an answer"}


async def test_s103_they_go_with_an_erased_person(client: httpx.AsyncClient, contacts: list[UUID], store: Store) -> None:
    """S103: what was written of her, and nothing of it stays in the log."""
    made = await write(client, contacts[0], content="canary")
    async with store.transaction(["acme"]) as connection:
        await erase(connection, "acme", contacts[0], ANN, shards=await shard_count(store))
        for table in ("activities", "log_entries", "log_details", "idempotency_keys"):
            rows = await connection.fetch(f"select t::text as said from {table} t")  # noqa: S608 -- names of ours
            assert not any("canary" in row["said"] for row in rows)
    assert (await client.get(f"/activities/{made['activity_id']}")).status_code == 404


async def test_s77_who_follows_a_record_writes_on_it_and_nobody_else(
    api: Api, client: httpx.AsyncClient, contacts: list[UUID], store: Store
) -> None:
    """S77: in the query, through a merge too; only one's own can be deleted."""
    ann, ben = contacts
    manager = await api.user("journey_manager")
    await client.patch(f"/contacts/{ann}/classification", json={"followers": {"add": [str(manager.user_id)]}}, headers=ANY)
    hers = await write(client, ann, content="by an admin")
    hidden = await write(client, ben, content="hidden")
    async with api.client(await api.key(manager)) as theirs:
        mine = await write(theirs, ann, content="by the manager")
        assert {each["content"] for each in await on(theirs, ann)} == {"by an admin", "by the manager"}
        assert await on(theirs, ben) == []
        assert (await theirs.get(f"/activities/{hidden['activity_id']}")).status_code == 404
        body = {"object_type": "contacts", "object_id": str(ben), "type": "comments", "content": "x"}
        assert (await theirs.post("/activities", json=body)).status_code == 404
        assert (await theirs.delete(f"/activities/{hers['activity_id']}")).json()["code"] == "not_yours"
        assert (await theirs.delete(f"/activities/{mine['activity_id']}")).status_code == 204
        async with store.transaction(["acme"]) as connection:
            await merge(connection, "acme", Wish(ann, ben, {}), ANN, shards=await shard_count(store))
        assert {each["content"] for each in await on(theirs, ann)} == {"by an admin", "hidden"}


async def test_pages_of_them_end(client: httpx.AsyncClient, contacts: list[UUID]) -> None:
    for number in range(5):
        await write(client, contacts[0], content=f"{number}")
    params: dict[str, Any] = {"object_type": "contacts", "object_id": str(contacts[0]), "limit": 2}
    seen, cursor = [], None
    while True:
        page = (await client.get("/activities", params={**params, **({"cursor": cursor} if cursor else {})})).json()
        seen += [each["content"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ["4", "3", "2", "1", "0"]
    assert (await client.get("/activities")).json()["code"] == "incomplete"
