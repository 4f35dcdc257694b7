"""Profiles, taxonomies, tags, relationships and workflows through the API, and what hangs on contacts by them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from onefold.records.store import Store
    from tests.support.apis import Api

pytestmark = pytest.mark.asyncio

ANY = {"if-match": "*"}
SALES = {"steps": [{"slug": "new", "title": "New", "items": [{"slug": "called", "title": "Called"}]}, {"slug": "won", "title": "Won"}]}
PLAN = {"slug": "plan", "title": "Plan", "data_type": "text", "default": "free"}


@pytest_asyncio.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with api.as_role("super_admin") as client:
        yield client


@pytest_asyncio.fixture
async def contacts(store: Store) -> list[UUID]:
    """Ann and Ben."""
    resolution = Resolution(shards=await _shards(store), numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        seen = [event("email:ann@example.com"), event("email:ben@example.com", minutes=1)]
        outcomes = await resolution.resolve(connection, seen, {"acme": EXACT}, "test")
    return [each.contact_id for each in outcomes.outcomes if each.contact_id is not None]


async def _shards(store: Store) -> int:
    from onefold.records.shards import shard_count  # noqa: PLC0415

    return await shard_count(store)


async def make(client: httpx.AsyncClient, kind: str, slug: str, **more: Any) -> dict[str, Any]:
    body = {"slug": slug, "title": slug.title(), "object_type": "contacts", "data": {}, **more}
    if kind in {"tags", "document-templates"}:
        body.pop("object_type")
    answer = await client.post(f"/{kind}", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def hang(client: httpx.AsyncClient, contact_id: UUID, **change: Any) -> httpx.Response:
    return await client.patch(f"/contacts/{contact_id}/classification", json=change, headers=ANY)


async def test_a_definition_is_made_changed_archived_restored_and_destroyed(client: httpx.AsyncClient) -> None:
    """Product-facts 3.9: the first delete archives, the second destroys."""
    made = await make(client, "profiles", "customer", data={"attributes": [PLAN], "type": "contacts"})
    path = f"/profiles/{made['id']}"
    assert (await client.get(path)).json() == made
    edited = await client.patch(path, json={"title": "Customers", "data": {"description": "who pays"}}, headers={"if-match": '"1"'})
    assert (edited.json()["title"], edited.json()["data"]["description"]) == ("Customers", "who pays")
    assert edited.json()["data"]["attributes"] == made["data"]["attributes"], "what is not named stays"
    assert (await client.patch(path, json={"title": "x"}, headers={"if-match": '"1"'})).status_code == 412
    assert (await client.delete(path)).status_code == 204
    assert (await client.get("/profiles")).json()["items"] == []
    assert [each["slug"] for each in (await client.get("/profiles", params={"archived": True})).json()["items"]] == ["customer"]
    assert (await client.post(f"{path}/restore")).json()["archived_at"] is None
    for _ in range(2):
        assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_the_same_slug_may_be_once_for_each_kind_of_record(client: httpx.AsyncClient) -> None:
    """Product-facts 1.3."""
    await make(client, "profiles", "partner")
    await make(client, "profiles", "partner", object_type="organizations")
    again = await client.post("/profiles", json={"slug": "partner", "title": "P", "object_type": "contacts", "data": {}})
    assert (again.status_code, again.json()["code"]) == (409, "already_exists")


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("profiles", {"data": {"attributes": [{**PLAN, "data_type": "colour"}]}}, "invalid"),
        ("profiles", {"data": {"attributes": [PLAN, PLAN]}}, "invalid"),
        ("profiles", {"slug": "Not A Slug"}, "invalid_slug"),
        ("profiles", {"object_type": "documents"}, "invalid_scope"),
        ("workflows", {"data": {"steps": []}}, "invalid"),
        ("tags", {"title": "a/b"}, "invalid_title"),
        ("relationships", {"data": {"object_type_2": "contacts"}}, "invalid"),
    ],
)
async def test_a_definition_that_makes_no_sense_is_refused(client: httpx.AsyncClient, kind: str, body: dict[str, Any], code: str) -> None:
    whole = {"slug": "x", "title": "X", "data": {}, **({} if kind == "tags" else {"object_type": "contacts"}), **body}
    answer = await client.post(f"/{kind}", json=whole)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_taxonomies_are_a_tree_that_moves_and_lifts(client: httpx.AsyncClient) -> None:
    """Product-facts 3.8: moving renumbers, a node is never below itself, children of a destroyed one are lifted."""
    region = await make(client, "taxonomies", "region")
    north = await make(client, "taxonomies", "north", parent_id=region["id"])
    coast = await make(client, "taxonomies", "coast", parent_id=north["id"])
    south = await make(client, "taxonomies", "south", parent_id=region["id"], sequence=1)

    async def tree() -> list[tuple[str, str]]:
        return [(each["slug"], each["hierarchy"]) for each in (await client.get("/taxonomies")).json()["items"]]

    assert await tree() == [("region", "1"), ("south", "1.1"), ("north", "1.2"), ("coast", "1.2.1")]
    below = await client.post(f"/taxonomies/{region['id']}/move", json={"parent_id": coast["id"]})
    assert (below.status_code, below.json()["code"]) == (409, "hierarchy_refused")
    await client.post(f"/taxonomies/{south['id']}/move", json={"parent_id": None, "sequence": 1})
    assert await tree() == [("south", "1"), ("region", "2"), ("north", "2.1"), ("coast", "2.1.1")]
    for _ in range(2):
        assert (await client.delete(f"/taxonomies/{north['id']}")).status_code == 204
    assert await tree() == [("south", "1"), ("region", "2"), ("coast", "2.1")]


async def test_a_typed_path_of_tags_is_made_where_it_is_unknown(client: httpx.AsyncClient) -> None:
    """Product-facts 3.5: the whole chain; typed again, it is the same."""
    first, again = [(await client.post("/tags/paths", json={"path": "Region/North Sea"})).json() for _ in range(2)]
    assert [each["slug"] for each in first] == ["region", "north-sea"]
    assert first == again
    other = (await client.post("/tags/paths", json={"path": "Sea/North Sea"})).json()
    assert [each["slug"] for each in other] == ["sea", "north-sea-2"], "a slug is unique over all tags"


async def define(client: httpx.AsyncClient) -> None:
    """A tag, a taxonomy, a workflow, a profile that gives all of them, and a relationship."""
    await make(client, "tags", "vip")
    await make(client, "taxonomies", "north")
    await make(client, "workflows", "sales", data=SALES)
    data = {"attributes": [PLAN], "default_tags": ["vip"], "default_taxonomies": ["north"], "default_workflow": "sales"}
    await make(client, "profiles", "customer", data=data)
    related = {
        "object_type_2": "contacts",
        "title_2": "Advises",
        "alias_1": "advisor",
        "alias_2": "advised",
        "cardinality_1": "many",
        "cardinality_2": "one",
    }
    await make(client, "relationships", "advisor", data=related)


async def test_everything_hangs_on_a_contact_in_one_version(client: httpx.AsyncClient, contacts: list[UUID], api: Api) -> None:
    ann, ben = contacts
    owner = await api.user("journey_manager")
    await define(client)
    answer = await hang(
        client,
        ann,
        profiles={"add": ["customer"]},
        attributes={"customer": {"plan": "pro"}},
        owners={"add": [str(owner.user_id)]},
        tags={"add": ["unheard-of"]},
        relate=[{"relationship": "advisor", "id": str(ben)}],
        reason="they signed",
    )
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["version"], answer.headers["etag"]) == (2, '"2"')
    assert (shown["profiles"], shown["attributes"], shown["tags"]) == (["customer"], {"customer": {"plan": "pro"}}, ["vip"])
    assert (shown["taxonomies"], shown["workflows"]["sales"]["step"]) == (["north"], "new")
    assert (shown["owners"], shown["skipped_tags"]) == ([str(owner.user_id)], ["unheard-of"])
    assert shown["relationships"] == {"advisor": [{"id": str(ben), "pivot": {}}]}
    (entry,) = (await client.get("/log", params={"object_id": str(ann)})).json()["items"]
    assert (entry["action"], entry["reason"], entry["object_version"]) == ("updated", "they signed", 2)
    assert {each["type"] for each in entry["changes"]} == {
        "profile",
        "attribute",
        "tag",
        "taxonomy",
        "workflow",
        "ownership",
        "relationship",
    }


async def test_a_contact_is_made_with_everything_that_hangs_on_it(client: httpx.AsyncClient, contacts: list[UUID], api: Api) -> None:
    """Product.md 7: a profile that is adopted at once validates and gives its defaults at once, in version 1."""
    _, ben = contacts
    owner = await api.user("journey_manager")
    await define(client)
    wanted = {
        "given_name": "Cid",
        "profiles": ["customer"],
        "attributes": {"customer": {"plan": "pro"}, "unbound": {"size": 3}},
        "owners": [str(owner.user_id)],
        "tags": ["unheard-of"],
        "workflows": {"sales": {"step": "won"}},
        "relate": [{"relationship": "advisor", "id": str(ben)}],
    }
    answer = await client.post("/contacts", json=wanted)
    assert answer.status_code == 201, answer.text
    shown = answer.json()
    assert (shown["version"], shown["profiles"], shown["tags"], shown["taxonomies"]) == (1, ["customer"], ["vip"], ["north"])
    assert shown["attributes"] == {"customer": {"plan": "pro"}, "unbound": {"size": 3}}
    assert (shown["workflows"]["sales"]["step"], shown["owners"], shown["skipped_tags"]) == ("won", [str(owner.user_id)], ["unheard-of"])
    for refused, code in (
        ({**wanted, "profiles": ["nobody-defined"]}, "unknown_profile"),
        ({**wanted, "attributes": {"customer": {"plan": 7}}}, "invalid_attributes"),
        ({**wanted, "relate": [{"relationship": "advisor", "id": str(uuid4())}]}, "unknown_record"),
    ):
        answer = await client.post("/contacts", json=refused)
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text


async def test_what_records_carry_is_not_destroyed_and_the_refusal_counts(client: httpx.AsyncClient, contacts: list[UUID]) -> None:
    """Product.md, section 3, of slugs and types; the same here."""
    profile = await make(client, "profiles", "customer", data={"attributes": [PLAN]})
    workflow = await make(client, "workflows", "sales", data=SALES)
    for each in contacts:
        assert (await hang(client, each, profiles={"add": ["customer"]}, workflows={"sales": {}})).status_code == 200
    assert (await client.get(f"/profiles/{profile['id']}/uses")).json() == {"contacts": 2}
    assert (await client.delete(f"/profiles/{profile['id']}")).status_code == 204
    refused = await client.delete(f"/profiles/{profile['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "definition_in_use")
    assert "2 contacts carry the profile customer" in refused.json()["detail"]
    fewer = await client.patch(f"/profiles/{profile['id']}", json={"data": {"attributes": []}}, headers=ANY)
    assert (fewer.status_code, fewer.json()["code"]) == (409, "definition_in_use")
    more = [PLAN, {"slug": "seats", "title": "Seats", "data_type": "integer"}]
    assert (await client.patch(f"/profiles/{profile['id']}", json={"data": {"attributes": more}}, headers=ANY)).status_code == 200
    steps = {"steps": SALES["steps"][1:]}
    assert (await client.patch(f"/workflows/{workflow['id']}", json={"data": steps}, headers=ANY)).json()["code"] == "definition_in_use"
    for each in contacts:
        await hang(client, each, profiles={"remove": ["customer"]})
    assert (await client.delete(f"/profiles/{profile['id']}")).status_code == 204


async def test_a_destroyed_definition_is_not_adopted_meanwhile(client: httpx.AsyncClient, contacts: list[UUID]) -> None:
    """Whoever adopts holds it until their end: it is adopted, or destroyed, never both."""
    for number in range(5):
        profile = await make(client, "profiles", f"p{number}")
        await client.delete(f"/profiles/{profile['id']}")
        await client.post(f"/profiles/{profile['id']}/restore")
        await client.delete(f"/profiles/{profile['id']}")
        restored = client.post(f"/profiles/{profile['id']}/restore")
        adopted, destroyed, _ = await asyncio.gather(
            hang(client, contacts[0], profiles={"add": [f"p{number}"]}), client.delete(f"/profiles/{profile['id']}"), restored
        )
        present = (await client.get(f"/profiles/{profile['id']}")).status_code == 200
        if adopted.status_code == 200:
            assert present, (adopted.status_code, destroyed.status_code)


async def test_a_relationship_that_allows_one_on_each_side_holds_under_calls_at_once(
    client: httpx.AsyncClient, contacts: list[UUID]
) -> None:
    """Cardinality one to one: of two who relate the same record at once, one is refused."""
    ann, ben = contacts
    data = {
        "object_type_2": "users",
        "title_2": "Looks after",
        "alias_1": "keeper",
        "alias_2": "kept",
        "cardinality_1": "one",
        "cardinality_2": "one",
    }
    await make(client, "relationships", "keeper", data=data)
    me = (await client.get("/me")).json()["user"]["user_id"]
    answers = await asyncio.gather(*(hang(client, each, relate=[{"relationship": "keeper", "id": me}]) for each in (ann, ben)))
    assert sorted(each.status_code for each in answers) == [200, 409]
    missing = await hang(client, ann, relate=[{"relationship": "keeper", "id": str(uuid4())}])
    assert missing.json()["code"] in {"unknown_record", "relation_taken"}


async def test_s77_a_journey_manager_changes_what_they_own_and_nothing_else(
    api: Api, client: httpx.AsyncClient, contacts: list[UUID]
) -> None:
    """S77, S78: in the query; a foreign one is as if it were not there; ownership itself is not theirs to give."""
    ann, ben = contacts
    await make(client, "tags", "vip")
    manager = await api.user("journey_manager")
    await hang(client, ann, owners={"add": [str(manager.user_id)]})
    await hang(client, ben, followers={"add": [str(manager.user_id)]})
    async with api.client(await api.key(manager)) as theirs:
        assert (await hang(theirs, ann, tags={"add": ["vip"]})).status_code == 200
        assert (await hang(theirs, ben, tags={"add": ["vip"]})).status_code == 404
        refused = await hang(theirs, ann, owners={"remove": [str(manager.user_id)]})
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")


async def test_s94_what_another_workspace_defines_cannot_be_used(api: Api, contacts: list[UUID], client: httpx.AsyncClient) -> None:
    """S94: the same slug over there is another definition."""
    async with api.as_role("super_admin", workspace="other") as other:
        made = await make(other, "profiles", "customer")
        assert (await client.get(f"/profiles/{made['id']}")).status_code == 404
        assert (await hang(client, contacts[0], profiles={"add": ["customer"]})).json()["code"] == "unknown_profile"
        assert (await hang(other, contacts[0], tags={"add": ["x"]})).status_code == 404
