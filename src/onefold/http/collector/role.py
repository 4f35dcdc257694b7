"""The collector as a role: connects, serves, says whether it can produce, and drains before it stops.

Health and metrics are on another port, which the command opens (S116).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from onefold import bootstrap
from onefold.access.identity_keys import IdentityKeyRing
from onefold.access.identity_tokens import Verifier
from onefold.access.keys import KeyRing
from onefold.errors import LogUnavailable
from onefold.http.collector.app import Collector
from onefold.http.collector.meters import Meters
from onefold.http.collector.options import options_of
from onefold.http.server import listening
from onefold.messages.topics import INTERACTIONS
from onefold.observe import CollectorMetrics
from onefold.topics.ends import end_offsets
from onefold.topics.producer import IdempotentProducer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from onefold.bootstrap import Role
    from onefold.observe import Health
    from onefold.records.store import Store

PRODUCE_SECONDS: Final = 8.0
"""How long a request waits for the broker: below the 10 s after which Node's SDK gives a request up."""
_LOOK_SECONDS: Final = 5.0


async def run(role: Role, health: Health, stopping: asyncio.Event) -> None:
    """Take events until told to stop. Raises StoreUnavailable, LogUnavailable or ConfigurationError at the start."""
    async with (
        bootstrap.store(role) as store,
        IdempotentProducer(role.kafka, timeout_seconds=PRODUCE_SECONDS) as producer,
        serving(role, store, producer, health) as port,
    ):
        role.log.info("collector_listens", host=role.settings.collector.host, port=port)
        health.ready("start")
        while not stopping.is_set():
            health.tick()
            if "kafka" in health.reasons:
                await _look_for_kafka(role, health)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 1.0)
        health.waiting("stop", "stopping")


@asynccontextmanager
async def serving(role: Role, store: Store, producer: IdempotentProducer, health: Health) -> AsyncIterator[int]:
    """The collector of these settings, with what it works with; gives the port. The block's end drains it."""

    async def send(records: Sequence[tuple[bytes, bytes]]) -> None:
        try:
            if len(records) == 1:
                await producer.send(INTERACTIONS, *records[0])
            else:
                await producer.send_many(INTERACTIONS, records)
        except LogUnavailable as error:
            health.waiting("kafka", str(error))
            raise

    settings = role.settings.collector
    options = options_of(settings)
    meters = Meters(CollectorMetrics(role.metrics), role.log)
    collector = Collector(KeyRing(store).verify, Verifier(IdentityKeyRing(store).find).verify, send, options, meters)
    async with listening(collector, options.head_bounds, host=settings.host, port=settings.port) as port:
        yield port


async def _look_for_kafka(role: Role, health: Health) -> None:
    """Ask anew, over a connection of its own: the producer remembers what it once knew."""
    with suppress(LogUnavailable, TimeoutError):
        async with asyncio.timeout(_LOOK_SECONDS):
            if await end_offsets(role.kafka, INTERACTIONS):
                health.ready("kafka")
