"""Asking for links by an e-mail, for tests: from any place, at any time, and what a store is asked for meanwhile."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from onefold.http.callers import networks_of
from tests.support.apis import api_on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import timedelta

    import httpx

    from onefold.records.store import Store
    from tests.support.apis import Api

HOME: Final = "192.0.2.7"
"""From where tests sign in."""
PROXIES: Final = networks_of([f"{HOME}/32"], "tests")


@asynccontextmanager
async def behind_a_proxy(store: Store) -> AsyncIterator[Api]:
    """The application, called from wherever `place` says."""
    async with api_on(store, trusted_proxies=PROXIES) as api:
        yield api


async def ask(client: httpx.AsyncClient, path: str, email: str, *, workspace: str = "acme", place: str = HOME) -> httpx.Response:
    """Ask for a link."""
    headers = {"x-forwarded-for": place, "x-request-id": "one"}
    return await client.post(path, json={"workspace": workspace, "email": email}, headers=headers)


def shown(answer: httpx.Response) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Everything of an answer: status, headers, body."""
    return answer.status_code, answer.headers.raw, answer.content


async def later(store: Store, time: timedelta) -> None:
    """Let what was counted have happened earlier, by so much."""
    async with store.transaction(["acme"]) as connection:
        await connection.execute("update validation_counts set last_at = last_at - $1::interval, ends_at = ends_at - $1::interval", time)


async def forget(store: Store) -> None:
    """Count from nothing again."""
    async with store.transaction(["acme"]) as connection:
        await connection.execute("delete from validation_counts")


@asynccontextmanager
async def statements(store: Store) -> AsyncIterator[list[str]]:
    """The texts of what is asked of the store inside the block."""
    seen: list[str] = []

    def note(record: Any) -> None:
        seen.append(record.query)

    pool: Any = store.pool
    connections = [each._con for each in pool._holders if each._con is not None]
    for each in connections:
        each.add_query_logger(note)
    try:
        yield seen
    finally:
        for each in connections:
            each.remove_query_logger(note)
