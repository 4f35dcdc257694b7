"""The Contact API as a role: connects, serves, drains before it stops. Health and metrics are on another port (S116)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from onefold import bootstrap
from onefold.access.contact_issuers import contact_issuer_finder
from onefold.access.id_tokens import IdTokens
from onefold.access.keys import KeyRing
from onefold.access.passwords import Passwords
from onefold.access.provider_keys import ProviderKeys
from onefold.errors import TemporaryError
from onefold.http.callers import networks_of
from onefold.http.connection import HeadBounds
from onefold.http.contact_api.alarm import Alarm
from onefold.http.contact_api.app import make_app
from onefold.http.contact_api.door import Limits, Parts
from onefold.http.rates import Rates
from onefold.http.server import listening
from onefold.observe import ContactApiMetrics, where
from onefold.records.numbers import TenureNumbers
from onefold.records.rules import RulesCache
from onefold.records.shards import shard_count
from onefold.visitors.challenges import Challenges
from onefold.visitors.sessions import Lives
from onefold.visitors.telling import Teller
from onefold.visitors.unsubscribing import UnsubscribeLinks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from onefold.bootstrap import Role
    from onefold.observe import Health
    from onefold.records.store import Store
    from onefold.settings import ContactApiSettings


async def run(role: Role, health: Health, stopping: asyncio.Event) -> None:
    """Answer calls until told to stop. Raises StoreUnavailable or ConfigurationError at the start."""
    async with bootstrap.store(role) as store, serving(role, store) as port:
        role.log.info("contact_api_listens", host=role.settings.contact_api.host, port=port)
        health.ready("start")
        while not stopping.is_set():
            health.tick()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 1.0)
        health.waiting("stop", "stopping")


@asynccontextmanager
async def serving(role: Role, store: Store) -> AsyncIterator[int]:
    """The Contact API of these settings; gives the port. The block's end drains it."""
    settings = role.settings.contact_api

    def failed(error: Exception, request_id: str) -> None:
        if isinstance(error, TemporaryError):
            role.log.warning("call_cannot_be_answered", code=error.code, reason=str(error), request_id=request_id)
        else:  # the traceback holds code and types, not values (S96)
            role.log.error("call_failed", error=type(error).__name__, request_id=request_id, where=where(error))

    metrics = ContactApiMetrics(role.metrics)
    secret = role.settings.validation_secret
    passwords = Passwords({version: pepper.get_secret_value().encode() for version, pepper in settings.peppers.items()})
    shards = await shard_count(store)
    parts = Parts(
        store,
        shards,
        KeyRing(store).verify,
        Teller(shards, TenureNumbers()),
        passwords,
        RulesCache(store, timedelta(0)),
        IdTokens(contact_issuer_finder(store), ProviderKeys().find),
        Challenges(secret, Alarm(role.log, metrics).slowed) if secret is not None else None,
        UnsubscribeLinks(secret, settings.public_url) if secret is not None else None,
        Lives(timedelta(days=settings.session_idle_days), timedelta(days=settings.session_days)),
        settings.public_url.rstrip("/"),
        limits_of(settings),
        networks_of(settings.trusted_proxies, "ONEFOLD_CONTACT_API__TRUSTED_PROXIES"),
        failed,
        metrics.answered,
    )
    try:
        async with listening(make_app(parts), HeadBounds(), host=settings.host, port=settings.port) as port:
            yield port
    finally:
        passwords.close()


def limits_of(settings: ContactApiSettings) -> Limits:
    """What the settings say; a burst is five seconds' worth."""
    asked = (settings.requests_per_second_and_key, settings.requests_per_second_and_place, settings.requests_per_second)
    per_key, per_place, overall = (Rates(each, max(1, round(5 * each))) for each in asked)
    return Limits(per_key, per_place, overall)
