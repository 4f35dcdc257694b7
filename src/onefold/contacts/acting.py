"""What every act of a user on contacts shares: its name in rows, the rules that it works under, and how its plan is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from onefold.errors import WorkspaceNotFound
from onefold.identity.plan import Act
from onefold.records import incarnations
from onefold.records.apply import apply
from onefold.records.rules_versions import rules_in_force

if TYPE_CHECKING:
    from onefold.identity.plan import Plan
    from onefold.identity.rules import Rules
    from onefold.records.store import Connection

NOW = "select clock_timestamp()"


@dataclass(frozen=True, slots=True)
class User:
    """Who acts, and why: kept with what they do."""

    actor: str
    reason: str | None


async def begin(connection: Connection, user: User) -> Act:
    """An act at this moment, by the clock of the store."""
    return Act(str(uuid4()), user.actor, user.reason, await connection.fetchval(NOW))


async def rules_of(connection: Connection, workspace: str) -> Rules:
    """The rules in force. Raises WorkspaceNotFound, RulesUnreadable."""
    found = await rules_in_force(connection, [workspace], recency=timedelta(hours=1))
    if workspace not in found:
        raise WorkspaceNotFound(f"no workspace is called {workspace!r}; `onefold setup` makes one")
    return found[workspace]


async def write(connection: Connection, plan: Plan, shards: int) -> None:
    """Write a plan whose contacts are locked."""
    incarnation = await incarnations.present(connection)
    await apply(connection, plan, shards=shards, incarnation=incarnation.name)
