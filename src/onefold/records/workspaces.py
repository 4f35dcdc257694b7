"""Which workspaces there are, for whoever works through all of them: a transaction sees only those that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onefold.records.store import Connection


async def exists(connection: Connection, workspace: str) -> bool:
    """Whether there is such a workspace; for a transaction that names it."""
    found: bool = await connection.fetchval("select exists (select from workspaces where workspace = $1)", workspace)
    return found


async def list_workspaces(connection: Connection) -> list[str]:
    """The slugs of all workspaces, in their order by bytes. Tells nothing else of them."""
    return sorted(row["slug"] for row in await connection.fetch("select slug from list_workspaces() as slug"))
