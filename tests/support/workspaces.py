"""Workspaces for tests of rooms below the use cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onefold.identity.rules import Policy
    from onefold.records.store import Store


async def add_workspace(store: Store, *workspaces: str, policy: Policy | None = None) -> None:
    """Make workspaces that interactions may name, under the default policy or another."""
    rules = "{}" if policy is None else f'{{"policy": "{policy}"}}'
    async with store.transaction(workspaces) as connection:
        for workspace in workspaces:
            await connection.execute("insert into workspaces (workspace, title, rules) values ($1, $1, $2)", workspace, rules)
