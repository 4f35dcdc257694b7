"""Documents of contacts through the API (product.md, section 7; product-facts 1.6, 1.7)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from onefold.contacts.acting import User
from onefold.contacts.erase import erase
from onefold.contacts.merge import Wish, merge
from onefold.contacts.unmerge import unmerge
from onefold.identity.adoption import Change, Edit
from onefold.records import document_lists
from onefold.records.document_lists import Asked
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.records.shards import shard_count
from onefold.records.visibility import EVERYBODYS, Visible
from onefold.workspace import document_ownership, documents
from tests.support.working import carry_out
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from onefold.records.store import Store
    from tests.support.apis import Api

pytestmark = pytest.mark.asyncio

ANY = {"if-match": "*"}
ANNE = User("tester", "to see")
AMOUNT = {"slug": "amount", "title": "Amount", "data_type": "number", "is_required": True}
SIGNED = {"slug": "signed", "title": "Signed", "data_type": "boolean", "default": False}

GROW = """
insert into documents (workspace, document_id, template_id, template, contact_id, slug, title, follows_contact, tags, created_at, updated_at)
select 'acme', gen_random_uuid(), $1, 'contract', $2, 'd' || n, 'D', false, jsonb_build_array('t' || n % 100),
  now() + n * interval '1 ms', now() from generate_series(1, 20000) as n
"""


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


async def template(client: httpx.AsyncClient, slug: str = "contract", **data: Any) -> dict[str, Any]:
    body = {"slug": slug, "title": slug.title(), "data": {"attributes": [AMOUNT, SIGNED], **data}}
    answer = await client.post("/document-templates", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def document(client: httpx.AsyncClient, contact: UUID, slug: str = "first", **more: Any) -> dict[str, Any]:
    body = {"template": "contract", "contact_id": str(contact), "slug": slug, "title": slug.title(), "attributes": {"amount": 7}, **more}
    answer = await client.post("/documents", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def listed(client: httpx.AsyncClient, **asked: Any) -> list[str]:
    answer = await client.get("/documents", params=asked)
    assert answer.status_code == 200, answer.text
    return [each["slug"] for each in answer.json()["items"]]


async def test_a_document_is_made_changed_archived_restored_and_destroyed(client: httpx.AsyncClient, contacts: list[UUID]) -> None:
    """Product-facts 1.7, 3.9; S84: and every change is one version that the caller had looked at."""
    known = await template(client)
    made = await document(client, contacts[0])
    assert (made["template_id"], made["template"], made["contact_id"]) == (known["id"], "contract", str(contacts[0]))
    assert (made["attributes"], made["version"]) == ({"amount": 7, "signed": False}, 1)
    path = f"/documents/{made['id']}"
    read = await client.get(path)
    assert (read.headers["etag"], {**read.json(), "skipped_tags": []}) == ('"1"', made)
    assert (await client.patch(path, json={"title": "x"})).status_code == 428
    edited = await client.patch(path, json={"title": "Second", "attributes": {"amount": 8.5}}, headers={"if-match": '"1"'})
    assert (edited.json()["title"], edited.json()["attributes"], edited.headers["etag"]) == (
        "Second",
        {"amount": 8.5, "signed": False},
        '"2"',
    )
    assert (await client.patch(path, json={"title": "x"}, headers={"if-match": '"1"'})).status_code == 412
    assert (await client.patch(path, json={"title": "Second"}, headers=ANY)).json()["version"] == 2, "nothing is different"
    assert (await client.delete(path)).status_code == 204
    assert (await listed(client), await listed(client, archived="only"), await listed(client, archived="with")) == (
        [],
        ["first"],
        ["first"],
    )
    assert (await client.post(f"{path}/restore")).json()["archived_at"] is None
    for _ in range(2):
        assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404
    entries = (await client.get("/log", params={"object_type": "documents"})).json()["items"]
    assert [each["action"] for each in reversed(entries)] == ["created", "updated", "archived", "restored", "archived", "destroyed"]
    details = {each["slug"]: (each["old_value"], each["new_value"]) for each in entries[-2]["changes"]}
    assert details == {"title": ("First", "Second"), "amount": (7, 8.5)}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"attributes": {}}, 422, "invalid_attributes"),
        ({"attributes": {"amount": "much"}}, 422, "invalid_attributes"),
        ({"attributes": {"amount": 1, "colour": "red"}}, 422, "invalid_attributes"),
        ({"template": "letter"}, 404, "not_found"),
        ({"template": None}, 422, "template_needed"),
        ({"template_id": str(uuid4())}, 422, "template_needed"),
        ({"contact_id": str(uuid4())}, 404, "not_found"),
        ({"parent_id": str(uuid4())}, 404, "not_found"),
        ({"slug": "Not A Slug"}, 422, "invalid_slug"),
        ({"title": " "}, 422, "invalid_title"),
        ({"taxonomies": ["nowhere"]}, 422, "unknown_taxonomy"),
        ({"owners": [str(uuid4())]}, 422, "unknown_user"),
        ({"type": "ghost"}, 422, "invalid"),
    ],
)
async def test_a_document_that_its_template_or_the_workspace_has_no_room_for_is_refused(
    client: httpx.AsyncClient, contacts: list[UUID], body: dict[str, Any], status: int, code: str
) -> None:
    """Product.md 7: the template's schema validates it; S78: unknown fields are refused."""
    await template(client)
    whole = {"template": "contract", "contact_id": str(contacts[0]), "slug": "x", "title": "X", "attributes": {"amount": 1}, **body}
    answer = await client.post("/documents", json=whole)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await listed(client) == []


async def test_what_is_wrong_with_attributes_is_said_of_each_as_it_was_given(client: httpx.AsyncClient, contacts: list[UUID]) -> None:
    await template(client)
    body = {"template": "contract", "contact_id": str(contacts[0]), "slug": "x", "title": "X", "attributes": {"signed": "yes"}}
    answer = await client.post("/documents", json=body)
    assert {each["where"] for each in answer.json()["errors"]} == {"attributes.amount", "attributes.signed"}


async def test_a_slug_is_unique_among_the_documents_of_a_template(client: httpx.AsyncClient, contacts: list[UUID]) -> None:
    await template(client)
    await template(client, "invoice")
    await document(client, contacts[0])
    await document(client, contacts[1], template="invoice")
    body = {"template": "contract", "contact_id": str(contacts[1]), "slug": "first", "title": "X", "attributes": {"amount": 1}}
    assert (await client.post("/documents", json=body)).json()["code"] == "already_exists"


async def test_a_template_in_use_keeps_its_attributes_and_cannot_go(client: httpx.AsyncClient, contacts: list[UUID]) -> None:
    """Product-facts 1.6: it may be called otherwise; what documents rest on stays. An archived one makes no new documents."""
    known = await template(client)
    made = await document(client, contacts[0])
    path = f"/document-templates/{known['id']}"
    assert (await client.get(f"{path}/uses")).json() == {"documents": 1}
    assert (await client.patch(path, json={"title": "Agreement"}, headers=ANY)).status_code == 200
    lost = await client.patch(path, json={"data": {"attributes": [AMOUNT]}}, headers=ANY)
    assert (lost.status_code, lost.json()["code"]) == (409, "definition_in_use")
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).json()["code"] == "definition_in_use"
    body = {"template": "contract", "contact_id": str(contacts[0]), "slug": "x", "title": "X", "attributes": {"amount": 1}}
    assert (await client.post("/documents", json=body)).json()["code"] == "archived_template"
    edited = await client.patch(f"/documents/{made['id']}", json={"attributes": {"amount": 2}}, headers=ANY)
    assert edited.json()["attributes"]["amount"] == 2, "what is there may still change"


async def test_documents_carry_what_contacts_carry(client: httpx.AsyncClient, contacts: list[UUID]) -> None:
    """Product-facts 1.7, 3.4, 3.5: allowed taxonomies, known tags, workflows, relationships; and the template's defaults."""
    for kind, slug, data in (
        ("taxonomies", "legal", {}),
        ("taxonomies", "sales", {}),
        ("workflows", "signing", {"steps": [{"slug": "sent", "title": "Sent"}, {"slug": "signed", "title": "Signed"}]}),
        (
            "relationships",
            "annex",
            {
                "object_type_2": "documents", "title_2": "Annex to", "alias_1": "annexes", "alias_2": "annex_to",
                "cardinality_1": "one", "cardinality_2": "many",
            },
        ),
    ):  # fmt: skip
        answer = await client.post(f"/{kind}", json={"slug": slug, "title": slug, "object_type": "documents", "data": data})
        assert answer.status_code == 201, answer.text
    assert (await client.post("/tags", json={"slug": "vip", "title": "vip", "data": {}})).status_code == 201
    await template(client, default_tags=["vip"], default_workflow="signing", allowed_taxonomies=["legal"])
    one = await document(client, contacts[0], taxonomies=["legal"], tags=["nobody-knows"])
    two = await document(client, contacts[0], "second")
    assert (one["tags"], one["taxonomies"], one["skipped_tags"]) == (["vip"], ["legal"], ["nobody-knows"])
    assert one["workflows"]["signing"]["step"] == "sent"
    path = f"/documents/{one['id']}"
    refused = await client.patch(path, json={"taxonomies": {"add": ["sales"]}}, headers=ANY)
    assert (refused.status_code, refused.json()["code"]) == (422, "taxonomy_not_allowed")
    change = {
        "workflows": {"signing": {"step": "signed"}},
        "relate": [{"relationship": "annex", "id": two["id"]}],
        "tags": {"remove": ["vip"]},
    }
    changed = (await client.patch(path, json=change, headers=ANY)).json()
    assert (changed["workflows"]["signing"]["step"], changed["tags"], changed["relationships"]["annex"][0]["id"]) == (
        "signed",
        [],
        two["id"],
    )
    taken = await client.patch(
        f"/documents/{(await document(client, contacts[1], 'third'))['id']}",
        json={"relate": [{"relationship": "annex", "id": two["id"]}]},
        headers=ANY,
    )
    assert (taken.status_code, taken.json()["code"]) == (409, "relation_taken")
    assert await listed(client, taxonomy="legal") == ["first"]
    assert await listed(client, tag="vip") == ["second", "third"]
    assert await listed(client, step="signing/sent", tag="vip", contact_id=str(contacts[0])) == ["second"]


async def test_lists_are_paged_both_ways_and_filtered(client: httpx.AsyncClient, contacts: list[UUID]) -> None:
    """S86: pages are capped, and filters are listed ones."""
    await template(client)
    await template(client, "invoice")
    for number in range(5):
        await document(client, contacts[number % 2], f"d{number}", template=("contract", "invoice")[number == 4])
    for sort, order in (("created_at", ["d0", "d1", "d2", "d3", "d4"]), ("-created_at", ["d4", "d3", "d2", "d1", "d0"])):
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await client.get("/documents", params={"limit": 2, "sort": sort, **cursor})).json()
            seen += [each["slug"] for each in page["items"]]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert seen == order
    assert await listed(client, template="contract", contact_id=str(contacts[0])) == ["d0", "d2"]
    assert await listed(client, template="invoice") == ["d4"]
    assert await listed(client, contact_id=str(uuid4())) == []
    assert (await client.get("/documents", params={"colour": "red"})).status_code == 422


async def test_documents_lie_below_documents_and_never_below_themselves(client: httpx.AsyncClient, contacts: list[UUID]) -> None:
    """Product-facts 1.7, 3.8: what is below a destroyed one is lifted, and told so by its version."""
    await template(client)
    top = await document(client, contacts[0], "top")
    middle = await document(client, contacts[0], "middle", parent_id=top["id"])
    low = await document(client, contacts[1], "low", parent_id=middle["id"])
    assert await listed(client, parent_id=top["id"]) == ["middle"]
    for below in (top, middle, low):
        refused = await client.patch(f"/documents/{top['id']}", json={"parent_id": below["id"]}, headers=ANY)
        assert (refused.status_code, refused.json()["code"]) == (409, "document_refused")
    for _ in range(2):
        assert (await client.delete(f"/documents/{middle['id']}")).status_code == 204
    lifted = (await client.get(f"/documents/{low['id']}")).json()
    assert (lifted["parent_id"], lifted["version"]) == (top["id"], 2)
    alone = (await client.patch(f"/documents/{low['id']}", json={"parent_id": None}, headers=ANY)).json()
    assert alone["parent_id"] is None


async def test_a_merge_moves_documents_and_an_unmerge_returns_them(client: httpx.AsyncClient, contacts: list[UUID], store: Store) -> None:
    """Product.md 4: what was made of the survivor since then stays with it, by whatever id it was asked for."""
    await template(client)
    for contact, slug in zip(contacts, ("anns", "bens"), strict=True):
        await document(client, contact, slug)
    shards = await shard_count(store)
    async with store.transaction(["acme"]) as connection:
        merging = await merge(connection, "acme", Wish(contacts[1], contacts[0], {}), ANNE, shards=shards)
    survivor, absorbed = merging.survivor.contact_id, merging.absorbed.contact_id
    for contact in contacts:
        assert await listed(client, contact_id=str(contact)) == ["anns", "bens"]
    assert {each["contact_id"] for each in (await client.get("/documents")).json()["items"]} == {str(survivor)}
    await document(client, absorbed, "later")
    async with store.transaction(["acme"]) as connection:
        await unmerge(connection, "acme", absorbed, ANNE, shards=shards)
    own = {contacts[0]: "anns", contacts[1]: "bens"}
    assert await listed(client, contact_id=str(absorbed)) == [own[absorbed]]
    assert await listed(client, contact_id=str(survivor)) == [own[survivor], "later"]


async def test_erasing_a_person_takes_their_documents_and_what_the_log_says_of_them(
    client: httpx.AsyncClient, contacts: list[UUID], store: Store
) -> None:
    """S103: those of absorbed ids and those that were destroyed before, too; somebody else's below them stays, below none."""
    await template(client)
    anns = await document(client, contacts[0], "anns", attributes={"amount": 4711})
    gone = await document(client, contacts[0], "gone", attributes={"amount": 4711})
    bens = await document(client, contacts[1], "bens", parent_id=anns["id"])
    for _ in range(2):
        assert (await client.delete(f"/documents/{gone['id']}")).status_code == 204
    kept = {"template": "contract", "contact_id": str(contacts[0]), "slug": "kept", "title": "K", "attributes": {"amount": 4711}}
    once = {"idempotency-key": "once"}
    assert (await client.post("/documents", json=kept, headers=once)).status_code == 201
    async with store.transaction(["acme"]) as connection:
        await erase(connection, "acme", contacts[0], ANNE, shards=await shard_count(store))
    assert await listed(client) == ["bens"]
    assert (await client.get(f"/documents/{anns['id']}")).status_code == 404
    assert (await client.get(f"/documents/{bens['id']}")).json()["parent_id"] is None
    async with store.transaction(["acme"]) as connection:
        for table in ("log_details", "documents", "destroyed_documents", "links"):
            text = await connection.fetch(f"select t::text from {table} t")  # noqa: S608 -- one of these
            named = [] if table == "log_details" else [anns["id"], gone["id"]]
            assert not [row for row in text if any(each in row[0] for each in ("4711", *named))], table
    assert (await client.post("/documents", json=kept, headers=once)).status_code == 410, "what was answered is forgotten"
    refused = await client.post("/documents", json={**kept, "slug": "x"})
    assert refused.status_code == 410


async def test_a_journey_manager_sees_and_changes_documents_that_they_own(
    api: Api, client: httpx.AsyncClient, contacts: list[UUID]
) -> None:
    """S77, S78, product.md 9: owner of what they make, reads what they follow; of the rest they learn nothing, and give it to nobody."""
    await template(client)
    theirs, others = await api.user("journey_manager"), await api.user("journey_manager")
    for contact in contacts:
        await client.patch(f"/contacts/{contact}/classification", json={"followers": {"add": [str(theirs.user_id)]}}, headers=ANY)
    followed = await document(client, contacts[0], "followed", followers=[str(theirs.user_id)])
    hidden = await document(client, contacts[0], "hidden", owners=[str(others.user_id)])
    async with api.client(await api.key(theirs)) as manager:
        made = await document(manager, contacts[1], "own")
        assert made["owners"] == [str(theirs.user_id)]
        assert await listed(manager) == ["followed", "own"]
        assert await listed(manager, contact_id=str(contacts[0])) == ["followed"]
        assert await listed(manager, template="contract", sort="-created_at") == ["own", "followed"]
        assert (await manager.get(f"/documents/{hidden['id']}")).status_code == 404
        assert (await manager.get(f"/documents/{followed['id']}")).status_code == 200
        for path, status in ((f"/documents/{made['id']}", 200), (f"/documents/{followed['id']}", 404), (f"/documents/{hidden['id']}", 404)):
            assert (await manager.patch(path, json={"title": "Mine"}, headers=ANY)).status_code == status
            assert (await manager.delete(path)).status_code == (204 if status == 200 else 404)
        gives = {"owners": {"add": [str(others.user_id)]}}
        assert (await manager.patch(f"/documents/{made['id']}", json=gives, headers=ANY)).status_code == 403
        below = await manager.post(
            "/documents",
            json={
                "template": "contract", "contact_id": str(contacts[1]), "slug": "x", "title": "X", "attributes": {"amount": 1},
                "parent_id": hidden["id"],
            },
        )  # fmt: skip
        assert below.status_code == 404
    async with api.client(await api.key(others)) as stranger:
        body = {"template": "contract", "contact_id": str(contacts[1]), "slug": "x", "title": "X", "attributes": {"amount": 1}}
        assert (await stranger.post("/documents", json=body)).status_code == 404, "a contact that they do not see"


async def test_another_workspaces_documents_and_contacts_are_as_if_there_were_none(
    api: Api, client: httpx.AsyncClient, contacts: list[UUID]
) -> None:
    """S31, S94: the same 404 as for what was never there."""
    await template(client)
    made = await document(client, contacts[0])
    async with api.as_role("super_admin", workspace="other") as stranger:
        await template(stranger)
        path = f"/documents/{made['id']}"
        answers = [
            await stranger.get(path),
            await stranger.patch(path, json={"title": "x"}, headers=ANY),
            await stranger.delete(path),
            await stranger.post(f"{path}/restore"),
            await stranger.post(
                "/documents",
                json={"template": "contract", "contact_id": str(contacts[0]), "slug": "x", "title": "X", "attributes": {"amount": 1}},
            ),
        ]
        missing = await stranger.get(f"/documents/{uuid4()}")
        for each in answers:
            assert {**each.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
        assert await listed(stranger) == []
        assert await listed(stranger, contact_id=str(contacts[0])) == []
    assert await listed(client) == ["first"]


async def owned(client: httpx.AsyncClient, slug: str) -> list[str]:
    answer = await client.get("/documents")
    return next(each["owners"] for each in answer.json()["items"] if each["slug"] == slug)


async def test_a_synchronised_document_has_the_owners_of_its_contact_whoever_changes_them(
    api: Api, client: httpx.AsyncClient, contacts: list[UUID], store: Store
) -> None:
    """Product-facts 1.6: read-only on the document, and it follows users, merges and unmerges; lists and S77 by the same."""
    await template(client, ownership_mode="sync_with_contact")
    ann, ben = [await api.user("journey_manager") for _ in range(2)]
    for contact, user in zip(contacts, (ann, ben), strict=True):
        await client.patch(f"/contacts/{contact}/classification", json={"owners": {"add": [str(user.user_id)]}}, headers=ANY)
    for contact, slug in zip(contacts, ("anns", "bens"), strict=True):
        made = await document(client, contact, slug)
        refused = await client.patch(f"/documents/{made['id']}", json={"owners": {"add": [str(ben.user_id)]}}, headers=ANY)
        assert (refused.status_code, refused.json()["code"]) == (422, "follows_contact")
    anns, bens = str(ann.user_id), str(ben.user_id)
    shards = await shard_count(store)

    async def seen() -> dict[str, list[str]]:
        found = {}
        for user in (ann, ben):
            async with api.client(await api.key(user)) as manager:
                found[user.email] = await listed(manager)
                assert await listed(client, owner=str(user.user_id)) == found[user.email]
        return {"ann": found[ann.email], "ben": found[ben.email]}

    assert (await owned(client, "anns"), await owned(client, "bens")) == ([anns], [bens])
    assert await seen() == {"ann": ["anns"], "ben": ["bens"]}
    async with store.transaction(["acme"]) as connection:
        merging = await merge(connection, "acme", Wish(contacts[1], contacts[0], {}), ANNE, shards=shards)
    assert await owned(client, "anns") == await owned(client, "bens") == sorted([anns, bens])
    assert await seen() == {"ann": ["anns", "bens"], "ben": ["anns", "bens"]}
    path = f"/contacts/{contacts[0]}/classification"
    await client.patch(path, json={"owners": {"remove": [anns]}}, headers=ANY)
    assert await seen() == {"ann": [], "ben": ["anns", "bens"]}
    await client.patch(path, json={"owners": {"add": [anns]}}, headers=ANY)
    async with store.transaction(["acme"]) as connection:
        await unmerge(connection, "acme", merging.absorbed.contact_id, ANNE, shards=shards)
    shown = {each["slug"]: each["owners"] for each in (await client.get("/documents")).json()["items"]}
    for user, mine in ((ann, anns), (ben, bens)):
        assert await listed(client, owner=str(user.user_id)) == [slug for slug in ("anns", "bens") if mine in shown[slug]]
    first = "anns" if merging.absorbed.contact_id == contacts[0] else "bens"
    assert shown[first] == [anns if first == "anns" else bens]


async def test_documents_of_a_template_that_is_switched_follow_by_a_job_and_lose_nobody_when_it_is_switched_back(
    api: Api, client: httpx.AsyncClient, contacts: list[UUID], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Product-facts 1.6: existing documents are backfilled, in chunks; every one is a version and an entry of the log."""
    monkeypatch.setattr(document_ownership, "CHUNK", 2)
    known = await template(client)
    own, contacts_own = [str((await api.user("journey_manager")).user_id) for _ in range(2)]
    await client.patch(f"/contacts/{contacts[0]}/classification", json={"owners": {"add": [contacts_own]}}, headers=ANY)
    for number in range(5):
        await document(client, contacts[0], f"d{number}", owners=[own])
    path = f"/document-templates/{known['id']}"

    async def switch(mode: str) -> None:
        assert (await client.patch(path, json={"data": {"ownership_mode": mode}}, headers=ANY)).status_code == 200
        (job,) = await carry_out(store)
        assert (job.kind, job.state, job.progress["switched"]) == ("document-ownership", "done", 5)

    await switch("sync_with_contact")
    everything = [f"d{number}" for number in range(5)]
    assert await listed(client, owner=own) == []
    assert await listed(client, owner=contacts_own) == everything
    shown = (await client.get("/documents")).json()["items"]
    assert {(each["ownership_mode"], each["version"], *each["owners"]) for each in shown} == {("sync_with_contact", 2, contacts_own)}
    await switch("independent")
    await client.patch(f"/contacts/{contacts[0]}/classification", json={"owners": {"remove": [contacts_own]}}, headers=ANY)
    assert await listed(client, owner=contacts_own) == everything, "they are the documents' own by now"
    entries = (await client.get("/log", params={"object_type": "documents", "action": "updated"})).json()["items"]
    assert len(entries) == 10
    assert {each["slug"] for each in entries[-1]["changes"]} == {"ownership_mode", "owners"}
    assert (await client.patch(path, json={"title": "Agreement"}, headers=ANY)).status_code == 200
    assert await carry_out(store) == []


async def test_a_contact_that_gets_other_owners_while_its_document_is_edited_leaves_nobody_behind(
    api: Api, client: httpx.AsyncClient, contacts: list[UUID], store: Store
) -> None:
    """S77: whoever lost the contact does not see the document, whichever of the two commits first."""
    await template(client, ownership_mode="sync_with_contact")
    user = str((await api.user("journey_manager")).user_id)
    await client.patch(f"/contacts/{contacts[0]}/classification", json={"owners": {"add": [user]}}, headers=ANY)
    assert (await client.post("/tags", json={"slug": "vip", "title": "vip", "data": {}})).status_code == 201
    made = await document(client, contacts[0])
    async with store.transaction(["acme"]) as connection:
        before = await documents.find(connection, "acme", UUID(made["id"]), EVERYBODYS, will_write=True)
        await documents.edit(connection, before, documents.Wanted(change=Change(tags=Edit(["vip"]))))
        losing = asyncio.create_task(
            client.patch(f"/contacts/{contacts[0]}/classification", json={"owners": {"remove": [user]}}, headers=ANY)
        )
        await asyncio.sleep(0.3)
        assert not losing.done()
    assert (await losing).status_code == 200
    assert await owned(client, "first") == []
    assert await listed(client, owner=user) == []
    assert await listed(client, tag="vip") == ["first"]


async def test_a_list_reads_by_index_whatever_it_is_asked_for(client: httpx.AsyncClient, contacts: list[UUID], store: Store) -> None:
    """S77, architecture 4: statements prepared while the tables were empty, on tables that grew since."""
    known = await template(client)
    somebody = str(uuid4())
    questions = [
        (Asked(), Visible("", None)),
        (Asked(carries={"tag": "t7"}), Visible("", None)),
        (Asked(carries={"profile": "contract", "tag": "t7"}, newest_first=True), Visible("", None)),
        (Asked(contact_id=contacts[0]), Visible("", None)),
        (Asked(), Visible(somebody, ("owner", "follower"))),
        (Asked(carries={"tag": "t7"}, is_archived=None), Visible(somebody, ("owner", "follower"))),
    ]
    async with store.transaction(["acme"]) as connection:
        await connection.execute(GROW, UUID(known["id"]), contacts[0])
    async with store.transaction(["acme"]) as connection:
        for asked, visible in questions:
            for after in (None, (datetime.now(UTC), uuid4())):
                statement, arguments = document_lists.compiled("acme", asked, visible, after, 51)
                plan = "\n".join(row[0] for row in await connection.fetch(f"explain {statement}", *arguments))
                assert not [table for table in ("documents", "links") if f"Seq Scan on {table}" in plan], f"{asked} {visible}\n{plan}"
