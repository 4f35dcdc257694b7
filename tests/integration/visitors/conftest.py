"""A store with two workspaces, and challenges in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from onefold.records.store import Store
from tests.integration.visitors.asking import Asking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.servers import Database


@pytest_asyncio.fixture
async def asking(database: Database, store: Store) -> AsyncIterator[Asking]:
    owner = await Store.connect(database.admin_url)
    yield Asking(store, owner)
    await owner.close()
