"""Signing in with a provider: what its token proves, and what it takes from nobody (S45, the fifth of the pre-hijacking attacks)."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from onefold.access import contact_issuers, issuers
from onefold.access.contact_issuers import Edit
from onefold.records import issuers as issuer_rows
from onefold.records.contact_issuers import NewContactIssuer
from tests.support.contact_apis import SITE, public_key
from tests.support.providers import Provider, Site

if TYPE_CHECKING:
    import httpx

    from onefold.records.store import Store
    from tests.support.contact_apis import Browser, ContactApi

pytestmark = pytest.mark.asyncio
ANN: dict[str, Any] = {"email": "ann@mail.example", "email_verified": True}


async def trust(store: Store, provider: Provider, *domains: str, workspace: str = "acme") -> None:
    """Let contacts sign in by a provider, which vouches for these domains."""
    new = NewContactIssuer(workspace, provider.issuer, "ours", ["site"], list(domains), f"{_origin(provider)}/keys")
    async with store.transaction([workspace]) as connection:
        await contact_issuers.trust(connection, new)


def _origin(provider: Provider) -> str:
    return provider.issuer.removesuffix("/realm")


async def brings(browser: Browser, provider: Provider, subject: str = "ann", **claims: Any) -> httpx.Response:
    """Sign in with the provider, and hand over its token; a session that begins is kept."""
    token = provider.id_token(now=datetime.now(UTC), sub=subject, at_hash=uuid.uuid4().hex, **claims)
    answer = await browser.post("/sessions/oauth", id_token=token)
    if answer.status_code == 200:
        browser.session = answer.json()["session"]["token"]
    return answer


def addresses(me: dict[str, Any]) -> dict[str, bool]:
    """One's e-mails, and whether each is validated."""
    return {each["identifier"]: each["is_validated"] for each in me["identifiers"] if each["semantic_type"] == "email"}


async def test_a_subject_of_a_provider_is_one_contact(api: ContactApi, store: Store, provider: Provider) -> None:
    """S45: (issuer, subject) is who somebody is, in any browser; names are taken once, and then are one's own."""
    await trust(store, provider)
    async with api.browser() as browser, api.browser() as other:
        answer = await brings(browser, provider, given_name="Ann", family_name="Lee")
        assert (answer.status_code, set(answer.json())) == (200, {"anonymous_token", "semantic_type", "session"})
        assert answer.json()["semantic_type"] == "oauth"
        me = await browser.me()
        assert (me["given_name"], me["last_name"], me["email"]) == ("Ann", "Lee", None)
        assert [(each["identifier"], each["is_validated"]) for each in me["identifiers"]] == [(f"{provider.issuer}|ann", True)]
        assert (await browser.call("PATCH", "/me", {"given_name": "Anna"})).status_code == 200
        assert (await brings(other, provider, given_name="Ann", family_name="Lee")).status_code == 200
        again = await other.me()
        assert (again["id"], again["given_name"]) == (me["id"], "Anna")
        (own,) = again["identifiers"]
        last = await other.call("DELETE", f"/me/identifiers/{own['identifier_id']}")
        assert (last.status_code, last.json()["code"]) == (409, "last_address")
    assert [(each.name, each.assurance) for each in await api.said()][:2] == [
        ("Signed in", "proved"),
        ("Named by a provider", "asserted"),
    ]


@pytest.mark.parametrize("claims", [{**ANN, "email_verified": False}, {"email": ANN["email"]}, {**ANN, "email": "ann@other.example"}])
async def test_an_email_that_a_provider_may_not_vouch_for_opens_nothing(
    api: ContactApi, store: Store, provider: Provider, claims: dict[str, Any]
) -> None:
    """S45, fifth of the five attacks: it is claimed only, so nothing of its owner is merged, read or taken, before and after."""
    await trust(store, provider, "mail.example")
    async with api.browser() as ann, api.browser(address="203.0.113.5") as mallory:
        await ann.sign_in(claims["email"])
        await ann.call("PATCH", "/me", {"given_name": "Ann"})
        before = await ann.me()
        assert (await brings(mallory, provider, "mallory", **claims)).status_code == 200
        await api.resolve()
        theirs = await mallory.me()
        assert (theirs["id"] != before["id"], addresses(theirs), theirs["given_name"]) == (True, {}, None)
        assert await ann.me() == before, "her session, and all of her record"
        assert (await mallory.call("GET", "/me")).json()["id"] == theirs["id"]
    assert [each.assurance for each in await api.said() if each.name == "Address told by a provider"] == ["claimed"]


async def test_who_proves_an_address_has_it_whatever_a_provider_said_of_it_first(api: ContactApi, store: Store, provider: Provider) -> None:
    """S45, S43: planted before its owner came, an unverified address goes to whoever proves it, and brings nothing of the planter's."""
    await trust(store, provider)
    async with api.browser() as mallory, api.browser(address="203.0.113.5") as ann:
        await brings(mallory, provider, "mallory", **ANN, given_name="Mallory")
        await api.resolve()
        assert addresses(await mallory.me()) == {}, "a claim joins nobody who is known"
        await ann.sign_in(ANN["email"])
        hers, theirs = await ann.me(), await mallory.me()
        assert (hers["id"] != theirs["id"], hers["given_name"]) == (True, None)
        assert (addresses(hers), addresses(theirs)) == ({ANN["email"]: True}, {})
        assert {each["semantic_type"] for each in hers["identifiers"]} == {"email"}


async def test_an_email_that_is_vouched_for_is_proved(api: ContactApi, store: Store, provider: Provider) -> None:
    """S45, R10: as if its code had been typed; whoever proved it before is the same person, and both ways in lead to one record."""
    await trust(store, provider, "mail.example")
    async with api.browser() as first, api.browser() as second, api.browser() as third:
        await first.sign_in(ANN["email"])
        assert (await brings(second, provider, **ANN)).status_code == 200
        me = await second.me()
        assert addresses(me) == {ANN["email"]: True}
        await third.sign_in(ANN["email"])
        assert (await third.me())["id"] == me["id"]
        told = len(await api.said())
        await brings(second, provider, **ANN)
        assert len(await api.said()) == told + 1, "what is theirs already is not proved again"
        email, subject = (next(each for each in me["identifiers"] if each["semantic_type"] == kind) for kind in ("email", "oauth"))
        assert (await second.call("DELETE", f"/me/identifiers/{subject['identifier_id']}")).status_code == 200
        assert (await second.me())["id"] == me["id"], "the session stands on the address now"
        assert (await second.call("DELETE", f"/me/identifiers/{email['identifier_id']}")).json()["code"] == "last_address"


async def test_the_same_subject_of_two_issuers_is_two_people(api: ContactApi, store: Store, provider: Provider, place: Site) -> None:
    """S45: nor is an issuer's subject that looks like another pair."""
    second = Provider(f"{place.origin}/realm", provider.pairs)
    for each in (provider, second):
        await trust(store, each)
    found = set()
    for each, subject in ((provider, "ann"), (second, "ann"), (provider, "/realm|ann"), (provider, "Ann")):
        async with api.browser() as browser:
            assert (await brings(browser, each, subject)).status_code == 200
            found.add((await browser.me())["id"])
    assert len(found) == 4


async def test_an_email_that_was_given_to_somebody_else_is_no_way_in(api: ContactApi, store: Store, provider: Provider) -> None:
    """S45, S82: another subject with the same e-mail is another person, unless the provider may vouch for it."""
    await trust(store, provider)
    async with api.browser() as old, api.browser() as new, api.browser() as vouched:
        await brings(old, provider, "old", **ANN, given_name="Ann")
        await api.resolve()
        await brings(new, provider, "new", **ANN)
        await api.resolve()
        assert ((await new.me())["id"] != (await old.me())["id"], (await new.me())["given_name"]) == (True, None)
        async with store.transaction(["acme"]) as connection:
            await contact_issuers.edit(connection, "acme", provider.issuer, Edit(email_domains=["mail.example"]))
        await brings(vouched, provider, "new", **ANN)
        assert addresses(await vouched.me()) == {ANN["email"]: True}
        assert addresses(await old.me()) == {}


async def test_what_is_no_token_of_a_contact_signs_in_nobody(api: ContactApi, store: Store, provider: Provider, place: Site) -> None:
    """S45, S80, S88: issuers of users and of other workspaces, other sites' tokens, old and forged ones, and one that was used."""
    users_only, elsewhere = Provider(f"{place.origin}/realm", provider.pairs), Provider(f"{place.origin}/else", provider.pairs)
    await trust(store, provider)
    async with store.transaction(["acme"]) as connection:
        await issuers.trust_issuer(connection, "acme", users_only.issuer, "users'", f"{place.origin}/keys")
    async with store.transaction(["other"]) as connection:
        new = NewContactIssuer("other", elsewhere.issuer, "theirs", ["site"], [], f"{place.origin}/keys")
        await contact_issuers.trust(connection, new)
    now = datetime.now(UTC)
    used = provider.id_token(now=now)
    stranger = Provider(provider.issuer)
    tokens = {
        users_only.id_token(now=now): "token_wrong_issuer",
        elsewhere.id_token(now=now): "token_wrong_issuer",
        provider.id_token(now=now, aud="another site"): "token_wrong_audience",
        provider.id_token(now=now, aud="urn:onefold:workspace:acme"): "token_wrong_audience",
        provider.token(now=now, aud="site"): "token_wrong_type",
        provider.id_token(now=now - timedelta(minutes=11), exp=int(now.timestamp()) + 600): "token_expired",
        provider.id_token(now=now, nonce="another page's"): "token_wrong_nonce",
        stranger.id_token(now=now): "token_bad_signature",
        used: "token_used",
    }
    async with api.browser() as browser:
        assert (await browser.post("/sessions/oauth", id_token=used)).status_code == 200
        for token, code in tokens.items():
            answer = await browser.post("/sessions/oauth", id_token=token)
            assert (answer.status_code, answer.json()["code"], answer.headers["www-authenticate"]) == (401, code, "Bearer")
        assert (await browser.post("/sessions/oauth", id_token="")).status_code == 422
    key = await public_key(store, "other", allowed_urls=[f"{SITE}/*"])
    async with api.browser(api_key=key) as there:
        assert (await there.post("/sessions/oauth", id_token=elsewhere.id_token(now=now))).status_code == 200


async def test_a_contacts_issuer_opens_no_user_and_no_session_without_it(api: ContactApi, store: Store, provider: Provider) -> None:
    """S45: it is no issuer of users; disabled or taken back, its sessions are out at once, and its subjects keep their records."""
    await trust(store, provider)
    async with store.transaction(["acme"]) as connection:
        assert await issuer_rows.find_issuer(connection, "acme", provider.issuer) is None
    async with api.browser() as browser:
        await brings(browser, provider)
        me = await browser.me()
        for is_enabled, status in ((False, 401), (True, 200)):
            async with store.transaction(["acme"]) as connection:
                await contact_issuers.edit(connection, "acme", provider.issuer, Edit(is_enabled=is_enabled))
            assert (await browser.call("GET", "/me")).status_code == status
        async with store.transaction(["acme"]) as connection:
            await contact_issuers.distrust(connection, "acme", provider.issuer)
        assert (await browser.call("GET", "/me")).status_code == 401
        assert (await brings(browser, provider)).json()["code"] == "token_wrong_issuer"
        await trust(store, provider)
        await brings(browser, provider)
        assert (await browser.me())["id"] == me["id"]


async def test_a_workspace_that_resolves_no_subjects_signs_in_nobody(api: ContactApi, store: Store, provider: Provider) -> None:
    """S45: no session stands on whoever holds the device, and nothing is told of it."""
    await trust(store, provider, "mail.example")
    async with store.transaction(["acme"]) as connection:
        await connection.execute("""update workspaces set rules = '{"catalog": [{"semantic_type": "oauth", "enabled": false}]}'""")
    async with api.browser() as browser:
        answer = await brings(browser, provider, **ANN)
        assert (answer.status_code, answer.json()["code"]) == (422, "not_resolved")
    assert await api.said() == []


async def test_tokens_that_do_not_count_are_limited_by_where_they_come_from(api: ContactApi, store: Store, provider: Provider) -> None:
    """S32, S45: 60 an hour from one block of addresses; who signs in well is not counted, nor is whoever comes from elsewhere."""
    await trust(store, provider)
    async with api.browser() as browser, api.browser(address="203.0.113.5") as other:
        assert (await brings(browser, provider)).status_code == 200
        for _ in range(60):
            assert (await browser.post("/sessions/oauth", id_token="x")).status_code == 401
        limited = await brings(browser, provider)
        assert (limited.status_code, limited.json()["code"]) == (429, "too_many_attempts")
        assert int(limited.headers["retry-after"]) > 0
        assert (await brings(other, provider)).status_code == 200


async def test_a_provider_that_is_silent_is_no_fault_of_whoever_comes(
    api: ContactApi, store: Store, provider: Provider, place: Site
) -> None:
    """S81: 503, and nothing is counted."""
    await trust(store, provider)
    place.is_down = True
    async with api.browser() as browser:
        answer = await brings(browser, provider)
        assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
        assert "retry-after" in answer.headers
    async with store.transaction(["acme"]) as connection:
        assert await connection.fetchval("select coalesce(sum(failures), 0) from sign_in_failures") == 0
    api.failures.clear()


async def test_answers_are_alike_whether_or_not_somebody_is_known(api: ContactApi, store: Store, provider: Provider) -> None:
    """S26: by their form and length, for a subject, and an e-mail, that is new and one that is not."""
    await trust(store, provider, "mail.example")
    async with api.browser() as ann:
        await ann.sign_in(ANN["email"])
    shapes = set()
    for subject, email in (("one", ANN["email"]), ("two", "eve@mail.example"), ("one", ANN["email"]), ("six", "ann@other.example")):
        async with api.browser() as browser:
            answer = await brings(browser, provider, subject, email=email, email_verified=True)
            shapes.add((answer.status_code, tuple(sorted(answer.json())), len(answer.content)))
    assert len(shapes) == 1
