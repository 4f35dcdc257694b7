"""A migrated database and topics for the relay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from onefold.records.store import Store
from onefold.topics.admin import ensure_topics
from onefold.topics.client import KafkaConnection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.servers import Database, Services


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    """As a worker connects: without rights to anything but its tables."""
    opened = await Store.connect(database.app_url, pool_size=20)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def topics(services: Services, topic_prefix: str) -> KafkaConnection:
    """Every topic, with three partitions."""
    connection = KafkaConnection(services.kafka_servers, topic_prefix)
    await ensure_topics(connection, partitions=3)
    return connection
