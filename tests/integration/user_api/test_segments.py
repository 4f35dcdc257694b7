"""Segments through the API: saved, tried, edited, archived, restored and destroyed, with their members following (product.md, section 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.support.working import carry_out

if TYPE_CHECKING:
    import httpx

    from onefold.records.store import Store
    from tests.support.apis import Api

NAMED = {"field": "given_name", "operator": "is_not_null"}
TOLD = "with taken as (delete from outbox where topic = 'segments.membership' returning id, payload) select payload from taken order by id"


async def told(store: Store) -> list[str]:
    async with store.begin() as connection:
        return [msgspec.json.decode(row["payload"])["transition"] for row in await connection.fetch(TOLD)]


async def shown(client: httpx.AsyncClient, **asked: str) -> list[tuple[Any, ...]]:
    answer = await client.get("/segments", params=asked)
    return [(each["slug"], each["state"], each["members"], each["archived_at"] is not None) for each in answer.json()]


@pytest.mark.asyncio
async def test_an_archived_segment_has_no_members_and_one_that_is_destroyed_leaves_nothing(api: Api, store: Store) -> None:
    """I9: whoever was in it left, and enters again where it is restored; it is destroyed only once all have left."""
    async with api.as_role("super_admin") as client:
        await client.post("/contacts", json={"given_name": "Ann"})
        tried = await client.post("/segments/preview", json={"query": NAMED})
        assert (tried.status_code, tried.json()["members"]) == (200, 1)
        assert (await client.post("/segments", json={"slug": "named", "title": "Named", "query": NAMED})).status_code == 201
        assert await shown(client) == [("named", "filling", 0, False)]
        await carry_out(store)
        assert (await shown(client), await told(store)) == ([("named", "live", 1, False)], ["entered"])

        assert (await client.delete("/segments/named", headers={"if-match": '"7"'})).status_code == 412
        assert (await client.delete("/segments/named")).status_code == 204
        assert (await shown(client), await shown(client, archived="only")) == ([], [("named", "filling", 1, True)])
        early = await client.delete("/segments/named")
        assert (early.status_code, early.json()["code"]) == (409, "segment_in_use")
        await carry_out(store)
        assert (await shown(client, archived="with"), await told(store)) == ([("named", "live", 0, True)], ["left"])

        assert (await client.post("/segments/named/restore")).json()["archived_at"] is None
        await carry_out(store)
        assert (await shown(client), await told(store)) == ([("named", "live", 1, False)], ["entered"])

        for _ in range(2):
            assert (await client.delete("/segments/named")).status_code == 204
            await carry_out(store)
        assert (await client.get("/segments/named")).status_code == 404
        assert await told(store) == ["left"]
        async with store.transaction(["acme"]) as connection:
            assert await connection.fetchval("select count(*) from memberships") == 0
        actions = [each["action"] for each in (await client.get("/log", params={"object_id": "named"})).json()["items"]]
        assert actions == ["destroyed", "archived", "restored", "archived", "created"]


@pytest.mark.asyncio
async def test_a_seed_fills_its_segments_and_imports_archived_ones_archived(api: Api, store: Store) -> None:
    """Product.md 10: `deleted_at` imports an item archived; export writes what import reads."""
    item = {"slug": "named", "title": "Named", "object_type": "contacts", "query": NAMED}
    gone = {**item, "slug": "gone", "deleted_at": "2026-01-01T00:00:00Z"}
    seed = {"items": [{"object_type": "segments", "data": each} for each in (item, gone)]}
    async with api.as_role("super_admin") as client:
        await client.post("/contacts", json={"given_name": "Ann"})
        made = await client.post("/seeds", json=seed)
        assert made.status_code == 200, made.text
        await carry_out(store)
        assert await shown(client, archived="with") == [("gone", "live", 0, True), ("named", "live", 1, False)]
        exported = [each["data"] for each in (await client.get("/seeds")).json()["items"] if each["object_type"] == "segments"]
        assert [(each["slug"], "deleted_at" in each) for each in exported] == [("gone", True), ("named", False)]
        again = await client.post("/seeds", json={"items": [{"object_type": "segments", "data": each} for each in exported]})
        assert (again.json()["unchanged"], again.json()["updated"]) == (2, 0)
