"""A store of the test's own, with a workspace that speaks German, and a user."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest_asyncio

from onefold.access.users import Wish, create_user
from onefold.records import outreach

if TYPE_CHECKING:
    from onefold.records.store import Store
    from onefold.records.users import UserRow


@pytest_asyncio.fixture
async def store(store: Store) -> Store:
    async with store.transaction(["acme"]) as connection:
        assert await outreach.set_language(connection, "acme", "de-AT")
    return store


@pytest_asyncio.fixture
async def user(store: Store) -> UserRow:
    async with store.transaction(["acme"]) as connection:
        return await create_user(connection, "acme", None, Wish(f"{uuid.uuid4().hex[:8]}@example.com", roles=["coach"]), None)
