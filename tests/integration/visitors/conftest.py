"""A store with two workspaces, and challenges in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from onefold.records.store import Store
from tests.integration.visitors.asking import Asking
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.servers import Database


@pytest_asyncio.fixture
async def asking(database: Database) -> AsyncIterator[Asking]:
    store = await Store.connect(database.app_url)
    owner = await Store.connect(database.admin_url)
    await add_workspace(store, "acme", "other")
    yield Asking(store, owner)
    await store.close()
    await owner.close()
