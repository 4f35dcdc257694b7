"""Workspaces for tests of rooms below the use cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onefold.records.store import Store


async def add_workspace(store: Store, *workspaces: str) -> None:
    """Make workspaces that interactions may name."""
    async with store.transaction(workspaces) as connection:
        for workspace in workspaces:
            await connection.execute("insert into workspaces (workspace, title) values ($1, $1)", workspace)
