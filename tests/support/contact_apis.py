"""The Contact API for tests: the real application on a real store, called without a socket, with a key of a site."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from onefold.access import keys
from onefold.access.keys import KeyRing
from onefold.http.contact_api.app import make_app
from onefold.http.contact_api.door import Parts
from onefold.messages.codec import decode
from onefold.messages.interactions import InteractionMessage
from onefold.records.shards import shard_count

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

    from onefold.access.keys import Limits
    from onefold.records.store import Store

SAID = "select payload from outbox where topic = 'interactions' order by id"
SITE = "https://shop.example.com"


@dataclass(slots=True)
class ContactApi:
    """The application, and what it works on."""

    app: FastAPI
    store: Store
    key: str
    failures: list[Exception] = field(default_factory=list)

    def client(self, *, address: str = "192.0.2.7", **headers: str) -> httpx.AsyncClient:
        """Calls as a page of the site, from an address."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True, client=(address, 4711))
        told = {"api-key": self.key, "origin": SITE, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return httpx.AsyncClient(transport=transport, base_url="https://contact.test/contact/v1", headers=told)

    async def said(self) -> list[InteractionMessage]:
        """What waits to lie on the topic."""
        async with self.store.transaction(["acme"]) as connection:
            return [decode(row["payload"], InteractionMessage) for row in await connection.fetch(SAID)]


async def public_key(store: Store, workspace: str = "acme", **limits: Any) -> str:
    """A new public write key."""
    wanted: Limits = keys.Limits(**limits)
    async with store.transaction([workspace]) as connection:
        return (await keys.create_key(connection, workspace, "public", "site", limits=wanted)).text


@asynccontextmanager
async def contact_api_on(store: Store, **options: Any) -> AsyncIterator[ContactApi]:
    """The application of these options."""
    api: ContactApi

    def failed(error: Exception, _request_id: str) -> None:
        api.failures.append(error)

    parts = Parts(store, await shard_count(store), KeyRing(store).verify, failed=failed, **options)
    api = ContactApi(make_app(parts), store, await public_key(store))
    yield api
    assert api.failures == []
