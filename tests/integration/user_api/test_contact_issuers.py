"""Which OpenID issuers sign in a workspace's contacts (S45): who says so, what is refused, and that users' issuers are others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from onefold.access.contact_issuers import MOST_DOMAINS

if TYPE_CHECKING:
    from tests.support.apis import Api

pytestmark = pytest.mark.asyncio
ISSUER = "https://accounts.example"
MADE = {"issuer": ISSUER, "title": "Accounts", "audiences": ["shop", "app"], "email_domains": ["GMail.com", "bücher.example"]}


async def test_an_issuer_is_said_shown_changed_and_taken_back(api: Api) -> None:
    """S45: domains are kept in the one form in which addresses are compared; each change is in the log."""
    async with api.as_role("super_admin") as client, api.as_role("super_admin", workspace="other") as other:
        made = await client.post("/contact-issuers", json=MADE)
        assert made.status_code == 201, made.text
        domains = ["gmail.com", "xn--bcher-kva.example"]
        assert (made.json()["audiences"], made.json()["email_domains"], made.json()["is_enabled"]) == (["app", "shop"], domains, True)
        assert (await client.post("/contact-issuers", json=MADE)).json()["code"] == "already_exists"
        assert (await other.get("/contact-issuers")).json() == []
        assert (await client.get("/issuers")).json() == [], "it signs in no user"
        named = {"issuer": ISSUER}
        edited = await client.patch("/contact-issuers", params=named, json={"email_domains": [], "is_enabled": False})
        assert (edited.json()["email_domains"], edited.json()["is_enabled"], edited.json()["title"]) == ([], False, "Accounts")
        assert (await client.get("/contact-issuers")).json() == [edited.json()]
        absent = await other.patch("/contact-issuers", params=named, json={"is_enabled": True})
        assert (absent.status_code, absent.json()["code"]) == (404, "not_found")
        assert (await client.delete("/contact-issuers", params=named)).status_code == 204
        assert (await client.delete("/contact-issuers", params=named)).status_code == 404
        log = (await client.get("/log", params={"object_id": ISSUER})).json()["items"]
        assert sorted(each["action"] for each in log) == ["created", "destroyed", "updated"]


async def test_only_a_super_admin_says_who_signs_contacts_in(api: Api) -> None:
    """S45: whoever adds an issuer can be any contact of its domains."""
    async with api.as_role("master") as client:
        assert (await client.get("/contact-issuers")).status_code == 200
        assert (await client.post("/contact-issuers", json=MADE)).status_code == 403
        assert (await client.patch("/contact-issuers", params={"issuer": ISSUER}, json={"is_enabled": True})).status_code == 403
        assert (await client.delete("/contact-issuers", params={"issuer": ISSUER})).status_code == 403
    async with api.as_role("coach") as client:
        assert (await client.get("/contact-issuers")).status_code == 403


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"issuer": "http://accounts.example"}, "invalid_url"),
        ({"issuer": "https://accounts.example?x=1"}, "invalid_url"),
        ({"issuer": "https://accounts.example/|x"}, "invalid_url"),
        ({"issuer": "https://accounts.example/" + "x" * 476}, "invalid"),
        ({"jwks_uri": "http://accounts.example/keys"}, "invalid_url"),
        ({"title": " "}, "invalid_title"),
        ({"audiences": []}, "invalid"),
        ({"audiences": ["two words"]}, "invalid"),
        ({"email_domains": ["ann@example.com"]}, "invalid_domain"),
        ({"email_domains": ["*.example.com"]}, "invalid_domain"),
        ({"email_domains": ["com"]}, "invalid_domain"),
        ({"email_domains": [f"d{number}.example" for number in range(MOST_DOMAINS + 1)]}, "invalid"),
    ],
)
async def test_what_is_no_issuer_is_refused(api: Api, said: dict[str, Any], code: str) -> None:
    """S45: an exact issuer, client ids, and domains without patterns."""
    async with api.as_role("super_admin") as client:
        answer = await client.post("/contact-issuers", json={**MADE, **said})
        assert (answer.status_code, answer.json()["code"]) == (422, code)
