"""The chat in a real browser, against the Contact API on a real store: what visitors do, and what is then said in their name."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from onefold.http.collector.script import newest as tracking_script
from onefold.http.contact_api.widget import newest
from tests.e2e.collector.chromium import chromium
from tests.e2e.collector.sdks import axe
from tests.e2e.collector.sites import Page
from tests.e2e.contact_api.visits import WORKSPACE, barriers, token_of, until, visiting
from tests.support.outreach import requested

if TYPE_CHECKING:
    from playwright.async_api import Page as Tab
    from playwright.async_api import Route

    from tests.support.servers import Database

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("fetched")]

MOST_ZIPPED_BYTES = 25_000
STORED = "JSON.stringify([Object.keys(localStorage), Object.keys(sessionStorage)]) + document.cookie"
NOTHING = "[[],[]]"
FOCUSED = "document.querySelector('[data-onefold-chat]').shadowRoot.activeElement?.id"
NOTES = "[...document.querySelector('[data-onefold-chat]').shadowRoot.querySelectorAll('.state')].map((each) => each.firstChild?.data)"
MINE = "[...document.querySelector('[data-onefold-chat]').shadowRoot.querySelectorAll('.mine p')].map((each) => each.lastChild.data)"
TRACKER = "onefold.user().anonymousId()"


@pytest.fixture(scope="module")
def fetched() -> None:
    """Browser and axe-core are there before a server waits for an answer: fetching them holds up the event loop."""
    chromium()
    axe()


async def write(tab: Tab, text: str) -> None:
    await tab.keyboard.type(text)
    await tab.keyboard.press("Enter")


async def test_a_visitor_writes_and_leaves_an_address_by_keyboard_alone(database: Database) -> None:
    """S46, S72, C8: at every step axe finds nothing, no policy is broken, no other host is asked, and what comes back is nobody's."""
    assert len(gzip.compress(newest().content, 9)) <= MOST_ZIPPED_BYTES
    async with visiting(database) as visit:
        visit.add("/", attributes='data-codes="off"')
        tab = await visit.tab("/?ajs_aid=mallory-token#part")
        assert await barriers(tab) == []
        assert await tab.evaluate(STORED) == NOTHING
        await tab.keyboard.press("Tab")
        await tab.keyboard.press("Tab")
        await tab.keyboard.press("Enter")
        assert await tab.evaluate(FOCUSED) == "text"
        assert await barriers(tab) == []
        await write(tab, "Is the <b>teapot</b> & its lid in stock?")
        await until(tab, NOTES + "[0] === 'Sent'")
        assert await tab.evaluate(MINE) == ["Is the <b>teapot</b> & its lid in stock?"]
        assert await tab.evaluate(FOCUSED) == "text"
        assert await tab.get_by_role("status").inner_text() == "Where can we answer you?"
        for _ in range(4):
            await tab.keyboard.press("Shift+Tab")
        assert await tab.evaluate(FOCUSED) == "name"
        await tab.keyboard.type("Ann Lee")
        await tab.keyboard.press("Tab")
        await write(tab, "ann")
        assert await tab.get_by_label("E-mail").get_attribute("aria-invalid") == "true"
        assert await tab.evaluate(FOCUSED) == "email"
        assert await barriers(tab) == []
        await write(tab, "@example.com")
        await until(tab, FOCUSED + " === 'text'")
        assert await tab.get_by_role("status").inner_text() == "Thank you. We answer to ann@example.com."
        assert await barriers(tab) == []
        await tab.keyboard.press("Escape")
        assert await tab.evaluate("document.querySelector('[data-onefold-chat]').shadowRoot.activeElement.className") == "launcher"
        assert await tab.get_by_role("dialog").count() == 0
        message, lead = await visit.said(2)
        assert visit.hosts == {urlsplit(visit.site.url("/")).netloc, urlsplit(visit.api).netloc}
        assert visit.complaints == []
    assert (message.type, message.channel, message.properties) == (
        "message",
        "chat_widget",
        {"text": "Is the <b>teapot</b> & its lid in stock?"},
    )
    assert message.context is not None
    assert message.context["page"] == {"url": visit.site.url("/?ajs_aid=mallory-token"), "title": "Teapots", "referrer": ""}
    assert (lead.type, lead.channel, lead.traits, lead.assurance) == ("form", "chat_widget", {"name": "Ann Lee"}, "claimed")
    assert [each.identifier for each in lead.identifiers] == [token_of(message), "ann@example.com"]
    assert token_of(message) != "mallory-token"


async def test_what_could_not_be_sent_is_sent_later_and_is_no_second_message(database: Database) -> None:
    """R7: while there is no connection; where an answer is lost; where the door asks to wait; after the page was left."""
    async with visiting(database) as visit:
        visit.add("/")
        visit.add("/next")
        tab = await visit.tab("/")
        await tab.get_by_role("button", name="Chat").click()
        await visit.context.set_offline(True)
        await write(tab, "One")
        await until(tab, NOTES + "[0] === 'Waits for a connection'")
        lost: list[str] = []

        async def lose(route: Route) -> None:
            """Let the first arrive and not its answer; then say that it was too often; then be no more in the way."""
            lost.append((route.request.post_data_json or {})["message_id"])
            if len(lost) == 1:
                await route.fetch()
                await route.abort()
            elif len(lost) == 2:
                headers = {"access-control-allow-origin": visit.site.url("")[:-1], "access-control-allow-credentials": "true"}
                await route.fulfill(status=429, headers={**headers, "retry-after": "1", "access-control-expose-headers": "retry-after"})
            else:
                await route.continue_()

        await visit.context.route("**/messages", lose)
        await visit.context.set_offline(False)
        await write(tab, "Two")
        await until(tab, NOTES + ".join() === 'Sent,Sent'")
        await visit.context.unroute("**/messages")
        await visit.context.route("**/messages", lambda route: route.abort())
        await write(tab, "Three")
        await until(tab, NOTES + "[2] === 'Waits for a connection'")
        await tab.goto(visit.site.url("/next"))
        await until(tab, MINE + ".join() === 'One,Two,Three'")
        await visit.context.unroute("**/messages")
        said = await visit.said(4)
        visit.site.pages["/onefold.js"] = Page(tracking_script().content.decode(), "text/javascript")
        visit.add("/tracked", before='<script src="/onefold.js" data-write-key="of_pub_x" data-page="off" defer></script>')
        await tab.goto(visit.site.url("/tracked"))
        assert await tab.evaluate(TRACKER) == token_of(said[0]), "a tracking script that comes later knows the visitor"
    assert [each.properties for each in said] == [{"text": text} for text in ("One", "One", "Two", "Three")]
    assert said[0].event_id == said[1].event_id
    assert len({each.event_id for each in said}) == 3
    assert len({token_of(each) for each in said}) == 1
    assert lost[:3] == [said[0].event_id] * 3


async def test_an_address_is_proved_by_the_code_that_went_there(database: Database) -> None:
    """S26, S46, C8: pasted or typed, on a later page too; a wrong one is told at the field; and no answer says anything of a contact."""
    async with visiting(database) as visit:
        visit.add("/")
        tab = await visit.tab("/")
        await tab.get_by_role("button", name="Chat").click()
        await write(tab, "Hello")
        await tab.get_by_label("E-mail").fill("ann@example.com")
        await tab.get_by_label("E-mail").press("Enter")
        told = tab.get_by_role("status")
        await told.get_by_text("We sent a code to ann@example.com.").wait_for()
        assert await tab.evaluate(FOCUSED) == "code"
        assert await tab.get_by_label("Code").get_attribute("autocomplete") == "one-time-code"
        assert await barriers(tab) == []
        await tab.get_by_role("button", name="Send another code").click()
        await told.get_by_text("You can have a new code in").wait_for()
        sent = await requested(visit.store)
        code = sent[0].parameters["code"]
        await tab.get_by_label("Code").fill("12345x")
        await tab.get_by_label("Code").press("Enter")
        await tab.get_by_text("This code is wrong, was used or is too old.").wait_for()
        assert await tab.evaluate(FOCUSED) == "code"
        assert await barriers(tab) == []
        await tab.reload()
        await tab.get_by_role("button", name="Chat").click()
        await tab.get_by_label("Code").fill(f" {code[:3]} {code[3:]} ")
        await tab.get_by_role("button", name="Confirm").click()
        await told.get_by_text("Thank you. ann@example.com is confirmed, and we answer there.").wait_for()
        assert await tab.evaluate(FOCUSED) == "text"
        assert await barriers(tab) == []
        assert [(each.template, each.address) for each in sent] == [("verification_code", "ann@example.com")]
        assert all("409" in each or "429" in each for each in visit.complaints), visit.complaints
        sent_fields = {"validation_id", "expires_at", "resend_at", "browser"}
        assert visit.told <= {"anonymous_token", "event_id", "validation", "semantic_type", "session", *sent_fields}
        async with visit.store.transaction([WORKSPACE]) as connection:
            validated = await connection.fetch("select semantic_type, normalised from identifiers where is_validated")
    assert [tuple(row) for row in validated] == [("email", "ann@example.com")]


async def test_it_keeps_to_the_tracking_scripts_visitor_and_to_its_consent(database: Database) -> None:
    """Before consent and after a refusal nothing is stored; whoever signs out leaves nothing to be read by the next."""
    async with visiting(database) as visit:
        visit.site.pages["/onefold.js"] = Page(tracking_script().content.decode(), "text/javascript")
        tracked = '<script src="/onefold.js" data-write-key="of_pub_x" data-consent="wait" data-page="off" defer></script>'
        visit.add("/", before=tracked)
        tab = await visit.tab("/")
        await tab.get_by_role("button", name="Chat").click()
        await write(tab, "Before")
        before, *_ = await visit.said(1)
        await asyncio.sleep(1.2)
        assert await tab.evaluate(STORED) == NOTHING
        await tab.evaluate("onefold.consent('granted')")
        await write(tab, "After")
        _, after = await visit.said(2)
        token = await tab.evaluate(TRACKER)
        assert token_of(after) == token != token_of(before)
        await tab.reload()
        await tab.evaluate("onefold.consent('granted')")
        await until(tab, MINE + ".join() === 'Before,After'")
        await tab.evaluate("onefold.reset()")
        await until(tab, MINE + ".length === 0")
        assert "After" not in await tab.evaluate("JSON.stringify(sessionStorage)")
        await tab.get_by_role("button", name="Chat").click()
        await write(tab, "Somebody else")
        other = (await visit.said(3))[2]
        assert token_of(other) == await tab.evaluate(TRACKER) != token
        await tab.evaluate("onefold.consent('denied')")
        await until(tab, f"{STORED} === '{NOTHING}'")
        assert visit.complaints == []


async def test_it_speaks_the_pages_language_fits_small_windows_and_may_be_told_apart(database: Database) -> None:
    """C8: at 320 pixels it takes the window, and the page behind it waits; a page from right to left has it on its left."""
    async with visiting(database) as visit:
        visit.add("/de", lang="de-AT")
        visit.add("/fr", lang="fr", attributes='data-fields="phone"')
        words = '{"chat": "محادثة", "title": "اكتب لنا"}'
        visit.add("/ar", lang="ar", direction="rtl", attributes=f"data-words='{words}'")
        tab = await visit.tab("/de")
        await tab.set_viewport_size({"width": 320, "height": 256})
        await tab.get_by_role("button", name="Chat").click()
        assert await tab.get_by_role("dialog", name="Schreiben Sie uns").bounding_box() == {"x": 0, "y": 0, "width": 320, "height": 256}
        await write(tab, "Grüß Gott")
        await until(tab, NOTES + "[0] === 'Gesendet'")
        assert await barriers(tab) == []
        assert await tab.evaluate("document.scrollingElement.scrollWidth") <= 320
        await tab.keyboard.press("Escape")
        assert await tab.get_by_role("dialog").count() == 0
        other = await visit.tab("/fr")
        await other.get_by_role("button", name="Chat").click()
        await write(other, "Bonjour")
        await other.get_by_label("Téléphone, avec l’indicatif du pays").fill("+43 660 1234567")
        await other.get_by_role("button", name="Laisser l’adresse").click()
        await other.get_by_role("status").get_by_text("Merci. Nous répondons à +43 660 1234567.").wait_for()
        lead = (await visit.said(3))[2]
        assert [each.semantic_type for each in lead.identifiers] == ["anonymous_token", "phone"]
        third = await visit.tab("/ar")
        await third.get_by_role("button", name="محادثة").click()
        box = await third.get_by_role("dialog", name="اكتب لنا").bounding_box()
        assert box is not None
        assert box["x"] < 50
        assert await barriers(third) == []
        assert all("409" in each for each in visit.complaints), "no text goes to Austria here, and the lead stands all the same"
