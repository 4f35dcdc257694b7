"""A browser, a site with a strict policy, and a Contact API on a real store: what tests of the chat work with, and what they saw meanwhile."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from onefold import bootstrap
from onefold.access.keys import create_key
from onefold.http.contact_api.role import serving as serving_api
from onefold.http.contact_api.widget import ChatSnippet, newest
from onefold.local.ports import pick
from onefold.messages.codec import decode
from onefold.messages.interactions import InteractionMessage
from onefold.records.store import Store
from tests.e2e.collector.chromium import browser
from tests.e2e.collector.sdks import axe
from tests.e2e.collector.sites import Page, serving
from tests.support.contact_apis import SAID
from tests.support.installations import settings_of
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import BrowserContext, Request
    from playwright.async_api import Page as Tab

    from tests.e2e.collector.sites import Site
    from tests.support.servers import Database

WORKSPACE = "acme"
FRAME = '<!doctype html><html lang="{lang}" dir="{dir}"><head><title>Teapots</title>{head}</head><body><main><h1>Teapots</h1><button>Buy</button></main></body></html>'
_AXE = "async () => (await axe.run(document)).violations.map((each) => [each.id, each.nodes.map((node) => node.html)])"
_ONLOOKER = (
    "addEventListener('securitypolicyviolation', (event) => console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI))"
)


class Visit(NamedTuple):
    """What runs, and what was seen."""

    store: Store
    api: str
    key: str
    site: Site
    context: BrowserContext
    hosts: set[str]
    complaints: list[str]
    told: set[str]
    """Every field of every answer that was no problem."""

    async def note(self, request: Request) -> None:
        """Look at the answer to a call."""
        response = await request.response()
        if response is not None and response.ok and request.method == "POST":
            self.told.update(await response.json())

    def add(self, path: str, *, lang: str = "en", direction: str = "ltr", attributes: str = "", before: str = "") -> None:
        """A page with the chat, under a policy that lets it do what it must, and nothing else."""
        element = ChatSnippet(newest(), self.api, self.key).element.replace("<script", f"<script {attributes}", 1)
        policy = (
            f"default-src 'none'; img-src 'self'; script-src 'self' {self.api}; connect-src 'self' {self.api}; frame-ancestors 'none'; "
            "require-trusted-types-for 'script'; trusted-types 'none'"
        )
        head = before + element
        self.site.pages[path] = Page(FRAME.format(lang=lang, dir=direction, head=head), policy=policy)

    async def tab(self, path: str) -> Tab:
        """A new tab with a page of the site."""
        tab = await self.context.new_page()
        await tab.goto(self.site.url(path))
        return tab

    async def said(self, count: int) -> list[InteractionMessage]:
        """What waits to lie on the topic, as soon as there are so many."""
        found: list[InteractionMessage] = []
        async with asyncio.timeout(10):
            while len(found) < count:
                async with self.store.transaction([WORKSPACE]) as connection:
                    found = [decode(row["payload"], InteractionMessage) for row in await connection.fetch(SAID)]
                await asyncio.sleep(0.05)
        return found


async def watch(context: BrowserContext, hosts: set[str], complaints: list[str]) -> None:
    """Note whom its pages ask, and what is complained of in them: broken policies, errors, warnings."""
    context.set_default_timeout(10_000)
    await context.add_init_script(_ONLOOKER)
    context.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    context.on("console", lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None)
    context.on("weberror", lambda error: complaints.append(str(error.error)))


async def until(tab: Tab, expression: str) -> None:
    """Wait until this holds in the page; asked from outside, since the page's policy forbids what Playwright would do there."""
    async with asyncio.timeout(10):
        while not await tab.evaluate(expression):
            await asyncio.sleep(0.05)


async def barriers(tab: Tab) -> list[Any]:
    """What axe-core finds in the page as it is now."""
    if not await tab.evaluate("'axe' in window"):
        await tab.evaluate(axe())
    found: list[Any] = await tab.evaluate(_AXE)
    return found


def token_of(said: InteractionMessage) -> str:
    """The visitor's token."""
    [token] = [each.identifier for each in said.identifiers if each.semantic_type == "anonymous_token"]
    return str(token)


@asynccontextmanager
async def visiting(database: Database) -> AsyncIterator[Visit]:
    """A fresh browser. Every request and complaint of its pages is noted."""
    port = pick(set())
    settings = settings_of(
        {
            "ONEFOLD_POSTGRES__URL": database.app_url,
            "ONEFOLD_REDIS__URL": "redis://127.0.0.1:1/0",
            "ONEFOLD_KAFKA__SERVERS": "127.0.0.1:1",
            "ONEFOLD_INDEX__SECRET": "00" * 32,
            "ONEFOLD_VALIDATION__SECRET": secrets.token_hex(32),
            "ONEFOLD_CONTACT_API__PORT": str(port),
            "ONEFOLD_CONTACT_API__PUBLIC_URL": f"http://127.0.0.1:{port}",
            "ONEFOLD_LOGS__LEVEL": "error",
        }
    )
    store = await Store.connect(database.app_url)
    try:
        await add_workspace(store, WORKSPACE)
        async with store.transaction([WORKSPACE]) as connection:
            key = (await create_key(connection, WORKSPACE, "public", "site")).text
        async with serving_api(bootstrap.begin("contact-api", settings), store), browser() as chromium:
            with serving({}) as site:
                context = await chromium.new_context(reduced_motion="reduce")
                visit = Visit(store, f"http://127.0.0.1:{port}", key, site, context, set(), [], set())
                await watch(context, visit.hosts, visit.complaints)
                context.on("requestfinished", lambda request: visit.note(request))  # noqa: PLW0108 -- Playwright marks methods that it is given
                yield visit
    finally:
        await store.close()
