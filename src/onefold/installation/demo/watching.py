"""Count what has come of the visits so far, and know when nothing more will."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from onefold.messages.topics import INTERACTIONS

if TYPE_CHECKING:
    from onefold.records.store import Store

TYPES = "select type, count(*) as found from contacts where workspace = $1 and merged_into is null group by type"
MERGES = "select count(*) from merges where workspace = $1"
MEMBERS = "select count(*) from memberships where workspace = $1 and is_member"
RESOLVED = "select coalesce(sum(next_offset), 0)::bigint from progress where consumer = 'resolver' and topic = $1"
OUTBOX = "select count(*) from outbox"


@dataclass(frozen=True, slots=True)
class Counts:
    """How far things are."""

    ghosts: int = 0
    leads: int = 0
    contacts: int = 0
    merges: int = 0
    members: int = 0
    resolved: int = 0
    """Interactions of all workspaces that are decided."""
    waiting: int = 0
    """Messages in the outbox."""


async def count(store: Store, workspace: str) -> Counts:
    """The state of a workspace now."""
    async with store.transaction([workspace]) as connection:
        types = {row["type"]: row["found"] for row in await connection.fetch(TYPES, workspace)}
        return Counts(
            ghosts=types.get("ghost", 0),
            leads=types.get("lead", 0),
            contacts=types.get("contact", 0),
            merges=await connection.fetchval(MERGES, workspace),
            members=await connection.fetchval(MEMBERS, workspace),
            resolved=await connection.fetchval(RESOLVED, INTERACTIONS),
            waiting=await connection.fetchval(OUTBOX),
        )
