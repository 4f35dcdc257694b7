"""The page of a link in a real browser: what a press of its button does where it was asked for, and elsewhere (S10 to S12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.collector.chromium import chromium
from tests.e2e.collector.sdks import ROOT, axe
from tests.e2e.collector.sites import Page
from tests.e2e.contact_api.visits import FRAME, barriers, until, visiting, watch
from tests.support.outreach import requested

if TYPE_CHECKING:
    from playwright.async_api import Page as Tab

    from tests.e2e.contact_api.visits import Visit
    from tests.support.servers import Database

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("fetched")]

ASK = """async ([api, key, path, body]) => {
  const headers = { "api-key": key, "content-type": "application/json" };
  const options = { method: "POST", headers, credentials: "include", body: JSON.stringify(body) };
  const answer = await fetch(api + "/contact/v1" + path, options);
  return [answer.status, await answer.json()];
}"""
SCREENSHOTS = ROOT / ".cache" / "screenshots"
SHOWN = "[...document.querySelectorAll('main > section')].filter((each) => !each.hidden).map((each) => each.id).join()"


@pytest.fixture(scope="module")
def fetched() -> None:
    """Browser and axe-core are there before a server waits for an answer: fetching them holds up the event loop."""
    chromium()
    axe()


async def call(visit: Visit, tab: Tab, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
    """As a page of the site calls the Contact API."""
    status, answer = await tab.evaluate(ASK, [visit.api, visit.key, path, body])
    return status, answer


async def link_of(visit: Visit) -> str:
    """The one that was sent last."""
    return (await requested(visit.store))[-1].parameters["link"]


async def pressed(tab: Tab, url: str, becomes: str) -> None:
    """Open a link, look at its page, and press its button by keyboard alone."""
    await tab.goto(url)
    await until(tab, f"{SHOWN} === 'ask'")
    assert urlsplit(tab.url).fragment == "", "the secret is not in the history"
    assert await barriers(tab) == []
    await tab.keyboard.press("Tab")
    await tab.keyboard.press("Enter")
    await until(tab, f"{SHOWN} === '{becomes}'")
    assert await barriers(tab) == []
    await tab.screenshot(path=SCREENSHOTS / f"link-{becomes}.png")


async def test_a_link_is_opened_by_its_button_and_asks_for_its_code_elsewhere(database: Database) -> None:
    """S10, S11, S12: no other host, no policy broken, no secret in an address; the page that asked has its session, another browser none."""
    async with visiting(database) as visit:
        policy = f"default-src 'none'; connect-src {visit.api}; frame-ancestors 'none'"
        visit.site.pages["/"] = Page(FRAME.format(lang="en", dir="ltr", head=""), policy=policy)
        addresses: set[str] = set()
        visit.context.on("request", lambda request: addresses.add(request.url))
        tab = await visit.context.new_page()
        await tab.goto(visit.site.url("/", host="127.0.0.1"))  # of the same site: cookies that do not cross sites reach the Contact API
        status, asked = await call(visit, tab, "/sign-ins", email="ann@example.com", method="magic_link")
        assert status == 202
        url = await link_of(visit)
        assert url.startswith(f"{visit.api}/link#")
        page = await visit.context.new_page()
        await pressed(page, url, "done")
        path = f"/validations/{asked['validation_id']}/session"
        status, collected = await call(visit, tab, path)
        assert (status, collected["session"]["token"][:7]) == (200, "of_ses_")
        await page.goto("about:blank")
        await pressed(page, url, "refused")
        async with visit.store.transaction(["acme"]) as connection:
            await connection.execute("delete from validation_counts")
        _, asked = await call(visit, tab, "/sign-ins", email="ann@example.com", method="magic_link")
        url = await link_of(visit)
        assert visit.context.browser is not None
        elsewhere = await visit.context.browser.new_context(locale="de-AT", color_scheme="dark")
        await watch(elsewhere, visit.hosts, visit.complaints)
        page = await elsewhere.new_page()
        await pressed(page, url, "code")
        assert await page.evaluate("document.documentElement.lang") == "de"
        code = (await requested(visit.store))[-1].parameters["code"]
        await page.get_by_label("Code").fill("12")
        await page.keyboard.press("Enter")
        await until(page, "document.getElementById('wrong').textContent !== ''")
        assert await barriers(page) == []
        await page.get_by_label("Code").fill(code)
        await page.keyboard.press("Enter")
        await until(page, f"{SHOWN} === 'done'")
        status, _ = await call(visit, tab, f"/validations/{asked['validation_id']}/session")
        assert status == 409, "whoever asked elsewhere gets no session by it"
        await elsewhere.close()
        assert visit.hosts == {urlsplit(each).netloc for each in (visit.site.url("/", host="127.0.0.1"), visit.api)}
        assert not any("acme." in each for each in addresses)
        assert [each for each in visit.complaints if "409" not in each] == []
