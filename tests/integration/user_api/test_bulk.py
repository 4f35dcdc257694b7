"""Bulk operations: the same as one by one, as a job that counts what it did (decision 0035)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from tests.support.working import SHARDS, carry_out
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from onefold.records.store import Store
    from tests.support.apis import Api

pytestmark = pytest.mark.asyncio


async def contacts(store: Store, count: int) -> list[UUID]:
    resolution = Resolution(shards=SHARDS, numbers=TenureNumbers(), budget=10_000)
    events = [event(f"email:n{n}@example.com", fields={"given_name": "Odd" if n % 2 else "Even"}) for n in range(count)]
    async with store.transaction(["acme"]) as connection:
        await resolution.resolve(connection, events, {"acme": EXACT}, "test")
        return [row[0] for row in await connection.fetch("select contact_id from contacts order by contact_id")]


async def bulk(api: Api, store: Store, body: dict[str, Any]) -> dict[str, Any]:
    """Begin it, carry it out, and read what came of it."""
    async with api.as_role("master") as client:
        begun = await client.post("/contacts/bulk", json=body)
        assert begun.status_code == 202, begun.text
        await carry_out(store)
        found: dict[str, Any] = (await client.get(f"/jobs/{begun.json()['job_id']}")).json()
        assert found["state"] == "done", found
        return found["progress"]  # type: ignore[no-any-return]


async def many(store: Store, condition: str) -> int:
    async with store.transaction(["acme"]) as connection:
        found: int = await connection.fetchval(f"select count(*) from contacts where {condition}")  # noqa: S608
        return found


async def test_named_contacts_are_archived_and_restored_and_what_is_refused_is_told(api: Api, store: Store) -> None:
    """One version each; repeated, nothing changes; whoever is not there is counted by itself."""
    ids = [str(each) for each in await contacts(store, 250)]
    nobody = str(uuid4())
    archived = await bulk(api, store, {"operation": {"action": "archive"}, "ids": [*ids, nobody, ids[0]]})
    assert (archived["changed"], archived["refused"]) == (250, 1)
    assert archived["refusals"] == [{"contact_id": nobody, "code": "contact_not_found"}]
    assert (await bulk(api, store, {"operation": {"action": "archive"}, "ids": ids}))["unchanged"] == 250
    assert await many(store, "archived_at is not null and version = 2") == 250
    assert (await bulk(api, store, {"operation": {"action": "restore"}, "ids": ids[:10]}))["changed"] == 10
    async with api.as_role("master") as client:
        log = (await client.get("/log", params={"object_id": ids[0]})).json()["items"]
        assert [each["object_version"] for each in log] == [3, 2]


async def test_a_query_finds_whom_it_is_for(api: Api, store: Store) -> None:
    """Chunk by chunk, over all contacts; here: give an organization, then a tag, to those of one name."""
    await contacts(store, 1_100)
    query = {"field": "given_name", "operator": "equals", "value": "Odd"}
    async with api.as_role("master") as client:
        mill = (await client.post("/organizations", json={"title": "Mill"})).json()["organization_id"]
        assert (await client.post("/tags", json={"title": "VIP", "slug": "vip", "data": {}})).status_code == 201
    given = await bulk(api, store, {"operation": {"action": "organization", "organization_id": mill}, "query": query})
    assert (given["changed"], given["unchanged"], given["refused"]) == (550, 0, 0)
    assert await many(store, "organization_name = 'Mill' and given_name = 'Odd'") == 550
    tagged = await bulk(api, store, {"operation": {"action": "tags", "add": ["vip"]}, "query": query})
    assert tagged["changed"] == 550
    assert await many(store, "tags = '[\"vip\"]' and given_name = 'Odd'") == 550


@pytest.mark.parametrize(
    "body",
    [
        {"operation": {"action": "archive"}},
        {"operation": {"action": "archive"}, "ids": [], "query": {}},
        {"operation": {"action": "archive"}, "query": {"field": "nothing", "operator": "equals", "value": 1}},
        {"operation": {"action": "tags"}, "ids": []},
        {"operation": {"action": "destroy"}, "ids": []},
    ],
)
async def test_what_cannot_be_done_is_refused_before_it_begins(api: Api, body: dict[str, Any]) -> None:
    async with api.as_role("master") as client:
        assert (await client.post("/contacts/bulk", json=body)).status_code == 422
        assert (await client.get("/jobs")).json()["items"] == []
