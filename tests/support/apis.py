"""The User API for tests: the real application on a real store, called without a socket; and users of every role."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from argon2 import PasswordHasher

from onefold.access import keys
from onefold.access.issuers import issuer_finder
from onefold.access.oidc import AccessTokens
from onefold.access.passwords import Passwords
from onefold.access.provider_keys import ProviderKeys
from onefold.access.sessions import Lives
from onefold.access.users import Wish, create_user
from onefold.http.user_api.app import make_app
from onefold.http.user_api.door import COOKIE, Parts
from onefold.records.shards import shard_count
from onefold.visitors.unsubscribing import UnsubscribeLinks
from onefold.workspace.webhook_secrets import SigningSecrets
from onefold.workspace.webhooks import Rules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from fastapi import FastAPI

    from onefold.records.store import Store
    from onefold.records.users import UserRow

PASSWORD = "several unusual words, mill"
WEBHOOKS = Rules(SigningSecrets({1: b"w" * 32}))
"""With these webhooks can be made."""
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Hashes in no time: how long one takes is not what most tests are about."""


@dataclass
class Api:
    """An application, its store, and what failed in it."""

    app: FastAPI
    store: Store
    passwords: Passwords
    failures: list[Exception] = field(default_factory=list)

    async def user(self, *roles: str, workspace: str = "acme", email: str | None = None) -> UserRow:
        """A user with these roles, who has the password of all of them."""
        wish = Wish(email or f"{uuid.uuid4().hex[:8]}@example.com", "Ann", "Lee", roles or ("super_admin",))
        hashed = await self.passwords.hash(PASSWORD)
        async with self.store.transaction([workspace]) as connection:
            return await create_user(connection, workspace, None, wish, hashed)

    async def key(self, user: UserRow, *, addresses: Sequence[str] = ()) -> str:
        """A service key that speaks for a user."""
        async with self.store.transaction([user.workspace]) as connection:
            limits = keys.Limits(allowed_addresses=addresses)
            return (await keys.create_key(connection, user.workspace, "service", "test", limits=limits, user_id=user.user_id)).text

    def client(self, key: str | None = None, **headers: str) -> httpx.AsyncClient:
        """Calls the application; with a service key, if one is given."""
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True, client=("192.0.2.7", 4711))
        return httpx.AsyncClient(transport=transport, base_url="https://api.test/api/v1", headers=headers)

    @asynccontextmanager
    async def as_role(self, *roles: str, workspace: str = "acme") -> AsyncIterator[httpx.AsyncClient]:
        """Calls as a machine that has these roles."""
        async with self.client(await self.key(await self.user(*roles, workspace=workspace))) as client:
            yield client

    @asynccontextmanager
    async def signed_in(self, user: UserRow) -> AsyncIterator[httpx.AsyncClient]:
        """Calls as a browser that has signed in as a user."""
        async with self.client() as client:
            body = {"workspace": user.workspace, "email": user.email, "password": PASSWORD}
            answer = await client.post("/session", json=body)
            assert answer.status_code == 201, answer.text
            client.headers["cookie"] = f"{COOKIE}={cookie_of(answer)}"
            yield client


@asynccontextmanager
async def api_on(store: Store, **options: Any) -> AsyncIterator[Api]:
    """The application of these options."""
    passwords = options.pop("passwords", None) or Passwords(hasher=QUICK)
    options.setdefault("unsubscribing", UnsubscribeLinks(bytes(range(32)), "https://contact.example.com"))
    api: Api

    def failed(error: Exception, _request_id: str) -> None:
        api.failures.append(error)

    tokens = AccessTokens(issuer_finder(store), ProviderKeys().find)
    parts = Parts(store, await shard_count(store), passwords, options.pop("lives", Lives()), tokens, failed=failed, **options)
    api = Api(make_app(parts), store, passwords)
    try:
        yield api
    finally:
        passwords.close()
    assert api.failures == []


def cookie_of(answer: httpx.Response) -> str:
    """The session's token in an answer."""
    return answer.headers["set-cookie"].partition(f"{COOKIE}=")[2].partition(";")[0]
