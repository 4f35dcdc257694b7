"""Links in messages: opened by a press of a button, in the browser that asked or with the code beside them; and the way back of S56."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from onefold.records import validation_settings
from onefold.records.validation_settings import LinkSettings, ValidationSettings
from tests.integration.contact_api.test_me import added, id_of
from tests.integration.contact_api.test_sessions import registered, signed_in_by_password
from tests.support.apis import api_on
from tests.support.contact_apis import LINKS, SITE, UNSUBSCRIBING
from tests.support.outreach import requested

if TYPE_CHECKING:
    import httpx

    from onefold.records.store import Store
    from tests.support.contact_apis import Browser, ContactApi

pytestmark = pytest.mark.asyncio
SCANNER = "Mozilla/5.0 (compatible; SafeLinks/1.0)"


async def sent_link(api: ContactApi, template: str) -> str:
    message = next(each for each in reversed(await requested(api.store)) if each.template == template)
    return message.parameters["link"]


async def opened(browser: Browser, url: str, **body: Any) -> httpx.Response:
    """As the page does, where the link leads."""
    path = "/link/confirm" if body else "/link/open"
    told = {"token": url.partition("#")[2], **body}
    return await browser.client.post(f"https://contact.test{path}", json=told, headers={"sec-fetch-site": "same-origin"})


async def test_looking_at_a_link_changes_nothing_and_the_page_leaks_nothing(api: ContactApi) -> None:
    """S10, S12, S13: scanners fetch it as often as they like; the secret lies where no browser sends it; the origin is configured."""
    async with api.browser() as browser, api.browser(user_agent=SCANNER, host="evil.test") as scanner:
        await browser.ask("/sign-ins", email="ann@example.com", method="magic_link")
        url = await sent_link(api, "sign_in_link")
        assert url.startswith(f"{LINKS}/link#acme.")
        for method in ("GET", "HEAD") * 5:
            page = await scanner.client.request(method, f"https://contact.test/{url.removeprefix(LINKS)}".replace("//link", "/link"))
            assert page.status_code == 200
            assert page.headers["referrer-policy"] == "no-referrer"
            assert page.headers["cache-control"] == "no-store"
            assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
            assert "http" not in page.text.replace("http-equiv", ""), "nothing from elsewhere"
            assert "evil.test" not in page.text
        assert (await opened(browser, url)).json() == {"state": "confirmed", "purpose": "sign_in", "redirect_url": f"{SITE}/"}


async def test_a_link_in_the_asking_browser_signs_its_page_in_once(api: ContactApi) -> None:
    """S6, S11: the page that asked collects the session; nobody else, and not twice."""
    async with api.browser() as browser, api.browser() as other:
        validation = await browser.ask("/sign-ins", email="ann@example.com", method="magic_link")
        url = await sent_link(api, "sign_in_link")
        assert (await browser.post(f"/validations/{validation}/session")).status_code == 409, "not opened yet"
        assert (await opened(browser, url)).json()["state"] == "confirmed"
        assert (await opened(browser, url)).status_code == 409, "one visit by default"
        assert (await other.post(f"/validations/{validation}/session")).status_code == 409
        collected = await browser.post(f"/validations/{validation}/session")
        browser.session = collected.json()["session"]["token"]
        assert (await browser.me())["email"] == "ann@example.com"
        assert (await browser.post(f"/validations/{validation}/session")).status_code == 409


async def test_a_link_in_another_browser_asks_for_the_code_and_signs_nobody_in(api: ContactApi) -> None:
    """S11: it says what is happening; the code proves the address, and the page that asked, a stranger's perhaps, gets no session."""
    async with api.browser() as mallory, api.browser() as ann:
        validation = await mallory.ask("/sign-ins", email="ann@example.com", method="magic_link")
        url = await sent_link(api, "sign_in_link")
        told = await opened(ann, url)
        assert (told.status_code, told.json()) == (200, {"state": "code_needed", "service": "acme", "purpose": "sign_in"})
        assert (await opened(ann, url, code="000000x")).json()["code"] == "challenge_refused"
        assert (await opened(ann, url, code=await api.code())).json()["state"] == "confirmed"
        assert (await mallory.post(f"/validations/{validation}/session")).status_code == 409


async def test_only_the_page_itself_may_open_a_link(api: ContactApi) -> None:
    """Another site's page that knows a link has no button for it."""
    async with api.browser() as browser:
        await browser.ask("/sign-ins", email="ann@example.com", method="magic_link")
        token = (await sent_link(api, "sign_in_link")).partition("#")[2]
        for headers in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "https://evil.test"},
            {"origin": SITE},
        ):
            answer = await browser.client.post("https://contact.test/link/open", json={"token": token}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "wrong_place"), headers
        answer = await browser.client.post("https://contact.test/link/open", json={"token": token}, headers={"origin": LINKS})
        assert answer.status_code == 200, "a browser that says no more than the origin"


async def test_links_lead_only_where_they_may(api: ContactApi, store: Store) -> None:
    """S73: a path of the site whose key it was, or what is listed; judged when it is used."""

    async def leads_to(url: str, origins: tuple[str, ...] = ()) -> object:
        settings = ValidationSettings(magic_link_contacts=LinkSettings(redirect_url=url), redirect_origins=origins)
        async with store.transaction(["acme"]) as connection:
            await validation_settings.write(connection, "acme", settings)
        async with api.browser() as browser:
            await browser.ask("/validations", email="ann@example.com", method="magic_link")
            if origins:
                async with store.transaction(["acme"]) as connection:
                    await validation_settings.write(connection, "acme", ValidationSettings(redirect_origins=origins[1:]))
            return (await opened(browser, await sent_link(api, "verification_link"))).json()["redirect_url"]

    assert await leads_to("/welcome?from=mail") == f"{SITE}/welcome?from=mail"
    assert await leads_to("https://a.example/x", ("https://b.example", "https://a.example")) == "https://a.example/x"
    assert await leads_to("https://a.example/x", ("https://a.example",)) is None, "no longer listed"


async def test_an_address_that_is_replaced_gets_a_way_back(api: ContactApi) -> None:
    """S56: recent sign-in, proof of the new one, notice to the old one; its link gives all back and ends sessions and password."""
    async with api.browser() as mallory, api.browser() as ann:
        await registered(mallory)
        me = await mallory.me()
        old = id_of(me, "ann@example.com")
        assert await added(mallory, "mallory@example.com", replaces=old) == 200
        changed = await mallory.me()
        assert (changed["id"], changed["email"], len(changed["identifiers"])) == (me["id"], "mallory@example.com", 1)
        notice = (await requested(api.store))[-1]
        assert (notice.template, notice.address) == ("address_changed", "ann@example.com")
        await ann.sign_in("ann@example.com")
        assert (await ann.me())["id"] != me["id"], "the address is nobody's any more, so she is somebody new"
        assert (await opened(ann, notice.parameters["link"])).json() == {
            "state": "confirmed",
            "purpose": "take_back",
            "redirect_url": None,
        }
        assert (await mallory.call("GET", "/me")).status_code == 401
        assert await signed_in_by_password(mallory) == 401
        assert await signed_in_by_password(mallory, "mallory@example.com") == 401
        await ann.sign_in("ann@example.com")
        back = await ann.me()
        assert [each["identifier"] for each in back["identifiers"]] == ["ann@example.com"]
        assert (back["given_name"], back["has_password"]) == ("Ann", False)


async def test_a_link_stops_messages_that_nobody_asked_for(api: ContactApi, store: Store) -> None:
    """RFC 8058: by the button of the page or of a mail program; looking changes nothing; a link that is not whole does nothing."""

    async def takes_messages() -> bool:
        async with store.transaction(["acme"]) as connection:
            found: bool = await connection.fetchval("select outreach from identifiers where normalised = 'ann@example.com'")
        return found

    async with api.browser() as browser, api_on(store, unsubscribing=UNSUBSCRIBING) as users, users.as_role("master") as staff:
        await browser.sign_in("ann@example.com")
        me = await browser.me()
        path = f"/contacts/{me['id']}/identifiers/{id_of(me, 'ann@example.com')}/unsubscribe-link"
        url = (await staff.get(path)).json()["url"].replace(LINKS, "https://contact.test")
        page = await browser.client.get(url, headers={"accept-language": "de-AT,de;q=0.9"})
        assert (page.status_code, page.headers["content-language"], await takes_messages()) == (200, "de", True)
        broken = await browser.client.post(url[:-1] + ("A" if url[-1] != "A" else "B"))
        assert (broken.status_code, broken.json()["code"], await takes_messages()) == (409, "unsubscribe_refused", True)
        for _ in range(2):
            done = await browser.client.post(url, content=b"List-Unsubscribe=One-Click")
            assert (done.status_code, await takes_messages()) == (200, False)
        assert [each.name for each in await api.said()].count("Unsubscribed") == 1
