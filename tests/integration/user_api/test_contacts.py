"""Contacts by the User API: their whole life, who sees what, versions, what is refused and how (product.md, sections 2, 3, 7 and 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from onefold.identity.assurance import Assurance
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    import httpx

    from onefold.records.store import Store
    from tests.support.apis import Api

ANN: dict[str, Any] = {
    "given_name": "Ann",
    "last_name": "Lee",
    "identifiers": [{"semantic_type": "email", "identifier": "Ann@Example.com", "slug": "work"}],
    "attributes": {"unbound": {"plan": "pro"}},
}


def tag(answer: httpx.Response) -> dict[str, str]:
    return {"if-match": answer.headers["etag"]}


async def ann(client: httpx.AsyncClient, **other: object) -> dict[str, Any]:
    answer = await client.post("/contacts", json={**ANN, **other})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def bob(client: httpx.AsyncClient, email: str = "bob@example.com") -> dict[str, Any]:
    return await ann(client, given_name="Bob", identifiers=[{"semantic_type": "email", "identifier": email}])


@pytest.mark.asyncio
async def test_a_contact_is_made_read_changed_archived_restored_and_destroyed(api: Api) -> None:
    """S84, product.md 2 and 7: each with the version that its caller looked at; twice deleted it is gone."""
    async with api.signed_in(await api.user("master")) as client:
        made = await client.post("/contacts", json=ANN)
        contact = made.json()
        assert (made.status_code, made.headers["etag"], contact["version"], contact["type"]) == (201, '"1"', 1, "lead")
        assert (contact["email"], contact["attributes"]) == ("Ann@Example.com", {"unbound": {"plan": "pro"}})
        (identifier,) = contact["identifiers"]
        assert (identifier["slug"], identifier["normalised"], identifier["source"], identifier["assurance"]) == (
            "main",
            "ann@example.com",
            "manual",
            "decided",
        )
        url = f"/contacts/{contact['id']}"
        assert (await client.get(url)).json() == contact
        sparse = (await client.get(url, params={"fields": "email,type"})).json()
        assert sparse == {"id": contact["id"], "email": "Ann@Example.com", "type": "lead"}
        assert (await client.patch(url, json={"given_name": "Anna"})).status_code == 428
        edited = await client.patch(url, json={"given_name": "Anna", "attributes": {"unbound": {"plan": None}}}, headers=tag(made))
        assert (edited.status_code, edited.json()["given_name"], edited.json()["attributes"]["unbound"]) == (200, "Anna", {})
        stale = await client.patch(url, json={"given_name": "Eve"}, headers=tag(made))
        assert (stale.status_code, stale.json()["code"]) == (412, "version_conflict")
        assert (await client.delete(url)).status_code == 204
        assert (await client.get(url)).json()["archived_at"] is not None
        assert (await client.delete(url)).status_code == 428, "destroying needs the version that was looked at"
        assert (await client.post(f"{url}/restore")).json()["archived_at"] is None
        assert (await client.delete(url)).status_code == 204
        assert (await client.delete(url, headers={"if-match": "*"})).status_code == 428
        assert (await client.delete(url, headers=tag(edited))).status_code == 412
        assert (await client.delete(url, headers=tag(await client.get(url)))).status_code == 204
        gone = await client.get(url)
        assert (gone.status_code, gone.json()["code"]) == (410, "contact_erased")


@pytest.mark.asyncio
async def test_what_is_derived_is_read_only_and_what_is_unknown_refused(api: Api) -> None:
    """S78, product.md 2: type, email, phone, segments, organization_name, version, times: 422, and nothing is made."""
    async with api.as_role("master") as client:
        for name in ("type", "email", "phone", "segments", "organization_name", "version", "created_at", "last_seen_at", "pigeon"):
            made = await client.post("/contacts", json={**ANN, name: "x"})
            assert (made.status_code, made.json()["code"]) == (422, "invalid"), name
            assert name in made.json()["detail"], made.json()
        assert (await client.get("/contacts")).json()["items"] == []


@pytest.mark.asyncio
async def test_the_holder_of_an_identifier_is_named_to_who_may_see_them(api: Api) -> None:
    """409 with the holder and the way to merge; to a Journey Manager who does not see them, without (S77)."""
    async with api.as_role("master") as client, api.as_role("journey_manager") as manager:
        contact = await ann(client)
        for caller, facts in ((client, (contact["id"], "POST /api/v1/contacts/merge")), (manager, (None, None))):
            refused = await caller.post("/contacts", json=ANN)
            problem = refused.json()
            assert (refused.status_code, problem["code"]) == (409, "identifier_held")
            assert (problem.get("holder"), problem.get("merge")) == facts
        body = {"semantic_type": "email", "identifier": "ann@example.com"}
        again = await client.post(f"/contacts/{contact['id']}/identifiers", json=body)
        assert (again.status_code, again.json()["holder"]) == (409, contact["id"])


@pytest.mark.asyncio
async def test_identifiers_are_given_called_otherwise_changed_validated_and_removed(api: Api) -> None:
    """Product.md, section 3."""
    async with api.as_role("master") as client:
        contact = await ann(client)
        url = f"/contacts/{contact['id']}/identifiers"
        added = await client.post(url, json={"semantic_type": "email", "identifier": "ann@work.io", "slug": "work"})
        assert added.status_code == 201, added.text
        taken = await client.post(url, json={"semantic_type": "email", "identifier": "ann@w.io", "slug": "work"})
        assert (taken.status_code, taken.json()["code"]) == (409, "slug_taken")
        for body, code in (
            ({"semantic_type": "pigeon", "identifier": "x"}, "identifier_unknown_type"),
            ({"semantic_type": "email", "identifier": "undefined"}, "identifier_placeholder"),
            ({"semantic_type": "email", "identifier": "ann@x.io", "slug": "boat"}, "unknown_slug"),
        ):
            refused = await client.post(url, json=body)
            assert (refused.status_code, refused.json()["code"]) == (422, code)
        work = next(each for each in added.json()["identifiers"] if each["slug"] == "work")
        one = f"{url}/{work['identifier_id']}"
        assert (await client.patch(one, json={"slug": "main"}, headers=tag(added))).status_code == 409
        main = await client.patch(one, json={"slug": "main", "takes_over": True, "outreach": False}, headers=tag(added))
        assert (main.status_code, main.json()["email"]) == (200, "ann@work.io")
        valid = await client.post(f"{one}/validate", json={"reason": "she called"})
        assert (valid.json()["type"], valid.json()["version"]) == ("contact", 4)
        changed = await client.patch(one, json={"identifier": "ann@new.io"}, headers=tag(valid))
        assert (changed.json()["email"], changed.json()["type"]) == ("ann@new.io", "lead")
        assert (await client.delete(one, headers=tag(changed))).status_code == 404, "its value has another id"
        new = next(each for each in changed.json()["identifiers"] if each["slug"] == "main")
        removed = await client.delete(f"{url}/{new['identifier_id']}", headers=tag(changed))
        assert (removed.status_code, removed.json()["email"], removed.json()["identifiers_total"]) == (200, "Ann@Example.com", 1)


@pytest.mark.asyncio
async def test_s31_foreign_and_missing_contacts_give_the_same_404(api: Api) -> None:
    """S31, S77, S94: another workspace's, nobody's, and one that a Journey Manager neither owns nor follows."""
    async with api.as_role("master") as client, api.as_role("master", workspace="other") as other:
        contact = await ann(client)
        async with api.as_role("journey_manager") as manager:
            own = await bob(manager)
            assert (await manager.get(f"/contacts/{own['id']}")).status_code == 200, "who makes a contact owns it"
            assert [each["id"] for each in (await manager.get("/contacts")).json()["items"]] == [own["id"]]
            assert {each["id"] for each in (await client.get("/contacts")).json()["items"]} == {own["id"], contact["id"]}
            known = {"identifier": "email:ann@example.com"}
            assert (await manager.get("/contacts", params=known)).json()["items"] == []
            assert [each["id"] for each in (await client.get("/contacts", params=known)).json()["items"]] == [contact["id"]]
            answers = []
            for caller, who in ((other, contact["id"]), (manager, contact["id"]), (client, str(uuid4()))):
                url = f"/contacts/{who}"
                said = [
                    await caller.get(url),
                    await caller.patch(url, json={"given_name": "Eve"}, headers={"if-match": "*"}),
                    await caller.delete(url),
                    await caller.post(f"{url}/restore"),
                    await caller.post(f"{url}/identifiers", json={"semantic_type": "email", "identifier": "e@x.io"}),
                    await caller.get(f"{url}/explain"),
                    await caller.get(f"{url}/timeline"),
                    await caller.post("/contacts/merge", json={"survivor": who, "absorbed": own["id"]}),
                ]
                answers += [(each.status_code, each.json()["code"], each.json()["detail"]) for each in said]
            assert set(answers) == {(404, "not_found", "There is nothing here, or nothing that you may see.")}


@pytest.mark.asyncio
async def test_s78_a_journey_manager_makes_nobody_a_vendor(api: Api) -> None:
    """S78."""
    async with api.as_role("journey_manager") as manager:
        refused = await manager.post("/contacts", json={**ANN, "is_vendor": True})
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
        contact = await ann(manager)
        edit = await manager.patch(f"/contacts/{contact['id']}", json={"is_vendor": True}, headers={"if-match": "*"})
        assert edit.status_code == 403


@pytest.mark.asyncio
async def test_a_merge_is_previewed_made_redirected_and_undone(api: Api) -> None:
    """Product.md, section 4: the preview is the plan; an absorbed id leads to the survivor and says so."""
    async with api.signed_in(await api.user("master")) as client:
        one, other = await ann(client), await bob(client)
        body = {"survivor": one["id"], "absorbed": other["id"], "takes": {"given_name": other["id"]}}
        plan = (await client.post("/contacts/merge", json=body, params={"preview": "true"})).json()
        assert (plan["executed"], len(plan["changes"])) == (False, 2)
        assert (await client.get(f"/contacts/{other['id']}")).json()["id"] == other["id"]
        done = (await client.post("/contacts/merge", json=body)).json()
        assert (done["executed"], done["changes"]) == (True, plan["changes"])
        led = (await client.get(f"/contacts/{other['id']}")).json()
        assert (led["id"], led["redirected_from"], led["given_name"], led["identifiers_total"]) == (one["id"], other["id"], "Bob", 2)
        said = (await client.get(f"/contacts/{one['id']}/explain")).json()
        assert [each["absorbed"] for each in said["merges"]] == [other["id"]]
        assert said["identifiers"][0]["evidence"][0]["actor"].startswith("user:")
        kinds = [each["kind"] for each in (await client.get(f"/contacts/{one['id']}/timeline")).json()["items"]]
        assert kinds == ["merge"]
        back = await client.post(f"/contacts/{other['id']}/unmerge", json={"reason": "two people"})
        assert back.status_code == 200, back.text
        assert (await client.get(f"/contacts/{other['id']}")).json()["email"] == "bob@example.com"


@pytest.mark.asyncio
async def test_software_merges_by_the_rules_only(api: Api) -> None:
    """Product.md, section 4: asserted merges by the rules, a person decides against guard 1 (R19)."""
    async with api.as_role("service_account") as robot, api.signed_in(await api.user("master")) as client:
        ids = []
        for number in (1, 2):
            made = await ann(robot, identifiers=[{"semantic_type": "user_id", "identifier": f"customer-{number}"}])
            assert made["identifiers"][0]["assurance"] == "asserted"
            ids.append(made["id"])
        body = {"survivor": ids[0], "absorbed": ids[1]}
        refused = await robot.post("/contacts/merge", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "merge_refused")
        assert (await client.post("/contacts/merge", json=body)).status_code == 200


@pytest.mark.asyncio
async def test_software_does_not_replace_what_a_person_decided(api: Api) -> None:
    """R12."""
    async with api.as_role("service_account") as robot, api.signed_in(await api.user("master")) as client:
        url = f"/contacts/{(await ann(client))['id']}"
        refused = await robot.patch(url, json={"given_name": "Robot"}, headers={"if-match": "*"})
        assert (refused.status_code, refused.json()["code"]) == (409, "value_held")


@pytest.mark.asyncio
async def test_proposals_are_listed_accepted_and_refused(api: Api, store: Store) -> None:
    """Product.md, section 4."""
    resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        for made in (
            event("email:ann@x.io", assurance=Assurance.ASSERTED),
            event("email:bea@x.io", assurance=Assurance.ASSERTED),
            event("email:ann@x.io", "email:bea@x.io", minutes=1),
            event("email:ann@x.io", "email:claimed@x.io", minutes=2),
        ):
            await resolution.resolve(connection, [made], {"acme": EXACT}, "test")
    async with api.signed_in(await api.user("master")) as client, api.as_role("journey_manager") as manager:
        found = (await client.get("/proposals")).json()
        assert len(found) == 2
        assert (await manager.get("/proposals")).json() == []
        first, second = (f"/proposals/{each['proposal_id']}" for each in found)
        who = {"owners": {"add": [(await manager.get("/me")).json()["user"]["user_id"]]}}
        for contact, seen in zip(found[1]["contacts"], ([], [found[1]]), strict=True):
            await client.patch(f"/contacts/{contact}/classification", json=who, headers={"if-match": "*"})
            assert (await manager.get("/proposals")).json() == seen, "S77: who owns both sides, and nobody else"
        assert (await manager.post(f"{first}/refuse")).status_code == 404
        assert (await manager.post(f"{second}/accept", params={"preview": "true"})).status_code == 200
        assert (await client.post(f"{first}/refuse", json={"reason": "two people"})).status_code == 204
        assert (await client.post(f"{second}/accept", params={"preview": "true"})).json()["executed"] is False
        assert (await client.post(f"{second}/accept")).status_code == 200
        assert (await client.get("/proposals")).json() == []
        closed = await client.post(f"{first}/accept")
        assert (closed.status_code, closed.json()["code"]) == (409, "proposal_closed")


@pytest.mark.asyncio
async def test_what_if_by_the_api_sees_no_other_workspace_and_writes_nothing(api: Api) -> None:
    """Product.md, section 4; S94: the workspace is the caller's, whatever an event says."""
    async with api.as_role("master") as client:
        await ann(client)
        told = {"channel": "web", "type": "identify", "assurance": "asserted", "occurred_at": "2026-11-01T09:30:00.000Z"}
        lines = [
            {**told, "event_id": f"e{number}", "workspace": "other", "identifiers": [{"semantic_type": kind, "identifier": value}]}
            for number, (kind, value) in enumerate((("email", "ann@example.com"), ("user_id", "customer-7")))
        ]
        for begin, count in (("empty", 2), ("contacts", 2)):
            said = await client.post("/simulate", json={"events": lines, "from": begin, "diff": True})
            assert said.status_code == 200, said.text
            assert len(said.json()["contacts"]) == count
        assert len((await client.get("/contacts")).json()["items"]) == 1


@pytest.mark.asyncio
async def test_s100_pages_of_many_contacts_are_told_by_the_log(api: Api) -> None:
    """S100: reads of personal data in bulk are audited; a short page is none."""
    async with api.as_role("master") as client:
        for number in range(100):
            await bob(client, f"bob{number}@example.com")
        await client.get("/contacts", params={"limit": "99"})
        reads = {"action": "read", "object_type": "contacts"}
        assert (await client.get("/log", params=reads)).json()["items"] == []
        await client.post("/contacts/search", json={"limit": 100})
        (entry,) = (await client.get("/log", params=reads)).json()["items"]
        assert (entry["object_id"], entry["changes"][0]["new_value"]) == ("list", 100)
