"""Topics of the test's own on the shared broker, and a broker of its own for tests that stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from onefold.local.servers import LocalServers
from onefold.topics.admin import ensure_topics
from onefold.topics.client import KafkaConnection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import Services


@pytest.fixture
def connection(services: Services, topic_prefix: str) -> KafkaConnection:
    """To the shared broker; topics are not made yet."""
    return KafkaConnection(services.kafka_servers, topic_prefix)


@pytest_asyncio.fixture
async def topics(connection: KafkaConnection) -> KafkaConnection:
    """To the shared broker, where every topic has three partitions."""
    await ensure_topics(connection, partitions=3)
    return connection


@pytest.fixture(scope="session")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServers]:
    """A broker that may be stopped: nobody else uses it."""
    with LocalServers(tmp_path_factory.mktemp("broker"), postgres=False, redis=False) as broker:
        yield broker
