"""The Contact API for tests: the real application on a real store, called without a socket, with a key of a site."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
from argon2 import PasswordHasher

from onefold.access import keys
from onefold.access.contact_issuers import contact_issuer_finder
from onefold.access.id_tokens import IdTokens
from onefold.access.keys import KeyRing
from onefold.access.passwords import Passwords
from onefold.access.provider_keys import ProviderKeys
from onefold.http.contact_api.app import make_app
from onefold.http.contact_api.door import Parts
from onefold.messages.codec import decode
from onefold.messages.interactions import InteractionMessage
from onefold.records.numbers import TenureNumbers
from onefold.records.rules import RulesCache
from onefold.records.shards import shard_count
from onefold.visitors.challenges import Challenges
from onefold.visitors.telling import Teller
from onefold.visitors.unsubscribing import UnsubscribeLinks
from tests.support.outreach import requested

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

    from onefold.access.keys import Limits
    from onefold.records.store import Store

SAID = "select payload from outbox where topic = 'interactions' order by id"
SITE = "https://shop.example.com"
LINKS = "https://contact.example.com"
SECRET = bytes(range(32))
UNSUBSCRIBING = UnsubscribeLinks(SECRET, LINKS)
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""What a hash costs is not what these tests look at."""
PASSWORD = "seventeen quiet herons"


@dataclass(slots=True)
class ContactApi:
    """The application, and what it works on."""

    app: FastAPI
    store: Store
    key: str
    parts: Parts
    failures: list[Exception] = field(default_factory=list)

    def client(self, *, address: str = "192.0.2.7", app: Any = None, **headers: str) -> httpx.AsyncClient:
        """Calls as a page of the site, from an address. `app`: what is called instead of the application itself."""
        transport = httpx.ASGITransport(app or self.app, raise_app_exceptions=True, client=(address, 4711))
        told = {"api-key": self.key, "origin": SITE, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return httpx.AsyncClient(transport=transport, base_url="https://contact.test/contact/v1", headers=told)

    @asynccontextmanager
    async def browser(self, **headers: str) -> AsyncIterator[Browser]:
        """A browser with a visitor in it."""
        async with self.client(**headers) as client:
            yield Browser(self, client)

    async def forget_counts(self) -> None:
        """Let nothing have been asked for lately."""
        async with self.store.transaction(["acme"]) as connection:
            await connection.execute("delete from validation_counts")

    async def code(self) -> str:
        """The one that was sent last."""
        return (await requested(self.store))[-1].parameters["code"]

    async def said(self) -> list[InteractionMessage]:
        """What waits to lie on the topic."""
        async with self.store.transaction(["acme"]) as connection:
            return [decode(row["payload"], InteractionMessage) for row in await connection.fetch(SAID)]

    async def resolve(self) -> None:
        """Decide on all that was said, as the resolver does when it meets it on the log: claims, and proofs once more (R7)."""
        async with self.store.transaction(["acme"]) as connection:
            for row in await connection.fetch(SAID):
                message = decode(row["payload"], InteractionMessage)
                await self.parts.teller._decide(connection, message, row["payload"])


class Browser:
    """One browser: its cookies, its visitor's token, its session."""

    def __init__(self, api: ContactApi, client: httpx.AsyncClient) -> None:
        self.api, self.client = api, client
        self.token = str(uuid.uuid4())
        self.session: str | None = None

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """Any call, with what the browser knows."""
        if self.session is not None:
            headers = {"authorization": f"Bearer {self.session}", **headers}
        content = None if method in {"GET", "DELETE"} else {"anonymous_token": self.token, **(body or {})}
        return await self.client.request(method, path, json=content, headers=headers)

    async def post(self, path: str, **body: Any) -> httpx.Response:
        """A call that says something."""
        return await self.call("POST", path, body)

    async def ask(self, path: str, **body: Any) -> str:
        """Have a code sent, long after the last one; gives the validation's id."""
        await self.api.forget_counts()
        answer = await self.post(path, **body)
        assert answer.status_code == 202, answer.text
        told = answer.json()
        found: str = told["validation_id"] if "validation_id" in told else told["validation"]["validation_id"]
        return found

    async def confirm(self, validation_id: str, code: str | None = None, **body: Any) -> httpx.Response:
        """Bring the code back that was sent last; a session that begins is kept."""
        wanted = code if code is not None else await self.api.code()
        answer = await self.post(f"/validations/{validation_id}/confirm", code=wanted, **body)
        if answer.status_code == 200 and (session := answer.json()["session"]) is not None:
            self.session = session["token"]
        return answer

    async def sign_in(self, email: str) -> None:
        """By a code."""
        answer = await self.confirm(await self.ask("/sign-ins", email=email))
        assert answer.status_code == 200, answer.text

    async def me(self) -> dict[str, Any]:
        """Their own record."""
        answer = await self.call("GET", "/me")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


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

    shards, passwords = await shard_count(store), Passwords(hasher=CHEAP)
    wanted: dict[str, Any] = {
        "passwords": passwords,
        "rules": RulesCache(store, timedelta(0)),
        "id_tokens": IdTokens(contact_issuer_finder(store), ProviderKeys().find),
        "challenges": Challenges(SECRET),
        "unsubscribing": UNSUBSCRIBING,
        "public_url": LINKS,
        **options,
    }
    parts = Parts(store, shards, KeyRing(store).verify, Teller(shards, TenureNumbers()), failed=failed, **wanted)
    api = ContactApi(make_app(parts), store, await public_key(store, allowed_urls=[f"{SITE}/*"]), parts)
    try:
        yield api
    finally:
        passwords.close()
    assert api.failures == []
