"""Whoever forgot their password gets a link, and whoever asks learns nothing (security.md, S26, S27, S29, S34, S36)."""

from __future__ import annotations

import time
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING

import pytest

from onefold.records import users
from tests.integration.user_api.asking import HOME, ask, behind_a_proxy, forget, later, shown, statements
from tests.support.apis import PASSWORD, Api
from tests.support.outreach import requested

if TYPE_CHECKING:
    import httpx

    from onefold.records.store import Store
    from onefold.records.users import UserRow

pytestmark = pytest.mark.asyncio

PATH = "/password-resets"
BETTER = "purple mill under seven rivers"
PAUSE = timedelta(minutes=10)


async def sent(api: Api) -> list[str]:
    """Tokens of the links that were sent, in their order."""
    return [each.parameters["link"].partition("#")[2] for each in await requested(api.store) if each.template == "new_password_link"]


async def choose(client: httpx.AsyncClient, token: str) -> int:
    return (await client.post(f"{PATH}/confirm", json={"token": token, "wanted": BETTER})).status_code


async def test_s26_the_answer_is_the_same_byte_by_byte_whoever_has_the_e_mail(api: Api, store: Store) -> None:
    """S26: a user, nobody, one who is disabled, archived, of another workspace, and a workspace that there is not. One mail goes out."""
    user, disabled, archived, foreign = [await api.user("coach", workspace=each) for each in ("acme", "acme", "acme", "other")]
    async with store.transaction(["acme"]) as connection:
        await users.update_user(connection, disabled._replace(is_enabled=False))
        await users.update_user(connection, archived._replace(archived_at=archived.created_at))
    async with api.client() as client:
        answers = [
            shown(await ask(client, PATH, email))
            for email in (user.email, f"no{user.email[2:]}", disabled.email, archived.email, foreign.email)
        ]
        answers.append(shown(await ask(client, PATH, user.email, workspace="nowhere")))
    assert answers[0][0] == 202
    assert all(each == answers[0] for each in answers)
    (message,) = await requested(store)
    assert (message.template, message.address, message.user_id) == ("new_password_link", user.email, user.user_id)
    async with store.transaction(["acme"]) as connection:
        assert await connection.fetchval("select count(*) from password_resets") == 1


async def test_s27_the_same_is_done_for_nobody_as_for_somebody(store: Store) -> None:
    """S27: statement by statement; and the medians of many calls, by turns, lie within 5 ms."""
    async with behind_a_proxy(store) as api, api.client() as client:
        user = await api.user("coach")
        done: dict[str, list[str]] = {}
        took: dict[str, list[float]] = {user.email: [], "nobody@example.com": []}
        for email in took:
            await ask(client, PATH, email, place="198.51.100.1")
            await forget(store)
            async with statements(store) as done[email]:
                assert (await ask(client, PATH, email, place="198.51.100.1")).status_code == 202
        somebody, nobody = ([each.split(" ")[0] if "savepoint" in each.lower() else each for each in found] for found in done.values())
        assert len(somebody) > 10
        assert [(one, two) for one, two in zip(somebody, nobody, strict=True) if one != two] == [("RELEASE", "ROLLBACK")]
        for number in range(100):
            await forget(store)
            for email, times in took.items():
                began = time.perf_counter()
                assert (await ask(client, PATH, email, place=f"198.51.100.{number}")).status_code == 202
                times.append(time.perf_counter() - began)
        somebodys, nobodys = (median(each) for each in took.values())
        assert abs(somebodys - nobodys) < 0.005


async def test_s29_s34_whoever_has_it_an_e_mail_is_asked_for_five_times_an_hour_however_it_is_spelt(store: Store) -> None:
    """S29, S34: after 30 s, 60 s and so on; the same answers for nobody's."""
    async with behind_a_proxy(store) as api, api.client() as client:
        user = await api.user("coach", email="ann.lee@gmail.com")
        told: dict[str, list[tuple[int, str | None]]] = {}
        for number, spellings in enumerate(
            ((user.email, "Ann.Lee@gmail.com", "annlee+1@googlemail.com"), ("nobody@gmail.com", "no.body@gmail.com", "nobody+1@gmail.com"))
        ):
            found = told.setdefault(spellings[0], [])
            for turn in range(7):
                answer = await ask(client, PATH, spellings[turn % 3], place=f"198.51.{number}.{turn}")
                found.append((answer.status_code, str(round(int(answer.headers.get("retry-after", 0)), -1))))
                if turn:
                    await later(store, PAUSE / 2)
        first, second = told.values()
        assert first == second
        assert [status for status, _ in first] == [202, 429, 202, 202, 202, 202, 429]
        assert len(await sent(api)) == 3, "with dots or tags it is nobody's, and counted all the same"


async def test_s36_a_stranger_ends_no_link_and_keeps_nobody_from_asking(store: Store) -> None:
    """S36: neither what they ask for nor how often; password and session go on until a link is used."""
    async with behind_a_proxy(store) as api, api.client() as client, api.client() as stranger:
        user = await api.user("coach")
        async with api.signed_in(user) as session:
            assert (await ask(client, PATH, user.email)).status_code == 202
            for turn in range(6):
                assert (await ask(stranger, PATH, user.email, place=f"198.51.100.{turn}")).status_code == (202 if turn < 5 else 429)
                await later(store, PAUSE)
            assert (await ask(client, PATH, user.email, place=HOME)).status_code == 202, "counted apart where they signed in before"
            assert (await session.get("/me")).status_code == 200
            assert await sign_in(client, user) == 201
            first, *others = await sent(api)
            assert len(others) == 6
            assert await choose(client, first) == 204
            assert (await session.get("/me")).status_code == 401
            assert [await choose(client, each) for each in others] == [409] * 6, "what was chosen ends them"


async def test_twenty_links_an_hour_go_out_for_one_place(api: Api) -> None:
    """S14's limit of a block of addresses, for whatever e-mails."""
    async with api.client() as client:
        answers = [(await ask(client, PATH, f"nobody{number}@example.com")).status_code for number in range(22)]
    assert answers == [202] * 20 + [429] * 2


async def test_the_log_says_that_anybody_asked_for_a_link_of_a_user(api: Api) -> None:
    user = await api.user("coach")
    async with api.client() as client, api.as_role("super_admin") as admin:
        for email in (user.email, "nobody@example.com"):
            await ask(client, PATH, email)
        found = (await admin.get("/log", params={"action": "reset_asked"})).json()["items"]
    assert [(each["actor"], each["object_id"]) for each in found] == [("anybody", str(user.user_id))]


@pytest.mark.parametrize("email", ["", "nobody", "a@b@c.example", "nul\0@example.com", "x" * 321])
async def test_what_is_no_e_mail_is_refused(api: Api, email: str) -> None:
    async with api.client() as client:
        assert (await ask(client, PATH, email)).status_code == 422
    assert await requested(api.store) == []


async def sign_in(client: httpx.AsyncClient, user: UserRow) -> int:
    body = {"workspace": user.workspace, "email": user.email, "password": PASSWORD}
    return (await client.post("/session", json=body)).status_code
