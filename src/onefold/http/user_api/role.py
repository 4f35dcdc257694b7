"""The User API as a role: connects, serves, drains before it stops. Health and metrics are on another port (S116)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from onefold import bootstrap
from onefold.access.issuers import issuer_finder
from onefold.access.oidc import AccessTokens
from onefold.access.passwords import Passwords
from onefold.access.provider_keys import ProviderKeys
from onefold.access.sessions import Lives
from onefold.errors import TemporaryError
from onefold.http.callers import networks_of
from onefold.http.connection import HeadBounds
from onefold.http.server import listening
from onefold.http.user_api.app import make_app
from onefold.http.user_api.door import Parts
from onefold.observe import UserApiMetrics, where
from onefold.records.shards import shard_count
from onefold.visitors.unsubscribing import UnsubscribeLinks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from onefold.bootstrap import Role
    from onefold.observe import Health
    from onefold.records.store import Store


async def run(role: Role, health: Health, stopping: asyncio.Event) -> None:
    """Answer calls until told to stop. Raises StoreUnavailable or ConfigurationError at the start."""
    async with bootstrap.store(role) as store, serving(role, store) as port:
        role.log.info("user_api_listens", host=role.settings.user_api.host, port=port)
        health.ready("start")
        while not stopping.is_set():
            health.tick()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 1.0)
        health.waiting("stop", "stopping")


@asynccontextmanager
async def serving(role: Role, store: Store) -> AsyncIterator[int]:
    """The User API of these settings; gives the port. The block's end drains it."""
    settings = role.settings.user_api
    passwords = Passwords({version: pepper.get_secret_value().encode() for version, pepper in settings.peppers.items()})

    def failed(error: Exception, request_id: str) -> None:
        if isinstance(error, TemporaryError):
            role.log.warning("call_cannot_be_answered", code=error.code, reason=str(error), request_id=request_id)
        else:  # the traceback holds code and types, not values (S96)
            role.log.error("call_failed", error=type(error).__name__, request_id=request_id, where=where(error))

    metrics = UserApiMetrics(role.metrics)
    secret = role.settings.validation_secret
    parts = Parts(
        store,
        await shard_count(store),
        passwords,
        Lives(timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours)),
        AccessTokens(issuer_finder(store), ProviderKeys().find),
        networks_of(settings.trusted_proxies, "ONEFOLD_USER_API__TRUSTED_PROXIES"),
        settings.origins,
        failed,
        metrics.answered,
        links_url=role.settings.outreach.links_url,
        unsubscribing=UnsubscribeLinks(secret, role.settings.contact_api.public_url) if secret is not None else None,
        webhooks=bootstrap.webhook_rules(role),
    )
    try:
        async with listening(make_app(parts), HeadBounds(), host=settings.host, port=settings.port) as port:
            yield port
    finally:
        passwords.close()
