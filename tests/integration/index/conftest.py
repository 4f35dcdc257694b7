"""A migrated database with a workspace, for workers by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from onefold.records.store import Store
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.servers import Database


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    """As a worker connects, but with all the time in the world between two steps; a life of its own, if Redis is shared with others."""
    opened = await Store.connect(database.app_url, idle_in_transaction_ms=120_000)
    await add_workspace(opened, "acme")
    async with opened.connection() as connection:
        await connection.execute("update incarnation set incarnation_id = gen_random_uuid()")
    yield opened
    await opened.close()
