"""A store of the test's own, with a workspace that speaks German, and a user."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest_asyncio

from onefold.access.users import Wish, create_user
from onefold.records import outreach
from onefold.records.store import Store
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from onefold.records.users import UserRow
    from tests.support.servers import Database


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    store = await Store.connect(database.app_url)
    await add_workspace(store, "acme", "other")
    async with store.transaction(["acme"]) as connection:
        assert await outreach.set_language(connection, "acme", "de-AT")
    yield store
    await store.close()


@pytest_asyncio.fixture
async def user(store: Store) -> UserRow:
    async with store.transaction(["acme"]) as connection:
        return await create_user(connection, "acme", None, Wish(f"{uuid.uuid4().hex[:8]}@example.com", roles=["coach"]), None)
