"""The journey of issue 7, on the sample site with every role as its own command: who browses, chats and proves an address is one contact.

Screenshots of its steps lie in `.cache/screenshots/` afterwards.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import pytest

from onefold.access.keys import create_key
from onefold.http.collector.script import newest as tracking_script
from onefold.http.collector.snippets import Snippets
from onefold.http.contact_api.widget import ChatSnippet
from onefold.http.contact_api.widget import newest as chat
from onefold.installation.site import FOLDER, sample_site
from onefold.local.mailbox import Mailbox, listening
from onefold.local.ports import pick
from tests.e2e.collector.chromium import browser, chromium
from tests.e2e.collector.sdks import ROOT, axe, browser_sdk
from tests.e2e.collector.sites import Page, serving
from tests.e2e.contact_api.visits import barriers, until, watch
from tests.support.commands import onefold
from tests.support.installations import installation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser
    from playwright.async_api import Page as Tab

    from tests.support.installations import Installation
    from tests.support.servers import Database, Services

WORKSPACE = "acme"
SCREENSHOTS = ROOT / ".cache" / "screenshots"
METHODS = ["page", "track", "identify", "user", "ready"]
AN_HOUR_LATER = "update validation_counts set last_at = last_at - interval '1 hour', ends_at = ends_at - interval '1 hour'"
JUST_NOW = "update validation_counts set last_at = clock_timestamp() + interval '1 minute'"
BATCHES_SENT = "Object.keys(localStorage).filter((key) => key.startsWith('onefold:')).flatMap((key) => JSON.parse(localStorage[key]).events).length === 0"


class Running(NamedTuple):
    """What runs, and what a site needs to know of it."""

    mine: Installation
    collector: str
    contact_api: str
    key: str
    mailbox: Mailbox
    browser: Browser
    complaints: list[str]

    @property
    def chat(self) -> str:
        """The chat's element."""
        return ChatSnippet(chat(), self.contact_api, self.key).element

    @asynccontextmanager
    async def profile(self, *others: str) -> AsyncIterator[Tab]:
        """A tab in a browser that was never here. Its pages ask our two doors, these others, and nobody else."""
        hosts: set[str] = set()
        context = await self.browser.new_context(reduced_motion="reduce", viewport={"width": 1000, "height": 760})
        await watch(context, hosts, self.complaints)
        yield await context.new_page()
        assert hosts == {urlsplit(each).netloc for each in (self.collector, self.contact_api, *others)}
        await context.close()

    async def code(self, count: int) -> str:
        """The code in the newest mail, as soon as there are so many."""
        async with asyncio.timeout(30):
            while len(mails := self.mailbox.mails()) < count:
                await asyncio.sleep(0.05)
        found = re.search(r"\b\d{6}\b", mails[-1].text)
        assert found is not None
        return found[0]

    async def recount(self, otherwise: str) -> None:
        """Let what limits codes be as if it had been counted at another time."""
        async with self.mine.store.transaction([WORKSPACE]) as connection:
            await connection.execute(otherwise)

    async def timeline(self, whose: str, count: int) -> list[str]:
        """What a contact did, by name, as soon as so much is stored of anybody."""
        async with asyncio.timeout(60):
            while await self.stored() < count:
                await asyncio.sleep(0.1)
        entries = (await onefold(self.mine, "contacts", "timeline", whose, "--json")).json()["entries"]
        return sorted(each["what"].get("name") or each["what"]["type"] for each in entries if each["kind"] == "interaction")

    async def stored(self) -> int:
        """How many events lie in timelines."""
        async with self.mine.store.transaction([WORKSPACE]) as connection:
            return int(await connection.fetchval("select count(*) from timeline"))


@asynccontextmanager
async def running(services: Services, database: Database, topic_prefix: str, redis_url: str, folder: Path) -> AsyncIterator[Running]:
    """Every role that the journey needs, each as its own command, and a mailbox."""
    chromium(), axe(), browser_sdk()  # before a server waits for an answer: fetching them holds up the event loop
    mailbox = Mailbox(folder / "mailbox")
    collector, contact_api = pick(set()), pick(set())
    async with (
        installation(services, database, topic_prefix, redis_url, partitions=2) as mine,
        listening(mailbox) as smtp,
        AsyncExitStack() as stack,
        browser() as started,
    ):
        settings = {
            "ONEFOLD_COLLECTOR__PORT": str(collector),
            "ONEFOLD_CONTACT_API__PORT": str(contact_api),
            "ONEFOLD_OUTREACH__SMTP_HOST": "127.0.0.1",
            "ONEFOLD_OUTREACH__SMTP_PORT": str(smtp),
            "ONEFOLD_OUTREACH__SMTP_SECURITY": "none",
            "ONEFOLD_OUTREACH__SENDER": "no-reply@onefold.example",
        }
        roles = ("collector", "contact-api", "resolver", "relay", "timeline", "outreach-worker")
        await asyncio.gather(*(stack.enter_async_context(mine.running(role, **settings)) for role in roles))
        async with mine.store.transaction([WORKSPACE]) as connection:
            key = (await create_key(connection, WORKSPACE, "public", "site")).text
        yield Running(mine, f"http://127.0.0.1:{collector}", f"http://127.0.0.1:{contact_api}", key, mailbox, started, [])


async def shown(tab: Tab, name: str) -> None:
    """A step as it looks, in which axe finds nothing; steps of a second browser look the same to it."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await tab.screenshot(path=SCREENSHOTS / f"{name}.png")
    if name.startswith("first"):
        assert await barriers(tab) == [], name


async def leave(tab: Tab, text: str, name: str) -> None:
    """Write into the chat, and leave an address."""
    await tab.get_by_role("button", name="Chat").click()
    await tab.get_by_label("Your message").fill(text)
    await tab.get_by_label("Your message").press("Enter")
    await shown(tab, f"{name}-asks")
    await tab.get_by_label("Name (optional)").fill("Ann Lee")
    await tab.get_by_label("E-mail", exact=True).fill("ann@example.com")
    await tab.get_by_role("button", name="Leave it here").click()
    await tab.get_by_label("Code").wait_for()
    await shown(tab, f"{name}-code")


async def prove(tab: Tab, code: str, name: str) -> None:
    """Type the code."""
    await tab.get_by_label("Code").fill(code)
    await tab.get_by_role("button", name="Confirm").click()
    await tab.get_by_text("Thank you. ann@example.com is confirmed").wait_for()
    await shown(tab, f"{name}-proved")


async def browse(tab: Tab, site: str, name: str) -> None:
    """Look at the sample site, agree to be remembered, and buy something."""
    await tab.goto(f"{site}/")
    await shown(tab, f"{name}-arrives")
    await tab.get_by_role("button", name="Yes").click()
    await tab.get_by_role("button", name="Buy the iron teapot").click()
    await until(tab, BATCHES_SENT)


async def on_two_browsers(run: Running) -> None:
    """Browse, chat and prove an address; and once more elsewhere, sooner than another code may be sent there."""
    element = Snippets(tracking_script(), run.collector, run.key).element.replace("<script", '<script data-consent="wait"', 1)
    with sample_site(ROOT / FOLDER, f"{element}\n{run.chat}", run.collector, run.contact_api) as site:
        async with run.profile(site) as tab:
            await browse(tab, site, "first")
            await leave(tab, "Is there a lid for the iron one?", "first")
            await prove(tab, await run.code(1), "first")
        async with run.profile(site) as tab:
            await browse(tab, site, "second")
            await run.recount(JUST_NOW)
            await leave(tab, "It is me again.", "second")
            assert "You can have a new code in" in await tab.get_by_role("dialog").inner_text()
            await run.recount(AN_HOUR_LATER)
            await tab.get_by_role("button", name="Send another code").click()
            await prove(tab, await run.code(2), "second")


async def with_the_official_sdk(run: Running) -> None:
    """The same on a page with Segment's browser SDK, whose visitor the chat keeps to."""
    stub = f"analytics = []; for (const m of {METHODS}) analytics[m] = (...words) => analytics.push([m, ...words]);"
    calls = f"analytics._writeKey = '{run.key}'; analytics._cdn = '{run.collector}'; analytics.page(); analytics.track('Teapot Bought');"
    element = run.chat.replace("<script", '<script data-tracker="analytics"', 1)
    parts = f"<script>{stub}{calls}</script><script src='/standalone.js'></script>{element}"
    page = f"<!doctype html><html lang='en'><head><title>Teapots</title>{parts}</head><body><main><h1>Teapots</h1></main></body></html>"
    with serving({"/": Page(page)}) as site:
        for file in browser_sdk().glob("*.js"):
            site.pages[f"/{file.name}"] = Page(file.read_text(encoding="utf-8"), "text/javascript")
        async with run.profile(site.url("/")) as tab:
            await tab.goto(site.url("/"))
            await until(tab, "typeof analytics.user === 'function' && analytics.initialized")
            await tab.evaluate("analytics.identify('u1', { plan: 'pro' })")
            await run.recount(AN_HOUR_LATER)
            await leave(tab, "I have another computer, too.", "segment")
            await prove(tab, await run.code(3), "segment")


@pytest.mark.slow  # six roles start
@pytest.mark.asyncio
async def test_who_browses_chats_and_proves_an_address_on_each_browser_is_one_contact(
    services: Services, database: Database, topic_prefix: str, redis_url: str, tmp_path: Path
) -> None:
    """S72, C8: issue 7's journey. No policy is broken, no other host is asked, axe finds nothing, and there is one timeline."""
    async with running(services, database, topic_prefix, redis_url, tmp_path) as run:
        await on_two_browsers(run)
        of_one = ["page", "Teapot Bought", "message", "Lead captured", "Validation asked for", "Address validated"]
        assert await run.timeline("email:ann@example.com", 2 * len(of_one)) == sorted(2 * of_one)
        await with_the_official_sdk(run)
        assert await run.timeline("email:ann@example.com", 3 * len(of_one) + 1) == sorted([*3 * of_one, "identify"])
        [group] = await run.mine.groups()
        assert [each.partition(":")[0] for each in group] == [*3 * ["anonymous_token"], "email", "user_id"]
        record = (await onefold(run.mine, "contacts", "show", "email:ann@example.com", "--json")).json()
        assert "Ann" in str(record)
    assert [each for each in run.complaints if "429" not in each] == []
