"""What is one's own: seen and changed by whoever is signed in, and by nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from onefold.contacts import change
from onefold.contacts.acting import User
from onefold.contacts.change import Edit
from onefold.records.store import Store
from tests.integration.contact_api.test_sessions import ANN, holder, registered, signed_in_by_password
from tests.support.apis import api_on
from tests.support.contact_apis import PASSWORD
from tests.support.outreach import requested

if TYPE_CHECKING:
    from tests.support.contact_apis import Browser, ContactApi
    from tests.support.servers import Database

pytestmark = pytest.mark.asyncio


def id_of(me: dict[str, Any], value: str) -> str:
    found: str = next(each["identifier_id"] for each in me["identifiers"] if each["identifier"] == value)
    return found


async def added(browser: Browser, address: str, **body: Any) -> int:
    return (await browser.confirm(await browser.ask("/me/identifiers", email=address, **body))).status_code


async def test_own_fields_are_changed_by_asserted_interactions(api: ContactApi, store: Store) -> None:
    """R12: what a user of the workspace decided stays; all else is the person's. S78: unknown fields are refused."""
    async with api.browser() as browser:
        await registered(browser)
        for body, code in (
            ({"type": "vendor"}, "invalid"),
            ({"email": "eve@example.com"}, "invalid"),
            ({"tags": ["vip"]}, "invalid"),
            ({"attributes": {"email": "eve@example.com"}}, "no_attribute"),
            ({"attributes": {"firstName": "Eve"}}, "no_attribute"),
        ):
            answer = await browser.call("PATCH", "/me", body)
            assert (answer.status_code, answer.json()["code"]) == (422, code), body
        me = (await browser.call("PATCH", "/me", {"given_name": "Anna", "attributes": {"plan": "pro", "size": 3}})).json()
        assert (me["given_name"], me["attributes"]["unbound"]) == ("Anna", {"plan": "pro", "size": 3})
        me = (await browser.call("PATCH", "/me", {"attributes": {"size": None}})).json()
        assert me["attributes"]["unbound"] == {"plan": "pro"}
        staff = User("ann@host", "she married")
        async with store.transaction(["acme"]) as connection:
            await change.edit(connection, "acme", UUID(me["id"]), Edit({"last_name": "Lee-Smith"}), staff, shards=api.parts.shards)
        assert (await browser.call("PATCH", "/me", {"last_name": "Lee"})).json()["last_name"] == "Lee-Smith"


async def test_consent_is_said_by_who_is_signed_in(api: ContactApi) -> None:
    """S47, S101: with its source and time; a later word takes the place of an earlier one."""
    async with api.browser() as browser:
        assert (await browser.post("/leads", email="ann@example.com", consent={"news": "granted"})).json()["code"] == "consent_needs_proof"
        await browser.sign_in("ann@example.com")
        page = {"url": "https://shop.example.com/settings"}
        me = (await browser.call("PUT", "/me/consent", {"consent": {"news": "granted", "calls": "denied"}, "page": page})).json()
        assert {name: each["state"] for name, each in me["consent"].items()} == {"news": "granted", "calls": "denied"}
        assert me["consent"]["news"]["source"] == "contact api https://shop.example.com/settings"
        me = (await browser.call("PUT", "/me/consent", {"consent": {"news": "denied"}})).json()
        assert me["consent"]["news"]["state"] == "denied"


async def test_an_address_is_added_by_its_proof_in_the_same_session(api: ContactApi, store: Store) -> None:
    """R10, S44: both are theirs and one contact; a session that ended meanwhile, or another one, is given nothing."""
    async with api.browser() as browser, api.browser() as other:
        await registered(browser)
        await registered(other, email="bob@example.com")
        assert await added(browser, "second@example.com") == 200
        me = await browser.me()
        assert {each["identifier"]: each["is_validated"] for each in me["identifiers"]} == {
            "ann@example.com": True,
            "second@example.com": True,
        }
        waiting = await browser.ask("/me/identifiers", email="third@example.com")
        code = await api.code()
        theirs, browser.session = browser.session, other.session
        assert (await browser.confirm(waiting, code)).json()["code"] == "challenge_refused"
        browser.session = theirs
        await browser.call("DELETE", "/session")
        assert (await browser.confirm(waiting, code)).status_code == 401
        async with store.transaction(["acme"]) as connection:
            assert await connection.fetchval("select count(*) from identifiers where normalised = 'third@example.com'") == 0


async def test_an_address_that_somebody_else_proved_makes_the_two_one(api: ContactApi) -> None:
    """R10: whoever proves both has both; the session goes on, whichever contact survives."""
    async with api.browser() as browser, api.browser() as other:
        await registered(browser, email="bob@example.com")
        await registered(other)
        assert await added(other, "bob@example.com") == 200
        assert len((await other.me())["identifiers"]) == 2


async def test_the_last_proved_address_stays(api: ContactApi, store: Store) -> None:
    """Without one nobody could sign in again; a session that stands on what is removed goes on by another address."""
    async with api.browser() as browser:
        await registered(browser)
        me = await browser.me()
        own = f"/me/identifiers/{id_of(me, 'ann@example.com')}"
        assert (await browser.call("DELETE", own)).json()["code"] == "last_address"
        assert (await browser.call("DELETE", "/me/identifiers/00000000-0000-4000-8000-000000000000")).status_code == 404
        assert await added(browser, "second@example.com") == 200
        removed = await browser.call("DELETE", own)
        assert (removed.status_code, removed.json()["email"]) == (200, "second@example.com")
        assert (await browser.me())["id"] == me["id"]
        assert await signed_in_by_password(browser, "second@example.com") == 200
        assert str(await holder(store, "email", "second@example.com")) == me["id"]


async def test_a_password_is_changed_with_the_present_one(api: ContactApi) -> None:
    """S23: other sessions end, and every proved address is told. S22: an easy one is refused."""
    async with api.browser() as browser, api.browser() as other:
        await registered(browser)
        assert await signed_in_by_password(other) == 200
        for present, wanted, code in (
            ("wrong heron entirely", "nineteen loud cormorants", "wrong_password"),
            (PASSWORD, "password1234", "weak_password"),
            (PASSWORD, "short", "password_length"),
        ):
            answer = await browser.call("PUT", "/me/password", {"present_password": present, "new_password": wanted})
            assert (answer.status_code, answer.json()["code"]) == (422, code)
        body = {"present_password": PASSWORD, "new_password": "nineteen loud cormorants"}
        assert (await browser.call("PUT", "/me/password", body)).status_code == 200
        assert (await requested(api.store))[-1].template == "password_changed"
        assert (await other.call("GET", "/me")).status_code == 401
        assert (await browser.call("GET", "/me")).status_code == 200
        assert await signed_in_by_password(other, password="nineteen loud cormorants") == 200


async def test_a_first_password_needs_a_session_that_has_just_begun(api: ContactApi, database: Database) -> None:
    """S56: a browser that was left open sets nobody's password."""
    owner = await Store.connect(database.admin_url)
    async with api.browser() as browser:
        await browser.sign_in("ann@example.com")
        async with owner.transaction(["acme"]) as connection:
            await connection.execute("update contact_sessions set began_at = began_at - interval '16 minutes'")
        answer = await browser.call("PUT", "/me/password", {"new_password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (409, "sign_in_again")
        await browser.sign_in("ann@example.com")
        assert (await browser.call("PUT", "/me/password", {"new_password": PASSWORD})).status_code == 200
        assert await signed_in_by_password(browser) == 200
    await owner.close()


async def test_own_documents_are_listed_and_nobody_elses(api: ContactApi, store: Store) -> None:
    """S77: whose they are is in the query. S86: pages are capped."""
    async with api.browser() as browser, api.browser() as other:
        await registered(browser)
        await registered(other, email="bob@example.com")
        mine = (await browser.me())["id"]
        async with api_on(store) as users, users.as_role("super_admin") as staff:
            attributes = [{"slug": "amount", "title": "Amount", "data_type": "number"}]
            template = {"title": "Contract", "slug": "contract", "data": {"attributes": attributes}}
            assert (await staff.post("/document-templates", json=template)).status_code == 201
            for number in range(3):
                document = {"template": "contract", "contact_id": mine, "slug": f"n{number}", "title": f"No {number}"}
                answer = await staff.post("/documents", json={**document, "attributes": {"amount": 1}})
                assert answer.status_code == 201, answer.text
        first = (await browser.call("GET", "/me/documents?limit=2")).json()
        second = (await browser.call("GET", f"/me/documents?limit=2&cursor={first['next']}")).json()
        assert [each["title"] for each in first["items"] + second["items"]] == ["No 2", "No 1", "No 0"]
        assert (second["next"], first["items"][0]["attributes"]) == (None, {"amount": 1})
        assert (await other.call("GET", "/me/documents")).json()["items"] == []
        assert (await browser.call("GET", "/me/documents?contact_id=1")).json()["code"] == "unknown_parameter"


async def test_a_claim_shows_nothing_of_whoever_it_names(api: ContactApi) -> None:
    """S46, read-back: naming the address of somebody who is known, in one's own session too, shows one nothing of theirs."""
    async with api.browser() as ann, api.browser() as eve:
        await registered(ann)
        await registered(eve, email="eve@example.com", given_name="Eve", last_name="Ill")
        before = await eve.me()
        answer = await eve.post("/leads", **ANN)
        assert set(answer.json()) == {"anonymous_token", "validation"}
        after = await eve.me()
        assert {**after, "updated_at": 0} == {**before, "updated_at": 0}


async def test_everything_that_is_held_goes_to_who_proved_their_address_just_now(api: ContactApi) -> None:
    """S109, S100: by a code or a link, and not by a password, which may be anybody's by now; the log tells of it."""
    async with api.browser() as browser, api.browser() as other:
        await registered(browser)
        assert await signed_in_by_password(other) == 200
        refused = await other.call("POST", "/me/export")
        assert (refused.status_code, refused.json()["code"]) == (409, "sign_in_again")
        answer = await browser.call("POST", "/me/export")
        assert answer.status_code == 200, answer.text
        document = answer.json()
        assert (document["format"], document["contact_id"]) == ("onefold.person.v1", (await browser.me())["id"])
        assert {each["method"] for each in document["sessions"]} == {"otp", "password"}
        assert len(document["passwords"]) == 1
        assert PASSWORD not in answer.text
        assert "argon2" not in answer.text
        assert any(each["action"] == "exported" and each["actor"].startswith("contact:") for each in document["log"])
