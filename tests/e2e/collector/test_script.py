"""The tracking script in a real browser, against the collector on a real broker: what visitors do, and what then lies on the topic."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from joserfc.jwk import ECKey

from onefold.access.identity_keys import create_identity_key
from onefold.access.keys import create_key
from onefold.http.collector.script import newest
from onefold.http.collector.snippets import Snippets
from onefold.installation.site import FOLDER, sample_site
from onefold.settings import CollectorSettings
from tests.e2e.collector.chromium import browser, chromium
from tests.e2e.collector.sdks import ROOT, browser_sdk
from tests.e2e.collector.sites import Page, serving
from tests.support.collectors import WORKSPACE, collector_on, running_collector
from tests.support.commands import onefold
from tests.support.installations import installation
from tests.support.signing import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from playwright.async_api import BrowserContext, Route
    from playwright.async_api import Page as Tab

    from tests.e2e.collector.sites import Site
    from tests.support.collectors import RunningCollector
    from tests.support.servers import Database, Services

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("fetched")]

TOKEN = "onefold.user().anonymousId()"
STORED = "JSON.stringify(Object.keys(localStorage).filter((key) => key !== 'onlooker')) + document.cookie"
_UNSENT = "Object.keys(localStorage).filter((key) => key.startsWith('onefold:')).flatMap((key) => JSON.parse(localStorage[key]).events)"
NOTHING_UNSENT = f"{_UNSENT}.length === 0"
BUTTON = "document.querySelector('button').onclick = () => onefold.track('Bought', { sku: 7 }, () => { location = '/thanks' })"


class Visit(NamedTuple):
    """A browser with a site and a collector, and what was seen meanwhile."""

    collector: RunningCollector
    site: Site
    context: BrowserContext
    hosts: set[str]
    complaints: list[str]

    @property
    def snippets(self) -> Snippets:
        """For the site's pages."""
        return Snippets(newest(), self.collector.host, self.collector.public_key)

    def add(self, path: str, *parts: str, kind: str = "text/html", policy: str | None = None) -> None:
        """A page of these elements."""
        frame = "<!doctype html><title>A page</title><button>Buy</button>" if kind == "text/html" else ""
        self.site.pages[path] = Page(frame + "".join(parts), kind, policy)

    async def tab(self, path: str, host: str = "shop.example") -> Tab:
        """A new tab with a page of the site."""
        tab = await self.context.new_page()
        await tab.goto(self.site.url(path, host))
        return tab

    async def events(self, count: int) -> list[dict[str, Any]]:
        """What lies on the topic, each event once, as soon as there are so many, in the order of their times."""
        found: dict[str, dict[str, Any]] = {}
        async with asyncio.timeout(10):
            while len(found) < count:
                await asyncio.sleep(0.05)
                found = {message["event_id"]: message for _, message in await self.collector.written()}
        return sorted(found.values(), key=lambda message: message["context"]["originalTimestamp"])


async def until(tab: Tab, expression: str) -> None:
    """Wait until this holds in the page; asked from outside, since the page's policy forbids what Playwright would do there."""
    async with asyncio.timeout(10):
        while not await tab.evaluate(expression):
            await asyncio.sleep(0.05)


def said(event: dict[str, Any]) -> str:
    return str(event["name"] or event["type"])


def token_of(event: dict[str, Any]) -> str:
    [token] = [each["identifier"] for each in event["identifiers"] if each["semantic_type"] == "anonymous_token"]
    return str(token)


@pytest.fixture(scope="module")
def fetched() -> None:
    """Browser and SDK are there before a server waits for an answer: fetching them holds up the event loop."""
    chromium()
    browser_sdk()


@asynccontextmanager
async def visiting(collector: RunningCollector) -> AsyncIterator[Visit]:
    """A fresh browser. Every request and complaint of its pages is noted."""
    with serving({}) as site:
        async with browser() as chromium:
            context = await chromium.new_context()
            visit = Visit(collector, site, context, set(), [])
            context.on("request", lambda request: visit.hosts.add(urlsplit(request.url).netloc))
            context.on("console", lambda message: visit.complaints.append(message.text) if message.type in {"error", "warning"} else None)
            context.on("weberror", lambda error: visit.complaints.append(str(error.error)))
            yield visit


async def answering(context: BrowserContext, answers: list[tuple[int, dict[str, str], str]]) -> list[float]:
    """Put these answers in the way of the collector's, one a request; gives the times of all requests, as it goes on."""
    times: list[float] = []

    async def intercept(route: Route) -> None:
        times.append(asyncio.get_running_loop().time())
        if answers:
            status, headers, body = answers.pop(0)
            await route.fulfill(
                status=status,
                headers={"access-control-allow-origin": "*", "access-control-expose-headers": "retry-after", **headers},
                body=body,
            )
        else:
            await route.continue_()

    await context.route("**/v1/batch", intercept)
    return times


async def test_a_visitor_browses_leaves_and_comes_back_as_one_contact_with_every_event_once(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """S72 and the CSP of the page: nothing is asked of another host, and nothing is run that the policy does not name."""
    async with installation(services, database, topic_prefix, redis_url, partitions=3) as mine:
        settings = mine.role.settings.model_copy(update={"collector": CollectorSettings(port=0)})
        async with mine.resolvers(1), collector_on(settings, mine.store) as collector, visiting(collector) as visit:
            printed = (await onefold(mine, "script", "--workspace", WORKSPACE, "--url", collector.host, "--json")).json()
            assert (printed["element"], printed["integrity"]) == (visit.snippets.element, newest().integrity)
            policy = f"default-src 'self'; script-src 'self' {collector.host}; connect-src {collector.host}"
            for path in ("/", "/thanks"):
                visit.add(path, visit.snippets.element, '<script defer src="/site.js"></script>', policy=policy)
            visit.add("/site.js", BUTTON, kind="text/javascript")
            tab = await visit.tab("/?utm_source=mail&utm_campaign=spring&ajs_uid=mallory")
            token = await tab.evaluate(TOKEN)
            await tab.click("button")
            await tab.wait_for_url("**/thanks")
            await tab.evaluate("onefold.identify('u1', { email: 'ann@example.com', name: 'Ann Lee' }); location = 'about:blank'")
            await visit.events(4)
            back = await visit.tab("/thanks")
            assert await back.evaluate(TOKEN) == token
            events = await visit.events(5)
            await until(back, NOTHING_UNSENT)
            await mine.settled()
            assert await mine.groups() == [[f"anonymous_token:{token}", "email:ann@example.com", "user_id:u1"]]
            async with mine.store.transaction([WORKSPACE]) as tx:
                assert await tx.fetchval("select count(*) from contacts") == 1
    assert [said(each) for each in events] == ["page", "Bought", "page", "identify", "page"]
    assert {token_of(each) for each in events} == {token}
    assert events[1]["properties"] == {"sku": 7}
    context = events[0]["context"]
    assert context["campaign"] == {"source": "mail", "name": "spring"}
    assert (context["page"]["path"], context["page"]["title"], context["library"]["name"]) == ("/", "A page", "onefold.js")
    assert context["timezone"]
    assert "HeadlessChrome" in context["user_agent"]
    assert visit.complaints == []
    assert visit.hosts == {f"shop.example:{visit.site.port}", urlsplit(collector.host).netloc}


async def test_calls_before_the_script_and_before_consent_wait_and_nothing_is_stored(
    database: Database, services: Services, topic_prefix: str
) -> None:
    """The stub's calls are made up for with their own times; a refusal ends the token and the queue."""
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector, visiting(collector) as visit:
        waiting = visit.snippets.inline.replace('{"host"', '{consent: "wait", "host"')
        visit.add(
            "/", "<script>onefold = []; onefold.push(['track', 'Before all'])</script>", waiting, "<script>onefold.track('Before')</script>"
        )
        tab = await visit.tab("/")
        await tab.evaluate("onefold.ready().then(() => onefold.track('Waits'))")
        assert await tab.evaluate(TOKEN) is None
        assert await tab.evaluate(STORED) == "[]"
        await tab.wait_for_timeout(600)
        assert await collector.written() == []
        await tab.evaluate("onefold.consent('granted')")
        events = await visit.events(4)
        assert [said(each) for each in events] == ["Before all", "page", "Before", "Waits"]
        assert await tab.evaluate(STORED) != "[]"
        await answering(visit.context, [(503, {}, "")] * 100)
        await tab.evaluate("onefold.track('Never'); onefold.consent('denied'); onefold.track('Never either')")
        await tab.wait_for_timeout(600)
        assert await tab.evaluate(STORED) == "[]"
        await visit.context.unroute("**/v1/batch")
        await tab.evaluate("onefold.consent('granted'); onefold.track('Again')")
        again = (await visit.events(5))[-1]
        assert (said(again), token_of(again) == token_of(events[0])) == ("Again", False)
    assert visit.complaints == [] or all("503" in each for each in visit.complaints)


async def test_global_privacy_control_counts_where_the_site_says_so(database: Database, services: Services, topic_prefix: str) -> None:
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector, visiting(collector) as visit:
        element = visit.snippets.element
        visit.add("/", element)
        visit.add("/honours", element.replace("<script", '<script data-global-privacy-control="on"'))
        await visit.context.add_init_script("Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { value: true })")
        tab = await visit.tab("/honours")
        await tab.wait_for_timeout(500)
        assert await tab.evaluate(STORED) == "[]"
        await tab.goto(visit.site.url("/"))
        assert [each["context"]["page"]["path"] for each in await visit.events(1)] == ["/"]


async def test_tabs_and_subdomains_are_one_visitor_and_a_dead_tabs_queue_is_taken_over(
    database: Database, services: Services, topic_prefix: str
) -> None:
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector, visiting(collector) as visit:
        visit.add("/", visit.snippets.element)
        first, second = await visit.tab("/"), await visit.tab("/")
        other = await visit.tab("/", "blog.shop.example")
        tokens = [await each.evaluate(TOKEN) for each in (first, second, other)]
        assert len(set(tokens)) == 1
        await visit.events(3)
        await visit.context.clear_cookies()
        assert await first.evaluate(TOKEN) == tokens[0]  # storage restores the cookie
        assert await first.evaluate("localStorage.clear(); " + TOKEN) == tokens[0]  # and the other way round
        await visit.context.set_offline(True)
        await first.evaluate("onefold.track('In a dead tab')")
        await second.evaluate("onefold.track('In a living one')")
        await first.close()  # as by a crash: the page is not told
        for key in await second.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('onefold:'))"):
            await second.evaluate(
                "(key) => { const q = JSON.parse(localStorage[key]); if (q.events[0].event === 'In a dead tab') localStorage[key] = JSON.stringify({ ...q, at: q.at - 60000 }) }",
                key,
            )
        await visit.context.set_offline(False)
        third = await visit.tab("/")
        events = await visit.events(6)
        assert sorted(said(each) for each in events) == ["In a dead tab", "In a living one", "page", "page", "page", "page"]
        await until(third, NOTHING_UNSENT)
        assert {token_of(each) for each in events} == {tokens[0]}
        await second.evaluate("onefold.reset()")
        assert await third.evaluate(TOKEN) == await second.evaluate(TOKEN) != tokens[0]


async def test_where_cookies_and_storage_are_blocked_a_page_has_a_token_of_its_own_and_sends_the_rest_as_it_is_left(
    database: Database, services: Services, topic_prefix: str
) -> None:
    """A sandboxed page has an opaque origin, where both throw; so only a request that outlives it, or a beacon, can bring what was not sent."""
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector, visiting(collector) as visit:
        visit.add("/", visit.snippets.element, policy="sandbox allow-scripts")
        tab = await visit.tab("/")
        await tab.evaluate("onefold.track('Blocked'); onefold.alias('a', 'b')")
        events = await visit.events(2)
        assert [said(each) for each in events] == ["page", "Blocked"]
        assert {token_of(each) for each in events} == {await tab.evaluate(TOKEN)}
        assert ["alias() is for servers" in each for each in visit.complaints] == [True]
        await tab.evaluate("onefold.track('By a request'); location = '/?2'")
        await visit.events(4)
        await tab.evaluate("delete Request.prototype.keepalive; onefold.track('By a beacon'); location = 'about:blank'")
        events = await visit.events(5)
        assert [said(each) for each in events] == ["page", "Blocked", "By a request", "page", "By a beacon"]
        assert len({token_of(each) for each in events}) == 2
        assert len(await collector.written()) == 5


async def test_the_sample_site_asks_first_and_then_tells_what_visitors_do(
    database: Database, services: Services, topic_prefix: str
) -> None:
    """deploy/demo, as `onefold up` serves it."""
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector, visiting(collector) as visit:
        element = visit.snippets.element.replace("<script", '<script data-consent="wait"')
        with sample_site(ROOT / FOLDER, element, collector.host) as address:
            tab = await visit.context.new_page()
            await tab.goto(f"{address}/")
            await tab.click("text=Buy the iron teapot")
            assert await tab.evaluate(STORED) == "[]"
            await tab.click("text=Yes")
            await tab.click("text=Account")
            await tab.fill("[name=name]", "Ann Lee")
            await tab.fill("[name=email]", "ann@example.com")
            await tab.click("text=Sign up")
            events = await visit.events(4)
    assert [said(each) for each in events] == ["page", "Teapot Bought", "page", "identify"]
    assert {token_of(each) for each in events} == {token_of(events[0])}
    assert {"semantic_type": "email", "identifier": "ann@example.com"} in events[-1]["identifiers"]
    assert visit.complaints == []


@pytest.mark.slow  # the first time, npm fetches the SDK
async def test_the_official_sdk_and_ours_keep_each_others_visitor(database: Database, services: Services, topic_prefix: str) -> None:
    """C1: the names and the form of what it stores; `analytics` is the global that the page's own calls go on using."""
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector, visiting(collector) as visit:
        for file in browser_sdk().glob("*.js"):
            visit.add(f"/{file.name}", file.read_text(encoding="utf-8"), kind="text/javascript")
        methods = ["page", "track", "identify", "user", "ready"]
        theirs = (
            f"<script>analytics = []; for (const m of {methods}) analytics[m] = (...words) => analytics.push([m, ...words]);"
            f"analytics._writeKey = '{collector.public_key}'; analytics._cdn = '{collector.host}'; analytics.page('Theirs')</script>"
        )
        visit.add("/theirs", theirs, '<script src="/standalone.js"></script>')
        visit.add("/ours", visit.snippets.element.replace("<script", '<script data-name="analytics"'))
        tab = await visit.tab("/theirs")
        await until(tab, "typeof analytics.user === 'function' && analytics.initialized")
        await tab.evaluate("analytics.identify('u1')")
        theirs_token = await tab.evaluate("analytics.user().anonymousId()")
        await visit.events(2)
        await tab.goto(visit.site.url("/ours"))
        assert await tab.evaluate("[analytics.user().anonymousId(), analytics.user().id()]") == [theirs_token, "u1"]
        new = await tab.evaluate("analytics.setAnonymousId('chosen'); analytics.user().anonymousId()")
        await tab.goto(visit.site.url("/theirs"))
        await until(tab, "typeof analytics.user === 'function' && analytics.initialized")
        assert await tab.evaluate("analytics.user().anonymousId()") == new == "chosen"
        events = await visit.events(4)
    assert [(token_of(each) == theirs_token) for each in events] == [True, True, True, False]


async def test_what_the_collector_answers_says_whether_a_call_goes_again(database: Database, services: Services, topic_prefix: str) -> None:
    """docs/reference/collector.md: 429 and 503 after the time told, a broken connection by back-off, 400 never; nothing twice."""
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector, visiting(collector) as visit:
        visit.add("/", visit.snippets.element.replace("<script", '<script data-page="off"'))
        tab = await visit.tab("/")
        refused = '{"code": "invalid_event", "message": "no"}'
        times = await answering(visit.context, [(400, {}, refused), (503, {"retry-after": "1"}, "{}"), (429, {}, "{}")])
        await tab.evaluate("onefold.track('Dropped')")
        await until(tab, NOTHING_UNSENT)
        await tab.evaluate("onefold.track('Kept')")
        events = await visit.events(1)
        assert [said(each) for each in events] == ["Kept"]
        assert times[2] - times[1] >= 0.9
        assert 0.4 < times[3] - times[2] < 2.5
        await tab.evaluate(
            "onefold.track('Large', { text: 'x'.repeat(40000) }); for (let i = 0; i < 120; i++) onefold.track('Many ' + i, { text: 'y'.repeat(900) })"
        )
        events = await visit.events(121)
        assert [said(each) for each in events[1:]] == [f"Many {number}" for number in range(120)]
        assert len(await collector.written()) == 121


async def test_an_identity_token_goes_along_and_is_asked_for_anew(database: Database, services: Services, topic_prefix: str) -> None:
    """S50: under a key that requires tokens. The first is refused, since it expired; the call goes again with a new one, and is taken once."""
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector, visiting(collector) as visit:
        sign = await signing(collector)
        async with collector.store.transaction([WORKSPACE]) as tx:
            strict = (await create_key(tx, WORKSPACE, "public", "strict", requires_identity=True)).text
        tokens = [sign(-7200), sign(0), sign(0)]
        asked: list[str] = []

        def hand_over() -> str:
            asked.append(tokens[len(asked)])
            return asked[-1]

        await visit.context.expose_function("fromOurServer", hand_over)
        inline = Snippets(newest(), collector.host, strict).inline.replace('{"host"', '{identityToken: () => fromOurServer(), "host"')
        visit.add("/", inline)
        tab = await visit.tab("/")
        await visit.events(1)
        assert asked == []  # nobody is named yet
        await tab.evaluate("onefold.identify('u1', { plan: 'pro' })")
        await visit.events(2)
        await tab.evaluate("onefold.track('Signed in')")
        events = await visit.events(3)
        assert len(asked) == 2
        assert [(said(each), each["assurance"]) for each in events] == [
            ("page", "claimed"),
            ("identify", "asserted"),
            ("Signed in", "asserted"),
        ]
        assert len(await collector.written()) == 3
        assert asked[0] not in repr(events)
        assert asked[1] not in repr(events)


async def signing(collector: RunningCollector) -> Callable[[int], str]:
    """What signs tokens for `u1` as of so many seconds from now, with an identity key of the workspace."""
    async with collector.store.transaction([WORKSPACE]) as tx:
        made = await create_identity_key(tx, WORKSPACE, "backend")
    server = Server(WORKSPACE, ECKey.import_key(made.private_key.encode()), made.row.key_id)
    return lambda seconds: server.token(datetime.now(UTC) + timedelta(seconds=seconds))
