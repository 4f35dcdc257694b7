"""Values in quarantine: put there by the plan that found them out, read with the rules, released by operators (guard 5, R11).

Called by `onefold.records.resolution`, `onefold.records.rules`, `onefold.ops.quarantine` and doctor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.plan import Quarantined
    from onefold.records.rows import Row
    from onefold.records.store import Connection

# Two workers may find the same value out at once; the second says nothing new.
INSERT = """
insert into quarantine (workspace, identifier_key, semantic_type, identifier, normalised, contacts, event_id, partition, "offset", since)
select * from unnest($1::quarantine_row[])
on conflict (workspace, identifier_key) where released_at is null do nothing
"""

COLUMNS = """
workspace, identifier_key, semantic_type, identifier, normalised, contacts, event_id, partition, "offset", since, released_at, actor, reason
"""
HELD = f"select {COLUMNS} from quarantine where workspace = $1 and released_at is null order by since, identifier_key limit $2"
ALL = f"select {COLUMNS} from quarantine where workspace = $1 order by since, identifier_key limit $2"
OF = f"select {COLUMNS} from quarantine where workspace = $1 and identifier_key = $2 order by since"
RELEASE = f"""
update quarantine set released_at = now(), actor = $3, reason = $4 where workspace = $1 and identifier_key = $2 and released_at is null
returning {COLUMNS}
"""
# The holder's lock is the mutex of what its tenures count: nobody who read the old count writes it back.
LOCK_HOLDER = """
select from contacts c where c.workspace = $1 and c.contact_id = any(array(
  select i.contact_id from identifiers i where i.identifier_key = $2 and i.workspace = $1 and i.held_until is null
)) for no key update
"""
COUNT_ANEW = """
update identifiers set joined_at = null, joins_in_hour = 0, joins_in_day = 0
where identifier_key = $2 and workspace = $1 and held_until is null
"""
COUNT_HELD = """
select workspace, count(*) as held from (
  select workspace from quarantine where released_at is null and workspace = any($1::text[]) limit $2
) as counted group by workspace
"""


@dataclass(frozen=True, slots=True)
class QuarantinedValue:
    """One value that joined too many contacts, and what became of it."""

    workspace: str
    identifier_key: IdentifierKey
    semantic_type: str
    identifier: str
    normalised: str
    contacts: int
    """Contacts that it had joined on the day of the event, the first included."""
    event_id: str
    """The event that tried to join it to one more."""
    partition: int
    offset: int
    since: datetime
    released_at: datetime | None
    actor: str | None
    """Who released it."""
    reason: str | None


async def put(connection: Connection, quarantined: Sequence[Quarantined]) -> None:
    """Put values into quarantine, in the transaction of the plan that found them out."""
    rows = [_row(each) for each in quarantined]
    await connection.execute(INSERT, sorted(rows, key=lambda row: row[:2]))


async def list_values(connection: Connection, workspace: str, most: int, *, released_too: bool = False) -> list[QuarantinedValue]:
    """Those that are held, or all, by the time since when they are."""
    return [_value(row) for row in await connection.fetch(ALL if released_too else HELD, workspace, most)]


async def find_values(connection: Connection, workspace: str, key: IdentifierKey) -> list[QuarantinedValue]:
    """Each time that an identifier was quarantined, in order."""
    return [_value(row) for row in await connection.fetch(OF, workspace, key)]


async def release_value(
    connection: Connection, workspace: str, key: IdentifierKey, *, actor: str, reason: str | None
) -> QuarantinedValue | None:
    """Let a value resolve again, what it joined until now forgotten; None where it is not held. Workers learn of it by the fence."""
    row = await connection.fetchrow(RELEASE, workspace, key, actor, reason)
    if row is None:
        return None
    await connection.execute(LOCK_HOLDER, workspace, key)
    await connection.execute(COUNT_ANEW, workspace, key)
    return _value(row)


async def count_held(connection: Connection, workspaces: Iterable[str], *, most: int) -> dict[str, int]:
    """How many values are held, by workspace; counting ends at `most` in all."""
    return {row["workspace"]: row["held"] for row in await connection.fetch(COUNT_HELD, list(workspaces), most)}


def _row(each: Quarantined) -> tuple[object, ...]:
    tenure, cause = each.tenure, each.interaction
    return (
        tenure.workspace,
        tenure.key,
        tenure.semantic_type,
        tenure.identifier,
        tenure.normalised,
        each.contacts,
        cause.event_id,
        cause.position.partition,
        cause.position.offset,
        cause.appended_at,
    )


def _value(row: Row) -> QuarantinedValue:
    return QuarantinedValue(**dict(row))
