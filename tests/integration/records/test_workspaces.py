"""Who works through all workspaces learns their names, and nothing else of them (S90, S91)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from onefold.records.store import Store
from onefold.records.workspaces import list_workspaces
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from tests.support.servers import Database


@pytest.mark.asyncio
async def test_names_of_all_workspaces_are_listed_without_naming_any(database: Database) -> None:
    """In the order of bytes, whatever the database's collation, since walks store where they are by it."""
    store = await Store.connect(database.app_url)
    await add_workspace(store, "b_2", "a", "b-2", "b10")
    async with store.begin() as connection:
        assert await list_workspaces(connection) == ["a", "b-2", "b10", "b_2"]
        assert await connection.fetch("select * from workspaces") == []
    await store.close()


@pytest.mark.asyncio
async def test_the_setting_that_lists_them_opens_nothing_to_the_application(database: Database) -> None:
    """The policy binds the tables' owner alone; and the owner's setting ends with the call."""
    store, owner = await Store.connect(database.app_url), await Store.connect(database.admin_url)
    await add_workspace(store, "acme")
    async with store.begin() as connection:
        await connection.execute("select set_config('onefold.listing', 'on', true)")
        assert await connection.fetch("select * from workspaces") == []
    async with owner.begin() as connection:
        assert await list_workspaces(connection) == ["acme"]
        assert await connection.fetch("select * from workspaces") == []
    await store.close()
    await owner.close()
