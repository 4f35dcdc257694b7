"""Guessing passwords through the API, and being the victim of it: S20, S32, S34 to S36 as far as an API of users has them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from onefold.access.attempts import FROM_ONE_PLACE, FROM_STRANGE_PLACES, OF_ONE_PLACE
from onefold.access.passwords import MOST_WAITING, Passwords
from tests.support.apis import PASSWORD, api_on

if TYPE_CHECKING:
    from onefold.records.store import Store
    from onefold.records.users import UserRow
    from tests.support.apis import Api

pytestmark = pytest.mark.asyncio

WRONG = "wrong horse, other battery"


async def attempt(api: Api, user: UserRow | str, password: str = WRONG, *, address: str = "198.51.100.1") -> httpx.Response:
    """One attempt to sign in, from an address."""
    email = user if isinstance(user, str) else user.email
    transport = httpx.ASGITransport(api.app, client=(address, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="https://api.test/api/v1") as client:
        return await client.post("/session", json={"workspace": "acme", "email": email, "password": password})


async def attempts(api: Api, user: UserRow | str, count: int, **more: str) -> list[int]:
    """Several, one after the other."""
    return [(await attempt(api, user, **more)).status_code for _ in range(count)]


async def later(store: Store, minutes: int) -> None:
    """Time goes by, for what was counted."""
    async with store.transaction(["acme"]) as connection:
        await connection.execute("update sign_in_failures set began_at = began_at - make_interval(mins => $1)", minutes)


async def test_guessing_from_one_place_ends_soon_and_goes_on_after_a_while(api: Api, store: Store) -> None:
    """Ten failures in a quarter of an hour, then 429 with Retry-After, for the right password too; each success begins anew."""
    user = await api.user("coach")
    assert await attempts(api, user, 9) == [401] * 9
    assert (await attempt(api, user, PASSWORD)).status_code == 201
    assert await attempts(api, user, 10) == [401] * 10
    refused = await attempt(api, user, PASSWORD)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
    assert 0 < int(refused.headers["retry-after"]) <= FROM_ONE_PLACE[0].total_seconds()
    await later(store, 15)
    assert (await attempt(api, user, PASSWORD)).status_code == 201


async def test_a_hundred_guesses_at_once_are_counted_before_they_are_compared(api: Api) -> None:
    """Of many at once, exactly as many are compared as one after the other would be."""
    user = await api.user("coach")
    answers = await asyncio.gather(*(attempt(api, user) for _ in range(30)))
    statuses = [each.status_code for each in answers]
    assert (statuses.count(401), statuses.count(429)) == (10, 20)


async def test_an_email_that_nobody_has_counts_alike(api: Api) -> None:
    """And in whatever spelling; nobody learns from limits who has an account."""
    user = await api.user("coach", email="ann@example.com")
    for email in ("ann@example.com", "nobody@example.com"):
        spelt = [email, email.upper(), f" {email} ", email.replace("@example", "@EXAMPLE"), email.title()]
        assert [(await attempt(api, each)).status_code for each in spelt * 2] == [401] * 10
        assert (await attempt(api, email)).status_code == 429
    assert (await attempt(api, user, PASSWORD)).status_code == 429


async def test_s36_who_is_attacked_signs_in_from_where_they_did_before(api: Api, store: Store) -> None:
    """S36: strangers who fail everywhere hold up other strangers, and not the user at a known place."""
    user = await api.user("coach")
    assert (await attempt(api, user, PASSWORD, address="192.0.2.7")).status_code == 201
    statuses = [status for place in range(4) for status in await attempts(api, user, 10, address=f"198.51.100.{place}")]
    assert statuses == [401] * FROM_STRANGE_PLACES[1] + [429] * 10
    assert (await attempt(api, user, PASSWORD, address="203.0.113.5")).status_code == 429, "a new place has to wait"
    assert (await attempt(api, user, PASSWORD, address="192.0.2.7")).status_code == 201
    await later(store, 60)
    assert (await attempt(api, user, PASSWORD, address="203.0.113.5")).status_code == 201


async def test_one_place_tries_only_so_many_emails(api: Api, store: Store) -> None:
    """Spraying one password over many e-mails; a /64 is one place; the others are not held up."""
    user = await api.user("coach")
    statuses = [(await attempt(api, f"{number}@example.com", address=f"2001:db8::{number:x}")).status_code for number in range(1, 66)]
    assert statuses == [401] * OF_ONE_PLACE[1] + [429] * 5
    assert (await attempt(api, user, PASSWORD, address="2001:db8::ffff")).status_code == 429
    assert (await attempt(api, user, PASSWORD, address="2001:db8:0:1::1")).status_code == 201
    async with store.transaction(["acme"]) as connection:
        kept = str([dict(row) for row in await connection.fetch("select * from sign_in_failures")])
    assert "example" not in kept


async def test_counts_are_of_one_workspace_and_go_when_they_are_old(api: Api, store: Store) -> None:
    """S93: another workspace's user of this e-mail is not held up; a workspace that is none counts nothing."""
    await api.user("coach", email="ann@example.com")
    user = await api.user("coach", email="ann@example.com", workspace="other")
    assert await attempts(api, "ann@example.com", 11) == [401] * 10 + [429]
    async with api.signed_in(user):
        pass
    async with api.client() as client:
        for _ in range(12):
            answer = await client.post("/session", json={"workspace": "nowhere", "email": "ann@example.com", "password": WRONG})
            assert answer.status_code == 401
    await later(store, 61)
    assert (await attempt(api, "ann@example.com", PASSWORD)).status_code == 201
    async with store.transaction(["acme"]) as connection:
        assert await connection.fetchval("select count(*) from sign_in_failures where failures > 0") == 0


async def test_a_stolen_session_guesses_no_password(api: Api) -> None:
    """S23: what a change of password needs cannot be tried out."""
    async with api.signed_in(await api.user("coach")) as client:
        wanted = "purple mill under seven rivers"
        wrong = [(await client.put("/me/password", json={"present": WRONG, "wanted": wanted})).status_code for _ in range(11)]
        assert wrong == [422] * 10 + [429]
        assert (await client.put("/me/password", json={"present": PASSWORD, "wanted": wanted})).status_code == 429


async def test_s20_a_rush_of_sign_ins_leaves_the_other_calls_their_latency(store: Store) -> None:
    """S20: under real parameters; who does not fit into the queue is told to come back, and was not counted."""
    passwords = Passwords()
    async with api_on(store, passwords=passwords) as api, api.as_role("coach") as client:
        user = await api.user("coach")

        async def latency() -> float:
            began = time.perf_counter()
            assert (await client.get("/me")).status_code == 200
            return time.perf_counter() - began

        await latency()
        rush = [
            asyncio.ensure_future(attempt(api, f"{number}@example.com", address=f"10.0.{number}.1")) for number in range(MOST_WAITING + 20)
        ]
        seen = []
        while not all(each.done() for each in rush):
            seen.append(await latency())
        answers = [each.result() for each in rush]
        statuses = [each.status_code for each in answers]
        assert statuses.count(401) >= MOST_WAITING
        busy = [each for each in answers if each.status_code == 503]
        assert statuses.count(401) + len(busy) == len(answers)
        assert all(int(each.headers["retry-after"]) >= 1 for each in busy)
        assert len(seen) >= 3, "there were calls beside the rush"
        assert sorted(seen)[len(seen) // 2] < 1.0, f"half of the other calls within a second: {seen}"
        assert (await attempt(api, user, PASSWORD)).status_code == 201
        assert len(busy) == len(api.failures)
        api.failures.clear()
        async with store.transaction(["acme"]) as connection:
            counted = await connection.fetchval("select sum(failures) from sign_in_failures")
        assert counted == 3 * statuses.count(401)
