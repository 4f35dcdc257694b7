"""A log for each fault, and an installation to break."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.support.installations import Installation, installation
from tests.support.stories import order_free_log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from onefold.identity.interaction import Interaction
    from tests.support.servers import Database, Services

EVENTS = 480


@pytest.fixture
def log(request: pytest.FixtureRequest) -> list[Interaction]:
    """Events whose groups do not depend on the order in which they are resolved; the same ones at each run of a test."""
    return order_free_log(random.Random(request.node.name), "r1", EVENTS)


@pytest_asyncio.fixture
async def mine(services: Services, database: Database, topic_prefix: str, redis_url: str) -> AsyncIterator[Installation]:
    """Four partitions, times of use kept to the hour, so that known visitors are hot."""
    async with installation(services, database, topic_prefix, redis_url, partitions=4, recency_seconds=3_600, policy="eager") as made:
        yield made
