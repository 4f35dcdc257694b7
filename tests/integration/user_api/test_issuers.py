"""Calling the User API with the access token of an OpenID provider, which is a real server here: S81, S82, S83, S88."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from onefold.records import users
from tests.support.apis import PASSWORD
from tests.support.providers import Provider, Site

if TYPE_CHECKING:
    import httpx

    from onefold.records.store import Store
    from onefold.records.users import UserRow
    from tests.support.apis import Api

pytestmark = pytest.mark.asyncio


async def trust(client: httpx.AsyncClient, provider: Provider, **links: UserRow) -> None:
    """Trust a provider, and link its subjects."""
    made = await client.post("/issuers", json={"issuer": provider.issuer, "title": "ours"})
    assert made.status_code == 201, made.text
    for subject, user in links.items():
        linked = await client.post(f"/users/{user.user_id}/subjects", json={"issuer": provider.issuer, "subject": subject})
        assert linked.status_code == 201, linked.text


def shown(provider: Provider, **claims: Any) -> str:
    """A token that counts now."""
    return provider.token(now=datetime.now(UTC), **claims)


async def asked(api: Api, token: str, path: str = "/me") -> tuple[int, str]:
    """The answer to a call with a token: status, and whose call it was or why it was none."""
    async with api.client(token) as client:
        answer = await client.get(path)
    told = answer.json()
    return answer.status_code, told["code"] if answer.status_code >= 400 else told["user"]["user_id"]


async def test_a_token_of_a_trusted_issuer_is_the_user_whom_its_subject_was_linked_to(api: Api, provider: Provider) -> None:
    """S82: after it was trusted, and after it was linked; nobody becomes a user by showing a token."""
    user = await api.user("master")
    assert await asked(api, shown(provider)) == (401, "token_wrong_issuer")
    async with api.as_role("super_admin") as client:
        await trust(client, provider)
        assert await asked(api, shown(provider)) == (401, "not_signed_in")
        await client.post(f"/users/{user.user_id}/subjects", json={"issuer": provider.issuer, "subject": "ann"})
        assert await asked(api, shown(provider)) == (200, str(user.user_id))
        listed = (await client.get(f"/users/{user.user_id}/subjects")).json()
        assert [(each["issuer"], each["subject"]) for each in listed] == [(provider.issuer, "ann")]
        (issuer,) = (await client.get("/issuers")).json()
        assert (issuer["issuer"], issuer["audience"]) == (provider.issuer, "urn:onefold:workspace:acme")
        log = (await client.get("/log", params={"action": "subject_linked"})).json()["items"]
        assert [each["object_id"] for each in log] == [str(user.user_id)]


async def test_an_email_that_was_given_to_somebody_else_opens_nothing(api: Api, provider: Provider) -> None:
    """S82: reassigned e-mail: neither the old subject nor a new one with the same e-mail is the user who has it now."""
    left = await api.user("super_admin", email="ann@example.com")
    async with api.as_role("super_admin") as client:
        await trust(client, provider, old=left)
        email = {"email": "ann@example.com", "email_verified": True}
        assert await asked(api, shown(provider, sub="old", **email)) == (200, str(left.user_id))
        assert (await client.delete(f"/users/{left.user_id}")).status_code == 204
        came = await api.user("coach", email="ann@example.com")
        assert await asked(api, shown(provider, sub="old", **email)) == (401, "not_signed_in")
        assert await asked(api, shown(provider, sub="new", **email)) == (401, "not_signed_in")
        taken = await client.post(f"/users/{came.user_id}/subjects", json={"issuer": provider.issuer, "subject": "old"})
        assert (taken.status_code, taken.json()["code"]) == (409, "already_exists")


async def test_s83_what_a_user_loses_their_token_loses_at_once(api: Api, provider: Provider, store: Store) -> None:
    """S83: roles, the link, the issuer; whatever the token says of roles."""
    user = await api.user("super_admin")
    token = shown(provider, roles=["super_admin"], scope="admin")
    async with api.as_role("super_admin") as client:
        await trust(client, provider, ann=user)
        async with api.client(token) as theirs:
            assert (await theirs.get("/keys")).status_code == 200
            async with store.transaction(["acme"]) as connection:
                await users.update_user(connection, user._replace(roles=["coach"]))
            assert (await theirs.get("/keys")).status_code == 403
            named = {"issuer": provider.issuer, "subject": "ann"}
            assert (await client.delete(f"/users/{user.user_id}/subjects", params=named)).status_code == 204
            assert (await theirs.get("/me")).status_code == 401
            assert (await client.delete(f"/users/{user.user_id}/subjects", params=named)).status_code == 404
            await client.post(f"/users/{user.user_id}/subjects", json=named)
            for is_enabled, status in ((False, 401), (True, 200)):
                told = await client.patch("/issuers", params={"issuer": provider.issuer}, json={"is_enabled": is_enabled})
                assert (told.status_code, told.json()["is_enabled"], (await theirs.get("/me")).status_code) == (200, is_enabled, status)
            absent = await client.patch("/issuers", params={"issuer": "https://absent.example"}, json={"is_enabled": False})
            assert (absent.status_code, absent.json()["code"]) == (404, "not_found")
            assert (await theirs.get("/me")).status_code == 200
            assert (await client.delete("/issuers", params={"issuer": provider.issuer})).status_code == 204
            assert (await theirs.get("/me")).status_code == 401
            assert (await client.get(f"/users/{user.user_id}/subjects")).json() == []


async def test_s88_a_token_opens_the_workspace_of_its_audience_only(api: Api, provider: Provider) -> None:
    """S88: two workspaces trust one provider and know one subject; each token opens one of them."""
    ours, theirs = await api.user("master"), await api.user("master", workspace="other")
    async with api.as_role("super_admin") as client, api.as_role("super_admin", workspace="other") as other:
        await trust(client, provider, ann=ours)
        assert await asked(api, shown(provider, aud="urn:onefold:workspace:other")) == (401, "token_wrong_issuer")
        await trust(other, provider, ann=theirs)
    assert await asked(api, shown(provider)) == (200, str(ours.user_id))
    assert await asked(api, shown(provider, aud="urn:onefold:workspace:other")) == (200, str(theirs.user_id))


async def test_s81_a_provider_that_is_down_is_a_503_to_who_comes_first_and_nothing_to_the_others(
    api: Api, provider: Provider, place: Site
) -> None:
    """S81: an outage is not the caller's fault, and logs nobody out."""
    user = await api.user("coach")
    async with api.as_role("super_admin") as client:
        await trust(client, provider, ann=user)
    assert await asked(api, shown(provider)) == (200, str(user.user_id))
    place.is_down = True
    assert await asked(api, shown(provider)) == (200, str(user.user_id))
    stranger = Provider(f"{place.origin}/realm")
    async with api.as_role("super_admin") as client:
        await trust(client, stranger)
    assert await asked(api, shown(stranger)) == (503, "provider_unavailable")
    assert [type(each).__name__ for each in api.failures] == ["ProviderUnavailable"]
    api.failures.clear()


async def test_a_token_is_no_sign_in(api: Api, provider: Provider) -> None:
    """Forms of credentials do not mix: a token changes no cookie's caller, a cookie no token's, and a bad token is not overlooked."""
    user, other = await api.user("coach"), await api.user("coach")
    async with api.as_role("super_admin") as client:
        await trust(client, provider, ann=user)
    async with api.signed_in(other) as browser:
        assert (await browser.get("/me")).json()["user"]["user_id"] == str(other.user_id)
        with_both = await browser.get("/me", headers={"authorization": f"Bearer {shown(provider)}"})
        assert with_both.json()["user"]["user_id"] == str(user.user_id)
        with_bad = await browser.get("/me", headers={"authorization": f"Bearer {shown(provider, aud='x')}"})
        assert with_bad.status_code == 401


async def test_who_signs_in_elsewhere_still_needs_the_present_password_to_change_it(api: Api, provider: Provider) -> None:
    """S23: a stolen token changes no password."""
    user = await api.user("coach")
    async with api.as_role("super_admin") as client:
        await trust(client, provider, ann=user)
    async with api.client(shown(provider)) as theirs:
        wanted = "purple mill under seven rivers"
        wrong = await theirs.put("/me/password", json={"present": "another one altogether", "wanted": wanted})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong_password")
        assert (await theirs.put("/me/password", json={"present": PASSWORD, "wanted": wanted})).status_code == 204


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"issuer": "http://id.example"}, "invalid_url"),
        ({"issuer": "ftp://id.example"}, "invalid_url"),
        ({"issuer": "https://id.example?x=1"}, "invalid_url"),
        ({"issuer": "https://id.example#x"}, "invalid_url"),
        ({"issuer": "https://user@id.example"}, "invalid_url"),
        ({"issuer": "HTTPS://id.example"}, "invalid_url"),
        ({"issuer": "https://id.example\0"}, "invalid"),
        ({"issuer": "https://id.example", "jwks_uri": "http://169.254.169.254/"}, "invalid_url"),
        ({"issuer": "https://id.example", "title": " "}, "invalid_title"),
        ({"issuer": "https://id.example", "roles": ["super_admin"]}, "invalid"),
    ],
)
async def test_an_issuer_that_makes_no_sense_is_refused(api: Api, body: dict[str, object], code: str) -> None:
    """S81: keys come over TLS, or from this machine."""
    async with api.as_role("super_admin") as client:
        answer = await client.post("/issuers", json={"title": "x", **body})
        assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_issuers_and_subjects_are_bounded_and_whole(api: Api) -> None:
    """At most ten issuers; nobody is linked through one that is not trusted, or by no subject."""
    user = await api.user("coach")
    async with api.as_role("super_admin") as client:
        for number in range(10):
            assert (await client.post("/issuers", json={"issuer": f"https://{number}.example", "title": "x"})).status_code == 201
        again = await client.post("/issuers", json={"issuer": "https://more.example", "title": "x"})
        assert (again.status_code, again.json()["code"]) == (422, "too_many")
        for issuer, subject, code in (
            ("https://more.example", "ann", "unknown_issuer"),
            ("https://1.example", " ", "invalid_subject"),
            ("https://1.example", "a\0", "invalid"),
            ("https://1.example", "", "invalid"),
        ):
            answer = await client.post(f"/users/{user.user_id}/subjects", json={"issuer": issuer, "subject": subject})
            assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert (await client.delete("/issuers", params={"issuer": "https://more.example"})).status_code == 404
        assert (await client.delete("/issuers", params={"issuer": "https://more.example\0"})).status_code == 422
