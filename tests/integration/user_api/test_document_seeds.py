"""Instance seeds of documents: some in one call, many from a file by a job (product-facts, 1.7 and 4)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from onefold.contacts import imports
from onefold.contacts.acting import User
from onefold.contacts.erase import erase
from onefold.contacts.merge import Wish, merge
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.records.shards import shard_count
from tests.support.working import carry_out
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import httpx

    from onefold.records.store import Store
    from tests.support.apis import Api

pytestmark = pytest.mark.asyncio

ANNE = User("tester", "to see")
AMOUNT = {"slug": "amount", "title": "Amount", "data_type": "number", "is_required": True}
ANN = {"semantic_type": "email", "identifier": "Ann@Example.com"}
BEN = {"semantic_type": "email", "identifier": "ben@example.com"}
LINES = {"content-type": "application/jsonl"}


@pytest_asyncio.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """Whoever seeds; the template, the tag and the taxonomy are there."""
    async with api.as_role("service_account") as client:
        for kind, more in (("taxonomies", {"object_type": "documents"}), ("tags", {})):
            assert (await client.post(f"/{kind}", json={"slug": "legal", "title": "Legal", "data": {}, **more})).status_code == 201
        body = {"slug": "contract", "title": "Contract", "data": {"attributes": [AMOUNT]}}
        assert (await client.post("/document-templates", json=body)).status_code == 201
        yield client


@pytest_asyncio.fixture(autouse=True)
async def contacts(store: Store) -> list[UUID]:
    """Ann and Ben."""
    resolution = Resolution(shards=await shard_count(store), numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        seen = [event("email:ann@example.com"), event("email:ben@example.com", minutes=1)]
        outcomes = await resolution.resolve(connection, seen, {"acme": EXACT}, "test")
    return [each.contact_id for each in outcomes.outcomes if each.contact_id is not None]


def item(slug: str, **more: Any) -> dict[str, Any]:
    return {"slug": slug, "title": slug.title(), "contact": ANN, "attributes": {"amount": 7}, **more}


async def seed(client: httpx.AsyncClient, *items: dict[str, Any]) -> httpx.Response:
    return await client.post("/documents/seeds", json={"template": "contract", "items": items})


def outcomes(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["outcome"] for each in answer.json()["items"]]


async def documents(client: httpx.AsyncClient, **asked: Any) -> dict[str, dict[str, Any]]:
    answer = await client.get("/documents", params={"archived": "with", "limit": 200, **asked})
    return {each["slug"]: each for each in answer.json()["items"]}


async def upload(client: httpx.AsyncClient, lines: Sequence[str]) -> dict[str, Any]:
    path = "/documents/seeds/files"
    answer = await client.post(path, params={"template": "contract"}, content="\n".join(lines).encode(), headers=LINES)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


async def test_a_seed_makes_what_is_missing_and_again_changes_nothing(client: httpx.AsyncClient, contacts: list[UUID]) -> None:
    """Product.md 10: idempotent; contacts by an identifier or an id; what is different is changed, and told by the log."""
    seeded = [
        item("one", taxonomies=["legal"], tags=["legal", "nobody-knows"]),
        item("two", contact=None, contact_id=str(contacts[1]), deleted_at="2026-11-01T09:30:00Z"),
    ]
    first = await seed(client, *seeded)
    assert outcomes(first) == ["created", "created"]
    assert first.json()["items"][0]["skipped_tags"] == ["nobody-knows"]
    found = await documents(client)
    assert [found[slug]["contact_id"] for slug in ("one", "two")] == list(map(str, contacts))
    assert (found["one"]["tags"], found["one"]["taxonomies"], found["one"]["version"]) == (["legal"], ["legal"], 1)
    assert found["two"]["archived_at"] == "2026-11-01T09:30:00Z"
    assert outcomes(await seed(client, *seeded)) == ["unchanged", "unchanged"]
    assert outcomes(await seed(client, {**seeded[0], "attributes": {"amount": 8}}, seeded[1])) == ["updated", "unchanged"]
    assert (await documents(client))["one"]["attributes"] == {"amount": 8}
    entries = (await client.get("/log", params={"object_type": "documents"})).json()["items"]
    assert [each["action"] for each in reversed(entries)] == ["created", "created", "updated"]


async def test_one_item_that_cannot_be_loaded_leaves_all_out_and_each_is_told(client: httpx.AsyncClient) -> None:
    """Product.md 10: all or nothing."""
    assert outcomes(await seed(client, item("there"))) == ["created"]
    refused = await seed(
        client,
        item("good"),
        item("bad", attributes={}),
        item("good"),
        item("stranger", contact={"semantic_type": "email", "identifier": "nobody@example.com"}),
        item("nobody", contact=None, contact_id=str(uuid4())),
        item("there", contact=BEN),
        item("classless", taxonomies=["unknown"]),
        item("Not A Slug"),
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "seed_refused")
    assert {each["where"]: each["rule"] for each in refused.json()["errors"]} == {
        "items.1": "invalid_attributes",
        "items.2": "slug_twice",
        "items.3": "unknown_contact",
        "items.4": "unknown_contact",
        "items.5": "other_contact",
        "items.6": "unknown_taxonomy",
        "items.7": "invalid_slug",
    }
    assert list(await documents(client)) == ["there"]


async def test_a_merged_contact_is_found_by_either_and_an_erased_one_by_none(
    client: httpx.AsyncClient, contacts: list[UUID], store: Store
) -> None:
    """Redirects are followed; S103: nothing is made for who is gone."""
    shards = await shard_count(store)
    async with store.transaction(["acme"]) as connection:
        merging = await merge(connection, "acme", Wish(contacts[0], contacts[1], {}), ANNE, shards=shards)
    assert outcomes(await seed(client, item("one"), item("two", contact=None, contact_id=str(contacts[1])))) == ["created", "created"]
    assert {each["contact_id"] for each in (await documents(client)).values()} == {str(merging.survivor.contact_id)}
    async with store.transaction(["acme"]) as connection:
        await erase(connection, "acme", contacts[1], ANNE, shards=shards)
    assert await documents(client) == {}
    for each in (item("x"), item("x", contact=None, contact_id=str(contacts[1]))):
        assert (await seed(client, each)).json()["errors"][0]["rule"] == "unknown_contact"


async def test_a_file_of_many_is_loaded_by_a_job_part_by_part_and_line_by_line(
    client: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Product-facts 1.7: bad lines are told and harm no neighbour; the same file again changes nothing, and nothing of it is left."""
    monkeypatch.setattr(imports, "LINES_A_PART", 10)
    lines = [json.dumps(item(f"d{number:02}")) for number in range(25)]
    lines[3] = "{"
    lines[12] = json.dumps(item("d12", attributes={"amount": "much", "secret": "4711"}))
    lines[20] = json.dumps({**item("d20"), "colour": "4711"})
    job = await upload(client, lines)
    (done,) = await carry_out(store)
    assert (done.state, done.error) == ("done", None)
    assert {key: done.progress[key] for key in ("created", "unchanged", "refused", "parts")} == {
        "created": 22, "unchanged": 0, "refused": 3, "parts": 3,
    }  # fmt: skip
    assert len(await documents(client)) == 22
    path = f"/documents/seeds/files/{job['job_id']}/lines"
    told = (await client.get(path, params={"refused": True})).json()["items"]
    assert [(each["line"], each["code"]) for each in told] == [(4, "invalid_item"), (13, "invalid_attributes"), (21, "invalid_item")]
    assert "4711" not in json.dumps(told)
    assert len((await client.get(path)).json()["items"]) == 25
    await upload(client, lines)
    (again,) = await carry_out(store)
    assert (again.progress["unchanged"], again.progress["refused"]) == (22, 3)
    async with store.transaction(["acme"]) as connection:
        assert await connection.fetchval("select count(*) from import_parts") == 0
    missing = await client.get(f"/documents/seeds/files/{uuid4()}/lines")
    assert missing.status_code == 404


async def test_a_file_for_no_template_or_of_another_form_is_not_taken(client: httpx.AsyncClient, api: Api) -> None:
    """S85 aside, S76: seeds are for whoever may seed; an unknown template is said at once, not by the job."""
    path = "/documents/seeds/files"
    assert (await client.post(path, params={"template": "letter"}, content=b"{}", headers=LINES)).status_code == 404
    table = await client.post(path, params={"template": "contract"}, content=b"a,b", headers={"content-type": "text/csv"})
    assert table.status_code == 415
    async with api.as_role("journey_manager") as manager:
        assert (await seed(manager, item("x"))).status_code == 403
