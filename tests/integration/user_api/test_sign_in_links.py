"""Signing in by a link: in the browser that asked, or with the message's code; once; and nobody learns who is a user (S2 to S13, S26)."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from onefold.http.user_api.door import COOKIE
from onefold.http.user_api.session import BROWSER
from onefold.records import users, validation_settings
from onefold.records.store import Store
from onefold.records.validation_settings import LinkSettings, ValidationSettings
from tests.integration.user_api.asking import ask, behind_a_proxy, later, shown, statements
from tests.support.apis import Api, api_on, cookie_of
from tests.support.outreach import requested

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from onefold.records.users import UserRow
    from tests.support.servers import Database

pytestmark = pytest.mark.asyncio

PATH = "/sign-in-links"
PAUSE = timedelta(minutes=10)
JAR = "j" * 43
"""What the browser keeps in which tests ask."""
REFUSED = (409, "link_refused")
CODE_NEEDED = (409, "code_needed")


class Sent(NamedTuple):
    """What a message brought."""

    token: str
    code: str

    @property
    def wrong(self) -> str:
        """Another code."""
        return f"{(int(self.code) + 1) % 1_000_000:06}"


@asynccontextmanager
async def browser(api: Api, jar: str | None = JAR) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that keeps this."""
    async with api.client() as client:
        if jar is not None:
            client.headers["cookie"] = f"{BROWSER}={jar}"
        yield client


async def link_for(api: Api, user: UserRow, jar: str | None = JAR) -> Sent:
    """Ask for a link, some time after the last one."""
    await later(api.store, PAUSE)
    async with browser(api, jar) as client:
        assert (await ask(client, PATH, user.email)).status_code == 202
    (*_, message) = await requested(api.store)
    assert (message.template, message.address, message.user_id) == ("sign_in_link", user.email, user.user_id)
    return Sent(message.parameters["link"].partition("#")[2], message.parameters["code"])


async def follow(client: httpx.AsyncClient, sent: Sent, code: str | None = None) -> tuple[int, str]:
    answer = await client.post("/session/link", json={"token": sent.token, "code": code})
    return answer.status_code, answer.json()["redirect_url" if answer.status_code == 201 else "code"]


async def set_links(store: Store, **other: Any) -> None:
    """Put settings of links for users in force."""
    settings = ValidationSettings(magic_link_users=LinkSettings(**other), redirect_origins=("https://app.example.com",))
    async with store.transaction(["acme"]) as connection:
        await validation_settings.write(connection, "acme", settings)


async def test_a_link_begins_a_session_in_the_browser_that_asked_for_it(api: Api) -> None:
    """S2, S6, S9: once; the log says how."""
    user = await api.user("coach")
    sent = await link_for(api, user)
    assert re.fullmatch(r"acme\.[A-Za-z0-9_-]{43}", sent.token)
    async with browser(api) as client:
        answer = await client.post("/session/link", json={"token": sent.token})
        assert (answer.status_code, answer.json()["redirect_url"]) == (201, "/")
        assert answer.json()["user"]["email"] == user.email
        client.headers["cookie"] = f"{COOKIE}={cookie_of(answer)}"
        assert (await client.get("/me")).json()["user"]["user_id"] == str(user.user_id)
    async with browser(api) as again, api.as_role("super_admin") as admin:
        assert await follow(again, sent) == REFUSED
        acts = (await admin.get("/log", params={"object_type": "users"})).json()["items"]
    told = [(each["action"], each["actor"], each["reason"]) for each in acts if each["object_id"] == str(user.user_id)]
    assert told == [("signed_in", f"user:{user.user_id}", "by a link"), ("sign_in_link_asked", "anybody", None)]


async def test_s11_in_another_browser_a_link_wants_the_code_and_signs_nobody_in_silently(api: Api) -> None:
    """S11: two cookie jars, and none at all. S5: five codes, counted before they are compared; the asking browser goes on."""
    user = await api.user("coach")
    sent = await link_for(api, user)
    async with browser(api, "k" * 43) as other, browser(api, None) as none, browser(api) as own:
        for client in (other, none):
            assert await follow(client, sent) == CODE_NEEDED
        assert await follow(other, sent, f" {sent.code[:3]} {sent.code[3:]}") == (201, "/")
        guessed = await link_for(api, user)
        for _ in range(5):
            assert await follow(none, guessed, guessed.wrong) == REFUSED
        assert await follow(none, guessed, guessed.code) == REFUSED
        assert await follow(own, guessed) == (201, "/")


async def test_s6_of_many_at_once_one_uses_a_link_and_five_codes_are_compared(api: Api) -> None:
    """S6: in a race, too."""
    user = await api.user("coach")
    sent = await link_for(api, user)
    async with browser(api) as own, browser(api, None) as other:
        answers = await asyncio.gather(*[follow(own, sent) for _ in range(5)])
        assert sorted(answers) == [(201, "/"), *[REFUSED] * 4]
        await set_links(api.store, visits=None)
        lasting = await link_for(api, user)
        answers = await asyncio.gather(*[follow(other, lasting, lasting.code) for _ in range(20)])
        assert sorted(answers) == [*[(201, "/")] * 5, *[REFUSED] * 15]


async def test_s7_s8_what_ends_a_link(api: Api) -> None:
    """S7: another one that was used; S8: a newer one of the same browser; and never what a stranger asks for (S36)."""
    user = await api.user("coach")
    first, second = await link_for(api, user), await link_for(api, user)
    strangers = await link_for(api, user, "s" * 43)
    async with browser(api) as own, browser(api, "s" * 43) as stranger:
        assert await follow(own, first) == REFUSED
        assert await follow(own, second) == (201, "/")
        assert await follow(stranger, strangers) == REFUSED


@pytest.mark.parametrize("way", ["another_password", "another_address", "disabled", "archived"])
async def test_a_link_ends_with_what_changes_the_account(api: Api, way: str) -> None:
    """Pre-hijacking: no link that went out before outlives what came after it."""
    user = await api.user("coach")
    sent = await link_for(api, user)
    async with api.as_role("super_admin") as admin, browser(api) as own:
        path, any_version = f"/users/{user.user_id}", {"if-match": "*"}
        if way == "another_password":
            async with api.store.transaction(["acme"]) as connection:
                await users.set_password(connection, user, None, must_reset=False, is_change=True)
        elif way == "another_address":
            assert (await admin.patch(path, json={"email": "else@example.com"}, headers=any_version)).status_code == 200
        elif way == "disabled":
            for is_enabled in (False, True):
                assert (await admin.patch(path, json={"is_enabled": is_enabled}, headers=any_version)).status_code == 200
        else:
            assert (await admin.delete(path)).status_code == 204
            assert (await admin.post(f"{path}/restore")).status_code == 200
        assert await follow(own, sent) == REFUSED


async def test_a_link_lives_as_long_as_the_workspace_says_by_the_clock_of_the_store(api: Api, database: Database) -> None:
    user = await api.user("coach")
    await set_links(api.store, expires_after_seconds=300)
    sent = await link_for(api, user)
    owner = await Store.connect(database.admin_url)
    try:
        async with owner.transaction(["acme"]) as connection:
            assert await connection.fetchval("select expires_at - created_at from sign_in_links") == timedelta(minutes=5)
            await connection.execute("update sign_in_links set expires_at = expires_at - interval '5 minutes'")
    finally:
        await owner.close()
    async with browser(api) as own:
        assert await follow(own, sent) == REFUSED


async def test_visits_and_redirect_are_the_workspaces_to_say(api: Api) -> None:
    """A path, or a URL at a listed origin."""
    user = await api.user("coach")
    await set_links(api.store, visits=2, redirect_url="https://app.example.com/start")
    sent = await link_for(api, user)
    async with browser(api) as own:
        answers = [await follow(own, sent) for _ in range(3)]
    assert answers == [*[(201, "https://app.example.com/start")] * 2, REFUSED]


async def test_s10_looking_at_a_link_uses_nothing_up(api: Api) -> None:
    """S10: a scanner fetches it ten times, without what stands behind the `#`; only a POST acts."""
    user = await api.user("coach")
    sent = await link_for(api, user)
    async with browser(api) as client:
        for method in ("GET", "HEAD"):
            for _ in range(10):
                looked = await client.request(method, "/session/link", params={"token": sent.token}, headers={"user-agent": "scanner"})
                assert looked.status_code == 405
        assert await follow(client, sent) == (201, "/")


async def test_s3_s13_the_table_tells_no_link_code_or_browser_and_the_origin_is_the_installations(store: Store) -> None:
    """S3: no million tries open the code's hash: its key is the link's secret, which is not there. S13: whatever `Host` says."""
    async with api_on(store, links_url="https://app.rivers.example/") as api:
        user = await api.user("coach")
        sent = await link_for(api, user)
        (message,) = await requested(store)
    assert message.parameters["link"] == f"https://app.rivers.example/sign-in#{sent.token}"
    async with store.transaction(["acme"]) as connection:
        kept = str([dict(row) for row in await connection.fetch("select * from sign_in_links")])
        tried = await connection.fetch(
            "select from generate_series(0, 999999) as n, sign_in_links l where l.code_hash = sha256(lpad(n::text, 6, '0')::bytea)"
        )
    assert not any(each in kept for each in (sent.token.partition(".")[2], sent.code, JAR))
    assert tried == []


async def test_s26_s27_nobody_learns_who_is_a_user(store: Store) -> None:
    """S26: byte by byte, cookie included; S27: the same statements; one mail goes out."""
    async with behind_a_proxy(store) as api, browser(api) as client:
        user, disabled = await api.user("coach"), await api.user("coach")
        async with store.transaction(["acme"]) as connection:
            await users.update_user(connection, disabled._replace(is_enabled=False))
        answers = [shown(await ask(client, PATH, each)) for each in (user.email, "nobody@example.com", disabled.email)]
        answers.append(shown(await ask(client, PATH, user.email, workspace="nowhere")))
        assert answers[0][0] == 202
        assert all(each == answers[0] for each in answers)
        assert len(await requested(store)) == 1
        done = []
        for email in (user.email, "nobody@example.com"):
            await later(store, PAUSE)
            async with statements(store) as seen:
                await ask(client, PATH, email, place="198.51.100.1")
            done.append([each.split(" ")[0] if "savepoint" in each.lower() else each for each in seen])
        assert [(one, two) for one, two in zip(*done, strict=True) if one != two] == [("RELEASE", "ROLLBACK")]


async def test_a_browser_that_asks_for_the_first_time_gets_a_secret_of_its_own(api: Api) -> None:
    """S65: `__Host-`, Secure, HttpOnly."""
    cookies = []
    for number in range(2):
        async with browser(api, None) as client:
            first, again = [(await ask(client, PATH, f"nobody{number}{turn}@example.com")).headers["set-cookie"] for turn in range(2)]
            assert first == again, "it keeps it"
            cookies.append(first)
    assert len(set(cookies)) == 2
    for each in cookies:
        assert re.fullmatch(rf"{BROWSER}=[A-Za-z0-9_-]{{43}}; HttpOnly; Max-Age=604800; Path=/; SameSite=lax; Secure", each)


async def test_guessing_links_is_slow(api: Api) -> None:
    async with browser(api) as client:
        answers = [(await follow(client, Sent(f"acme.{number:043}", "")))[0] for number in range(12)]
        assert answers == [409] * 10 + [429] * 2
        for wrong in ("", "acme", f"nowhere.{'x' * 43}"):
            assert await follow(client, Sent(wrong, "")) == REFUSED
