"""A collector in this process, on real servers, with a workspace and its keys; and what it wrote."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from onefold.access.keys import create_key
from onefold.bootstrap import Role
from onefold.http.collector.role import serving
from onefold.messages.topics import INTERACTIONS
from onefold.observe import Health, Metrics
from onefold.records.store import Store
from onefold.settings import CollectorSettings, IndexSettings, Kafka, Postgres, Redis, Settings
from onefold.topics.admin import ensure_topics
from onefold.topics.client import KafkaConnection
from onefold.topics.producer import IdempotentProducer
from onefold.topics.tail import follow_topic
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.servers import Database

WORKSPACE = "acme"


@dataclass(frozen=True, slots=True)
class RunningCollector:
    """Where it listens, and what opens it."""

    host: str
    public_key: str
    secret_key: str
    role: Role
    health: Health
    store: Store

    @property
    def port(self) -> int:
        """The port of `host`."""
        return int(self.host.rpartition(":")[2])

    async def written(self) -> list[tuple[bytes | None, Any]]:
        """Every record of `interactions`, key and decoded value, in order within each partition."""
        found = follow_topic(self.role.kafka, INTERACTIONS, from_start=True, to_end=True)
        return [(record.key, msgspec.json.decode(record.value)) async for record in found if record.value is not None]


@asynccontextmanager
async def running_collector(
    database: Database, kafka_servers: str, topic_prefix: str, *, produce_seconds: float = 8.0, **options: Any
) -> AsyncIterator[RunningCollector]:
    """A collector, as `onefold collector` runs one. `options` are its settings."""
    settings = settings_for(database, kafka_servers, topic_prefix, **options)
    await ensure_topics(connection_of(settings), partitions=3)
    store = await Store.connect(database.app_url)
    try:
        await add_workspace(store, WORKSPACE)
        async with collector_on(settings, store, produce_seconds=produce_seconds) as collector:
            yield collector
    finally:
        await store.close()


@asynccontextmanager
async def collector_on(settings: Settings, store: Store, *, produce_seconds: float = 8.0) -> AsyncIterator[RunningCollector]:
    """A collector where the topics and the workspace are already; makes the keys."""
    role = Role("collector", settings, structlog.get_logger(), Metrics())
    health = Health(role.name, role.metrics.registry)
    async with store.transaction([WORKSPACE]) as tx:
        public, secret = await create_key(tx, WORKSPACE, "public", "site"), await create_key(tx, WORKSPACE, "secret", "server")
    async with (
        IdempotentProducer(role.kafka, timeout_seconds=produce_seconds) as producer,
        serving(role, store, producer, health) as port,
    ):
        yield RunningCollector(f"http://127.0.0.1:{port}", public.text, secret.text, role, health, store)


def settings_for(database: Database, kafka_servers: str, topic_prefix: str, **options: Any) -> Settings:
    """Settings of a collector; it needs no Redis."""
    return Settings(
        postgres=Postgres(url=database.app_url),
        redis=Redis(url="redis://127.0.0.1:1/0"),
        kafka=Kafka(servers=kafka_servers, topic_prefix=topic_prefix),
        index=IndexSettings(secret="00" * 32),
        collector=CollectorSettings(port=0, **options),
    )


def connection_of(settings: Settings) -> KafkaConnection:
    """How these settings reach the log."""
    return KafkaConnection(settings.kafka.servers, settings.kafka.topic_prefix)
