"""Proving an address, registering, signing in and out, and a new password: what visitors do by the Contact API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from onefold.access.caller import NotSignedIn
from onefold.contacts.acting import User
from onefold.contacts.merge import Wish, merge
from onefold.records import contact_sessions
from onefold.records.reads import find_holder
from onefold.records.store import Store
from onefold.visitors import sessions
from onefold.visitors.sessions import Lives, SigningIn
from onefold.visitors.telling import Address
from tests.support.contact_apis import PASSWORD, SITE, Browser, public_key
from tests.support.locks import until_somebody_waits
from tests.support.outreach import requested

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.records.store import Connection
    from onefold.visitors.sessions import Session
    from tests.support.contact_apis import ContactApi
    from tests.support.servers import Database

pytestmark = pytest.mark.asyncio
ANN = {"given_name": "Ann", "last_name": "Lee", "email": "ann@example.com"}


async def holder(store: Store, kind: str, value: str) -> UUID:
    async with store.transaction(["acme"]) as connection:
        found = await find_holder(connection, ["acme"], kind, value)
    assert found is not None
    return found[1]


async def registered(browser: Browser, **who: str) -> None:
    validation = await browser.ask("/registrations", password=PASSWORD, **{**ANN, **who})
    assert (await browser.confirm(validation)).status_code == 200


async def signed_in_by_password(browser: Browser, email: str = "ann@example.com", password: str = PASSWORD) -> int:
    answer = await browser.post("/sessions", email=email, password=password)
    if answer.status_code == 200:
        browser.session = answer.json()["session"]["token"]
    return answer.status_code


async def test_a_lead_that_brings_the_code_is_a_contact_with_what_it_said(api: ContactApi, store: Store) -> None:
    """Product.md, section 6: validation promotes; R8: the proof proves its address, and what the page held is asserted beside it."""
    async with api.browser() as browser:
        lead = {**ANN, "attributes": {"plan": "pro"}, "consent": {"newsletter": "granted"}, "validation": "otp"}
        validation = await browser.ask("/leads", **lead)
        answer = await browser.confirm(validation)
        assert (answer.status_code, answer.json()["session"], answer.json()["semantic_type"]) == (200, None, "email")
        assert answer.json()["anonymous_token"] == browser.token
        await browser.sign_in("ann@example.com")
        me = await browser.me()
    assert (me["type"], me["given_name"], me["email"], me["has_password"]) == ("contact", "Ann", "ann@example.com", False)
    assert me["attributes"] == {"unbound": {"plan": "pro"}}
    assert (me["consent"]["newsletter"]["state"], [each["is_validated"] for each in me["identifiers"]]) == ("granted", [True])
    assert await holder(store, "anonymous_token", browser.token) == await holder(store, "email", "ann@example.com")
    said = await api.said()
    assert [(each.name, each.assurance) for each in said] == [
        ("Lead captured", "claimed"),
        ("Address validated", "proved"),
        ("Profile given", "asserted"),
        ("Sign-in asked for", "claimed"),
        ("Signed in", "proved"),
    ]
    assert len({each.event_id for each in said}) == 5


async def test_a_password_opens_nothing_before_its_address_is_proved(api: ContactApi) -> None:
    """S41, first of the five attacks: who registers somebody else's address has nothing, before and after its owner proves it."""
    async with api.browser() as mallory, api.browser(address="203.0.113.5") as ann:
        waiting = await mallory.ask("/registrations", password=PASSWORD, **ANN)
        theirs = await api.code()
        assert await signed_in_by_password(mallory) == 401
        await ann.sign_in("ann@example.com")
        assert await signed_in_by_password(mallory) == 401
        assert (await mallory.confirm(waiting, theirs)).json()["code"] == "challenge_refused"
        assert (await ann.me())["has_password"] is False
        assert (await ann.me())["given_name"] is None, "what the stranger said of her is nobody's"


async def test_registering_proves_nothing_and_then_signs_in(api: ContactApi) -> None:
    """Product.md, section 6; S18: only a slow hash is stored."""
    async with api.browser() as browser, api.browser() as other:
        await registered(browser)
        assert (await browser.me())["has_password"] is True
        assert await signed_in_by_password(other) == 200
        assert (await other.me())["id"] == (await browser.me())["id"], "two browsers, one contact"
        assert await signed_in_by_password(other, password=PASSWORD + "!") == 401
    async with api.store.transaction(["acme"]) as connection:
        rows = await connection.fetch("select password_hash from contact_passwords")
        assert [row["password_hash"].startswith("v0$argon2id$") for row in rows] == [True]


async def test_that_an_address_is_registered_is_said_by_mail_only(api: ContactApi) -> None:
    """S28: the answer is as ever; the message tells, and its code signs its owner in. The password stays."""
    async with api.browser() as browser, api.browser() as other:
        await registered(browser)
        await api.forget_counts()
        again = await other.post("/registrations", password="an entirely different heron", **ANN)
        sent = (await requested(api.store))[-1]
        assert (again.status_code, sent.template) == (202, "already_registered")
        assert set(again.json()) == {"anonymous_token", "validation_id", "expires_at", "resend_at", "browser"}
        assert (await other.confirm(again.json()["validation_id"])).status_code == 200
        assert await signed_in_by_password(other) == 200


async def test_a_new_password_ends_every_session_and_is_told(api: ContactApi) -> None:
    """S23, S42: recovery by a proved address; the old password and all sessions are over."""
    async with api.browser() as browser, api.browser() as other:
        await registered(browser)
        validation = await other.ask("/password-resets", email="ANN@example.com")
        weak = await other.confirm(validation, new_password="password1234")
        assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
        assert (await other.confirm(validation)).json()["code"] == "password_missing"
        assert (await other.confirm(validation, new_password="nineteen loud cormorants")).status_code == 200
        assert (await requested(api.store))[-1].template == "password_changed"
        assert (await browser.call("GET", "/me")).status_code == 401
        assert (await other.me())["email"] == "ann@example.com"
        assert await signed_in_by_password(browser) == 401
        assert await signed_in_by_password(browser, password="nineteen loud cormorants") == 200


async def test_no_session_of_the_old_password_outlives_a_new_one(api: ContactApi, store: Store) -> None:
    """S23, S42: a sign-in that is about to commit while the password is replaced; mutant session-outlives-password.

    Whoever comes second waits: the session ends with the others, or does not begin.
    """
    async with api.browser() as browser:
        await registered(browser)
    by = SigningIn("acme", Address("email", "ann@example.com"), "192.0.2.7", b"browser")

    first = await sessions.compare(store, api.parts.passwords, api.parts.rules, by, PASSWORD)
    second = await sessions.compare(store, api.parts.passwords, api.parts.rules, by, PASSWORD)

    async def replace(connection: Connection) -> None:
        await contact_sessions.set_password(connection, "acme", first.stored.contact_id, "v0$another")
        await contact_sessions.end_all(connection, "acme", first.stored.contact_id)

    async def enter(connection: Connection) -> Session:
        return await sessions.sign_in(connection, "acme", second, Lives())

    async with store.transaction(["acme"]) as connection:
        session = await sessions.sign_in(connection, "acme", first, Lives())
        replacing = asyncio.create_task(store.repeated(["acme"], replace))
        await until_somebody_waits(store)
    await replacing
    async with store.transaction(["acme"]) as connection:
        with pytest.raises(NotSignedIn):
            await sessions.enter(connection, "acme", session.token, Lives())
        await contact_sessions.set_password(connection, "acme", second.stored.contact_id, second.stored.password_hash)
    async with store.transaction(["acme"]) as connection:
        await replace(connection)
        entering = asyncio.create_task(store.repeated(["acme"], enter))
        await until_somebody_waits(store)
    with pytest.raises(NotSignedIn):
        await entering


async def test_recovery_uses_proved_addresses_only(api: ContactApi) -> None:
    """S43, third of the five attacks: an address that somebody merely named recovers nothing of a contact that is known."""
    async with api.browser() as ann, api.browser() as mallory:
        await registered(ann)
        await ann.post("/leads", email="mallory@example.com")
        validation = await mallory.ask("/password-resets", email="mallory@example.com")
        assert (await mallory.confirm(validation, new_password="nineteen loud cormorants")).status_code == 200
        assert (await mallory.me())["id"] != (await ann.me())["id"]
        assert await signed_in_by_password(mallory, password="nineteen loud cormorants") == 401


async def test_a_session_ends_with_what_it_stands_on(api: ContactApi, store: Store) -> None:
    """S42, S44: a merge ends the absorbed contact's sessions and its password; the survivor's go on."""
    async with api.browser() as ann, api.browser() as bob:
        await registered(ann)
        await registered(bob, email="bob@example.com")
        one, two = (await ann.me())["id"], (await bob.me())["id"]
        async with store.transaction(["acme"]) as connection:
            await merge(connection, "acme", Wish(one, two, {}), User("ann@host", "the same person"), shards=api.parts.shards)
        survivor, absorbed = (ann, bob) if (await ann.call("GET", "/me")).status_code == 200 else (bob, ann)
        assert {each["identifier"] for each in (await survivor.me())["identifiers"]} == {"ann@example.com", "bob@example.com"}
        assert (await absorbed.call("GET", "/me")).status_code == 401


async def test_a_session_ends_by_itself_and_by_signing_out(api: ContactApi, database: Database) -> None:
    """S65 for tokens: idle and absolute limits by the store's clock, server-side; whoever comes next is somebody else."""
    owner = await Store.connect(database.admin_url)
    async with api.browser() as browser:
        for column in ("last_used_at", "expires_at"):
            await browser.sign_in("ann@example.com")
            assert (await browser.call("GET", "/me")).status_code == 200
            async with owner.transaction(["acme"]) as connection:
                await connection.execute(f"update contact_sessions set {column} = {column} - interval '90 days'")  # noqa: S608
            assert (await browser.call("GET", "/me")).status_code == 401
        await browser.sign_in("ann@example.com")
        first = browser.token
        left = await browser.call("DELETE", "/session")
        assert left.status_code == 200
        assert left.json()["anonymous_token"] != first
        assert (await browser.call("GET", "/me")).status_code == 401
    await owner.close()


async def test_who_is_not_signed_in_is_told_how(api: ContactApi) -> None:
    async with api.browser() as browser:
        for token in (None, "of_ses_" + "x" * 43, "nonsense"):
            browser.session = token
            for method, path in (("GET", "/me"), ("PATCH", "/me"), ("DELETE", "/session"), ("GET", "/me/documents")):
                answer = await browser.call(method, path)
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), path


async def test_a_session_of_another_workspace_opens_nothing(api: ContactApi, store: Store) -> None:
    """S88: whose record it is follows from the site's key and the session together."""
    key = await public_key(store, "other", allowed_urls=[f"{SITE}/*"])
    async with api.browser() as browser, api.browser(api_key=key) as stranger:
        await browser.sign_in("ann@example.com")
        stranger.session = browser.session
        assert (await stranger.call("GET", "/me")).status_code == 401


async def test_answers_are_alike_whoever_holds_the_address(api: ContactApi) -> None:
    """S26, S29: byte for byte, but for what is random or a time; unknown addresses are asked for a code, too."""

    async def shape(path: str, body: dict[str, Any]) -> tuple[int, list[str], int]:
        async with api.browser(address=f"198.51.100.{next(places)}") as browser:
            answer = await browser.post(path, **body)
        headers = sorted(name for name in answer.headers if name != "x-request-id")
        return answer.status_code, headers, len(answer.content)

    places = iter(range(1, 200))
    async with api.browser() as ann:
        await registered(ann)
    await api.forget_counts()
    for path, more in (
        ("/leads", {"validation": "otp"}),
        ("/validations", {}),
        ("/sign-ins", {}),
        ("/sign-ins", {"method": "magic_link"}),
        ("/registrations", {"password": PASSWORD}),
        ("/password-resets", {}),
        ("/sessions", {"password": "entirely wrong herons"}),
    ):
        known = await shape(path, {"email": "ann@example.com", **more})
        unknown = await shape(path, {"email": "eve@example.com", **more})
        assert known == unknown, path
        await api.forget_counts()


async def test_strangers_who_guess_lock_nobody_out(api: ContactApi) -> None:
    """S32, S36: whoever guesses waits, from everywhere after a while; in the browser where the address was proved its owner signs in."""
    async with api.browser() as ann:
        await registered(ann)
        for place in range(3):
            async with api.browser(address=f"198.51.{place}.7") as stranger:
                answers = [await stranger.post("/sessions", email="ANN@example.com", password=f"wrong heron {n}") for n in range(11)]
                assert {each.status_code for each in answers} == {401, 429}
                assert int(answers[-1].headers["retry-after"]) > 0
        async with api.browser(address="203.0.113.99") as elsewhere:
            assert await signed_in_by_password(elsewhere) == 429, "a new browser of hers waits, too: the price of thirty guesses an hour"
        assert await signed_in_by_password(ann) == 200
