"""How long an answer takes does not say whether an address is known: a two-sample test over 2,000 calls (security.md, S27)."""

from __future__ import annotations

import random
import time
from statistics import NormalDist, median
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.contact_api.test_sessions import registered
from tests.support.contact_apis import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

    from tests.support.contact_apis import ContactApi

CALLS = 250
"""Of each kind and address."""
LEAST_SECONDS = 0.005
"""A difference that somebody far away could see."""


def chance(one: Sequence[float], other: Sequence[float]) -> float:
    """How likely two samples of one distribution differ at least so much (Mann and Whitney, 1947; normal approximation, no ties)."""
    ranks = {value: rank for rank, value in enumerate(sorted((*one, *other)), 1)}
    n, m = len(one), len(other)
    u = sum(ranks[value] for value in one) - n * (n + 1) / 2
    spread = (n * m * (n + m + 1) / 12) ** 0.5
    return 2 * (1 - NormalDist().cdf(abs(u - n * m / 2) / spread))


def test_the_test_sees_a_difference() -> None:
    """Five milliseconds more are seen; none are not."""
    values = random.Random(7)
    one, other = ([values.gauss(0.01, 0.003) for _ in range(CALLS)] for _ in range(2))
    assert chance(one, other) > 0.01
    assert chance(one, [each + 0.005 for each in other]) < 0.01


@pytest.mark.asyncio
async def test_known_and_unknown_addresses_are_answered_in_the_same_time(api: ContactApi) -> None:
    """S27: by turns, so that the machine's mood is in both; what is written is undone, so that both go on as they began."""
    async with api.browser() as ann:
        await registered(ann)
    for path, more in (
        ("/sign-ins", {}),
        ("/registrations", {"password": PASSWORD}),
        ("/password-resets", {}),
        ("/sessions", {"password": "entirely wrong herons"}),
    ):
        took: dict[str, list[float]] = {"ann@example.com": [], "eve@example.com": []}
        async with api.client() as client:
            for number in range(2 * CALLS):
                email = list(took)[number % 2]
                await forget(api)
                took[email].append(await timed(client, path, {"email": email, **more}))
        known, unknown = took.values()
        difference = abs(median(known) - median(unknown))
        assert difference < LEAST_SECONDS or chance(known, unknown) > 0.01, (path, difference)


async def timed(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> float:
    """Seconds of a call."""
    client.cookies.clear()
    began = time.perf_counter()
    answer = await client.post(path, json={"anonymous_token": "t-somebody", **body})
    took = time.perf_counter() - began
    assert answer.status_code in {202, 401}, answer.text
    return took


async def forget(api: ContactApi) -> None:
    """Let nothing have been asked for lately."""
    async with api.store.transaction(["acme"]) as connection:
        await connection.execute("delete from validation_counts")
        await connection.execute("delete from sign_in_failures")
