"""Resets of passwords by link: S23, S24, and what holds for links (S2, S13)."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from onefold.access import resets
from onefold.records import users
from tests.support.apis import PASSWORD, Api, api_on
from tests.support.outreach import requested

if TYPE_CHECKING:
    import httpx

    from onefold.records.store import Store
    from onefold.records.users import UserRow

pytestmark = pytest.mark.asyncio

BETTER = "purple mill under seven rivers"
OTHER = "violet barn above nine lakes"


async def sent(api: Api, user: UserRow) -> str:
    """Let an operator start a reset; gives the token of the link that is sent."""
    async with api.as_role("super_admin") as admin:
        assert (await admin.post(f"/users/{user.user_id}/reset", headers={"host": "evil.example"})).status_code == 202
    (*_, message) = await requested(api.store)
    assert (message.template, message.address, message.user_id) == ("password_reset", user.email, user.user_id)
    return message.parameters["link"].partition("#")[2]


async def confirm(client: httpx.AsyncClient, token: str, wanted: str = BETTER) -> tuple[int, str]:
    answer = await client.post("/password-resets/confirm", json={"token": token, "wanted": wanted})
    return answer.status_code, answer.json()["code"] if answer.content else ""


async def sign_in(client: httpx.AsyncClient, user: UserRow, password: str) -> int:
    body = {"workspace": user.workspace, "email": user.email, "password": password}
    return (await client.post("/session", json=body)).status_code


REFUSED = (409, "reset_refused")


async def test_s23_a_reset_by_link_ends_every_session_and_tells_the_user(api: Api) -> None:
    """S23, S24: the link proves the address; its user alone chooses the password, and hears of it."""
    user = await api.user("coach")
    async with api.client() as stranger, api.signed_in(user) as before:
        token = await sent(api, user)
        assert (await before.get("/me")).status_code == 401
        assert await confirm(stranger, token, "password1234") == (422, "weak_password")
        assert await confirm(stranger, token) == (204, "")
        assert await sign_in(stranger, user, PASSWORD) == 401
        assert await sign_in(stranger, user, BETTER) == 201
        assert await confirm(stranger, token, OTHER) == REFUSED, "once"
        assert await sign_in(stranger, user, OTHER) == 401
    assert [each.template for each in await requested(api.store)] == ["password_reset", "password_changed"]
    async with api.as_role("super_admin") as admin:
        assert (await admin.get(f"/users/{user.user_id}")).json()["must_reset"] is False
        acts = [each["action"] for each in (await admin.get("/log", params={"object_type": "users"})).json()["items"]]
    assert acts.count("password_reset") == 1


async def test_s2_s13_a_link_holds_256_random_bits_and_its_origin_is_the_installations(store: Store) -> None:
    """S2, S13: whatever `Host` says; and what it is compared with is a hash."""
    async with api_on(store, links_url="https://app.rivers.example/") as api:
        user = await api.user("coach")
        tokens = [await sent(api, user) for _ in range(2)]
        links = [each.parameters["link"] for each in await requested(store)]
    assert len(set(tokens)) == 2
    for token, link in zip(tokens, links, strict=True):
        assert re.fullmatch(r"acme\.[A-Za-z0-9_-]{43}", token)
        assert link == f"https://app.rivers.example/reset-password#{token}"
    async with store.transaction(["acme"]) as connection:
        kept = str([dict(row) for row in await connection.fetch("select * from password_resets")])
    assert not any(token.partition(".")[2] in kept for token in tokens)


async def test_a_link_is_used_once_however_many_use_it_at_once(api: Api) -> None:
    user = await api.user("coach")
    token = await sent(api, user)
    async with api.client() as client:
        answers = await asyncio.gather(*(confirm(client, token, f"{BETTER} {number}") for number in range(5)))
        assert sorted(answers) == [(204, ""), *[REFUSED] * 4]
        (won,) = [number for number, answer in enumerate(answers) if answer == (204, "")]
        assert await sign_in(client, user, f"{BETTER} {won}") == 201
    assert [each.template for each in await requested(api.store)].count("password_changed") == 1


async def test_a_link_ends_with_the_next_one_with_its_user_and_with_time(api: Api, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await api.user("coach")
    async with api.client() as client:
        first = await sent(api, user)
        with monkeypatch.context() as patch:
            patch.setattr(resets, "LIFE", timedelta(0))
            second = await sent(api, user)
        assert await confirm(client, first) == REFUSED, "replaced"
        assert await confirm(client, second) == REFUSED, "too old"
        third = await sent(api, user)
        async with store.transaction(["acme"]) as connection:
            present = await users.user_by_id(connection, "acme", user.user_id)
            assert present is not None
            await users.update_user(connection, present._replace(is_enabled=False))
        assert await confirm(client, third) == REFUSED
        for wrong in ("", "acme", f"other.{third.partition('.')[2]}", f"acme.{'x' * 43}", f"nowhere.{'x' * 43}"):
            assert await confirm(client, wrong) == REFUSED


@pytest.mark.parametrize("way", ["another_password", "another_address", "archived"])
async def test_what_changes_the_account_ends_its_links(api: Api, way: str) -> None:
    """Pre-hijacking: no link that went out before outlives what came after it."""
    user = await api.user("coach")
    token = await sent(api, user)
    async with api.as_role("super_admin") as admin, api.client() as client:
        if way == "another_password":
            async with api.store.transaction(["acme"]) as connection:
                await users.set_password(connection, user, await api.passwords.hash(PASSWORD), must_reset=False, is_change=True)
        elif way == "another_address":
            edit = await admin.patch(f"/users/{user.user_id}", json={"email": "else@example.com"}, headers={"if-match": "*"})
            assert edit.status_code == 200
        else:
            assert (await admin.delete(f"/users/{user.user_id}")).status_code == 204
            assert (await admin.post(f"/users/{user.user_id}/restore")).status_code == 200
        assert await confirm(client, token) == REFUSED


async def test_looking_at_a_link_uses_nothing_up(api: Api) -> None:
    """A scanner fetches it ten times; only a POST acts, and what it needs lies where no fetch sends it."""
    user = await api.user("coach")
    token = await sent(api, user)
    async with api.client() as client:
        for method in ("GET", "HEAD"):
            for _ in range(10):
                assert (await client.request(method, "/password-resets/confirm", params={"token": token})).status_code == 405
        assert await confirm(client, token) == (204, "")


async def test_guessing_links_is_slow(api: Api) -> None:
    """And holds up nobody elsewhere: counted by address block, whatever workspace's link it is."""
    async with api.client() as client:
        answers = [(await confirm(client, f"acme.{number:043}"))[0] for number in range(12)]
    assert answers == [409] * 10 + [429] * 2
