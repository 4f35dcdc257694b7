"""The Contact API on a database of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from onefold.records.store import Store
from tests.support.contact_apis import ContactApi, contact_api_on
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.servers import Database


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    store = await Store.connect(database.app_url)
    await add_workspace(store, "acme", "other")
    yield store
    await store.close()


@pytest_asyncio.fixture
async def api(store: Store) -> AsyncIterator[ContactApi]:
    async with contact_api_on(store) as api:
        yield api
