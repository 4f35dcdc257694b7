"""Signing in, sessions and passwords: S18 to S27 as far as an API of users has them, S65, S83."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher

from onefold.access.passwords import Passwords
from onefold.access.sessions import Lives
from onefold.records import users
from tests.support.apis import PASSWORD, QUICK, Api, api_on, cookie_of
from tests.support.outreach import requested

if TYPE_CHECKING:
    import httpx

    from onefold.records.store import Store
    from onefold.records.users import UserRow

pytestmark = pytest.mark.asyncio

BETTER = "purple mill under seven rivers"


async def sign_in(client: httpx.AsyncClient, user: UserRow, password: str = PASSWORD, **other: str) -> httpx.Response:
    body = {"workspace": user.workspace, "email": user.email, "password": password, **other}
    return await client.post("/session", json=body)


async def test_s65_a_session_is_a_cookie_of_the_strict_kind_and_new_at_each_sign_in(api: Api, store: Store) -> None:
    """S65: __Host-, Secure, HttpOnly, SameSite=Lax, 256 random bits, stored hashed."""
    user = await api.user("super_admin")
    async with api.client() as client:
        first, second = [await sign_in(client, user) for _ in range(2)]
    header = first.headers["set-cookie"]
    assert re.match(r"__Host-onefold=[A-Za-z0-9_-]{43};", header)
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(header.split("; "))
    assert "Domain" not in header
    assert cookie_of(first) != cookie_of(second)
    async with store.transaction(["acme"]) as connection:
        stored = str([dict(row) for row in await connection.fetch("select * from sessions")])
    assert cookie_of(first) not in stored


async def test_whatever_is_wrong_the_answer_is_the_same(api: Api) -> None:
    """Nobody learns who has an account: unknown workspace, unknown user, wrong password and disabled user are told apart by nothing."""
    user, disabled = await api.user("coach"), await api.user("coach")
    async with api.store.transaction(["acme"]) as connection:
        await users.update_user(connection, disabled._replace(is_enabled=False))
    async with api.client() as client:
        client.headers["x-request-id"] = "r"
        answers = [
            await sign_in(client, user, workspace="nowhere"),
            await sign_in(client, user, email="nobody@example.com"),
            await sign_in(client, user, email="no address"),
            await sign_in(client, user, "wrong password, wrong"),
            await sign_in(client, disabled),
        ]
    assert {each.status_code for each in answers} == {401}
    assert len({each.content for each in answers}) == 1
    assert len({str(sorted(each.headers.items())) for each in answers}) == 1


async def test_a_session_ends_when_idle_and_at_its_longest(store: Store) -> None:
    """S65: both limits, by the store's clock."""
    for lives in (Lives(idle=timedelta(seconds=1)), Lives(longest=timedelta(seconds=1))):
        async with api_on(store, lives=lives) as api, api.signed_in(await api.user("coach")) as client:
            assert (await client.get("/me")).status_code == 200
            await asyncio.sleep(1.1)
            assert (await client.get("/me")).status_code == 401


async def test_who_signs_out_is_out(api: Api) -> None:
    user = await api.user("coach")
    async with api.signed_in(user) as client, api.signed_in(user) as other:
        me = (await client.get("/me")).json()
        assert [each["is_this"] for each in me["sessions"]].count(True) == 1
        assert len(me["sessions"]) == 2
        assert (await client.delete("/session")).status_code == 204
        assert (await client.get("/me")).status_code == 401
        elsewhere = (await other.get("/me")).json()["sessions"]
        assert len(elsewhere) == 1
        assert (await other.delete(f"/sessions/{elsewhere[0]['session_id']}")).status_code == 204
        assert (await other.get("/me")).status_code == 401


async def test_s83_roles_act_at_once(api: Api, store: Store) -> None:
    """S83: with a session that goes on, and with a key."""
    user = await api.user("super_admin")
    await api.user("super_admin")
    key = await api.key(user)
    async with api.signed_in(user) as client, api.client(key) as machine:
        for each in (client, machine):
            assert (await each.get("/keys")).status_code == 200
        async with store.transaction(["acme"]) as connection:
            await users.update_user(connection, user._replace(roles=["coach"]))
        for each in (client, machine):
            assert (await each.get("/keys")).status_code == 403
        async with store.transaction(["acme"]) as connection:
            await users.update_user(connection, user._replace(is_enabled=False))
        for each in (client, machine):
            assert (await each.get("/me")).status_code == 401


async def test_s23_another_password_needs_the_present_one_and_ends_every_other_session(api: Api) -> None:
    """S23: and they are told at their address, in the transaction that changes it."""
    user = await api.user("coach")
    async with api.signed_in(user) as client, api.signed_in(user) as other:
        wrong = await client.put("/me/password", json={"present": "another one altogether", "wanted": BETTER})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong_password")
        assert await requested(api.store) == []
        assert (await client.put("/me/password", json={"present": PASSWORD, "wanted": BETTER})).status_code == 204
        (notice,) = await requested(api.store)
        assert (notice.template, notice.address, notice.parameters) == ("password_changed", user.email, {})
        assert (await client.get("/me")).status_code == 200
        assert (await other.get("/me")).status_code == 401
        assert (await sign_in(client, user)).status_code == 401
        assert (await sign_in(client, user, BETTER)).status_code == 201


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ("short words", "password_length"),
        ("x" * 129, "password_length"),
        ("password1234", "weak_password"),
        ("acmeacmeacme", "weak_password"),
        ("ann.leeann.lee", "weak_password"),
        ("aaaaaaaaaaaaaaaa", "weak_password"),
    ],
)
async def test_s22_common_passwords_and_words_of_the_user_are_refused(api: Api, wanted: str, code: str) -> None:
    """S21, S22: length by characters, and an offline judgement that knows the user's own words."""
    async with api.signed_in(await api.user("coach", email="ann.lee@example.com")) as client:
        answer = await client.put("/me/password", json={"present": PASSWORD, "wanted": wanted})
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert wanted not in answer.text


async def test_s24_a_reset_shows_no_password_and_ends_sessions(api: Api) -> None:
    """S24: no route sets or shows another user's password; a reset voids it."""
    user = await api.user("coach")
    async with api.signed_in(user) as client, api.as_role("super_admin") as admin:
        answer = await admin.post(f"/users/{user.user_id}/reset")
        assert answer.status_code == 202
        assert (answer.json()["has_password"], answer.json()["must_reset"]) == (False, True)
        assert "hash" not in answer.text
        assert (await client.get("/me")).status_code == 401
        assert (await sign_in(client, user)).status_code == 401
        body = {"email": "x@example.com", "roles": ["coach"], "password": BETTER}
        assert (await admin.post("/users", json=body)).status_code == 422
        edit = await admin.patch(f"/users/{user.user_id}", json={"password": BETTER}, headers={"if-match": "*"})
        assert edit.status_code == 422


async def test_who_must_choose_a_password_can_do_nothing_else(api: Api, store: Store) -> None:
    user = await api.user("super_admin")
    async with store.transaction(["acme"]) as connection:
        await users.set_password(connection, user, await api.passwords.hash(PASSWORD), must_reset=True, is_change=True)
    async with api.signed_in(user) as client:
        refused = await client.get("/users")
        assert (refused.status_code, refused.json()["code"]) == (403, "password_change_needed")
        assert (await client.put("/me/password", json={"present": PASSWORD, "wanted": BETTER})).status_code == 204
        assert (await client.get("/users")).status_code == 200


async def test_s19_a_password_is_hashed_anew_when_parameters_rise(store: Store) -> None:
    """S18, S19, S25: parameters and the pepper's version stand in the hash; signing in brings them up to date."""
    async with api_on(store) as api:
        user = await api.user("coach")
        before = await stored(store, user)
    assert before.startswith("v0$argon2id$v=19$m=8,t=1,p=1$")
    stronger = Passwords({1: b"pepper"}, hasher=PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    async with api_on(store, passwords=stronger) as api, api.client() as client:
        assert (await sign_in(client, user)).status_code == 201
        after = await stored(store, user)
        assert after.startswith("v1$argon2id$v=19$m=16,t=2,p=1$")
        assert (await sign_in(client, user)).status_code == 201
        assert await stored(store, user) == after
    without = Passwords(hasher=QUICK)
    async with api_on(store, passwords=without) as api, api.client() as client:
        assert (await sign_in(client, user)).status_code == 401, "the pepper is not in the database"


async def stored(store: Store, user: UserRow) -> str:
    async with store.transaction(["acme"]) as connection:
        found = await users.user_by_id(connection, "acme", user.user_id)
    assert found is not None
    assert found.password_hash is not None
    return found.password_hash
