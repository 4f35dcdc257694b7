"""Webhooks on a database of their own, sent to real servers on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from onefold.records.store import Store
from tests.support.posts import Post
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.servers import Database


@pytest_asyncio.fixture
async def post(database: Database) -> AsyncIterator[Post]:
    store = await Store.connect(database.app_url)
    await add_workspace(store, "acme", "other")
    yield Post(store)
    await store.close()
