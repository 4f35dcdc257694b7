"""Interactions that a limit parked: written with the plan that left something out of them, read and decided on by operators (R11).

Called by `onefold.records.resolution`, `onefold.ops.parked` and doctor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.plan import Parked
    from onefold.records.rows import Row
    from onefold.records.store import Connection

# Who decides a position again says the same of it; a dropped one stays dropped, whoever decides it again.
UPSERT = """
insert into parked as p (workspace, partition, "offset", event_id, limits, types, identifier_keys, contact_id, message, at, appended_at)
select * from unnest($1::parked_row[])
on conflict (partition, "offset", event_id, workspace) do update set limits = excluded.limits, types = excluded.types,
  identifier_keys = excluded.identifier_keys, contact_id = excluded.contact_id, message = excluded.message, state = 'open',
  decided_at = null, actor = null, reason = null
where p.state <> 'dropped'
"""

COLUMNS = 'workspace, partition, "offset", event_id, limits, types, contact_id, message, at, appended_at, state, decided_at, actor, reason'
OLDEST_FIRST = 'order by appended_at, partition, "offset"'
MEANT = """
state = 'open' and workspace = $1
  and (cardinality($2::bigint[]) = 0 or (partition, "offset") in (select * from unnest($3::integer[], $2::bigint[])))
  and ($4::text is null or $4 = any(limits)) and ($5::bytea is null or $5 = any(identifier_keys))
  and ($6::timestamptz is null or appended_at <= $6)
"""
OF = "workspace = $1 and ($2::text is null or $2 = any(limits))"
OPEN = f"select {COLUMNS} from parked where state = 'open' and {OF} {OLDEST_FIRST} limit $3"
ALL = f"""
select * from (
  select {COLUMNS} from parked where state = 'open' and {OF}
  union all
  select {COLUMNS} from parked where state <> 'open' and {OF}
) as both_kinds {OLDEST_FIRST} limit $3
"""
AT = f'select {COLUMNS} from parked where partition = $1 and "offset" = $2 and workspace = $3 {OLDEST_FIRST}'
# Whoever comes second passes by what the first is at work on.
TAKE = f"select {COLUMNS} from parked where {MEANT} {OLDEST_FIRST} limit $7 for update skip locked"
COUNT = (
    f"select array_to_string(limits, ', ') as exceeded, count(*) as events from parked where {MEANT} group by exceeded order by exceeded"
)
NEWEST = f"select max(appended_at) from parked where {MEANT}"
DECIDE = """
update parked p set state = $1, decided_at = now(), actor = $2, reason = $3, message = null
from unnest($4::integer[], $5::bigint[], $6::text[]) as d (partition, "offset", event_id)
where p.partition = d.partition and p."offset" = d."offset" and p.event_id = d.event_id and p.workspace = $7 and p.state = 'open'
"""
COUNT_OPEN = """
select workspace, count(*) as events from (
  select workspace from parked where state = 'open' and workspace = any($1::text[]) limit $2
) as counted group by workspace
"""


class ParkedId(NamedTuple):
    """Where a parked interaction lay: partition and offset of `interactions`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """One parked interaction, as it is stored."""

    workspace: str
    partition: int
    offset: int
    event_id: str
    limits: list[str]
    types: list[str]
    contact_id: UUID
    message: bytes | None
    """As it lay in the log; None once it was decided on."""
    at: datetime
    appended_at: datetime
    state: str
    """open, released, dropped."""
    decided_at: datetime | None
    actor: str | None
    reason: str | None

    @property
    def parked_id(self) -> ParkedId:
        """Where it lay."""
        return ParkedId(self.partition, self.offset)


class Meant(NamedTuple):
    """Which open ones of a workspace are meant: all, or those that each part admits."""

    workspace: str
    ids: tuple[ParkedId, ...] = ()
    limit: str | None = None
    """Only those that this limit parked."""
    identifier: IdentifierKey | None = None
    """Only those that this identifier was left out of, or joined too often for."""
    until: datetime | None = None
    """Only those that were appended by then: what is released and parked anew is not taken in the same run."""

    @property
    def arguments(self) -> tuple[object, ...]:
        """For the statements that ask by MEANT."""
        offsets, partitions = [each.offset for each in self.ids], [each.partition for each in self.ids]
        return self.workspace, offsets, partitions, self.limit, self.identifier, self.until


async def park(connection: Connection, parked: Sequence[Parked]) -> None:
    """Keep interactions that limits left something out of, in the transaction that applies the rest of them."""
    await connection.execute(UPSERT, [_row(each) for each in sorted(parked, key=lambda each: each.interaction.position)])


async def list_parked(
    connection: Connection, workspace: str, limit: str | None, most: int, *, decided_too: bool = False
) -> list[ParkedEvent]:
    """The oldest ones, open alone or all; of one limit, if it is named."""
    rows = await connection.fetch(ALL if decided_too else OPEN, workspace, limit, most)
    return [_event(row) for row in rows]


async def find_parked(connection: Connection, workspace: str, parked_id: ParkedId) -> list[ParkedEvent]:
    """What lay at a place. Several where the topic was made anew."""
    return [_event(row) for row in await connection.fetch(AT, parked_id.partition, parked_id.offset, workspace)]


async def as_of_now(connection: Connection, meant: Meant) -> Meant:
    """The same, without those that are parked later."""
    return meant._replace(until=await connection.fetchval(NEWEST, *meant.arguments))


async def take(connection: Connection, meant: Meant, most: int) -> list[ParkedEvent]:
    """The oldest open ones that are meant, locked until the transaction ends; without those that somebody else has locked."""
    return [_event(row) for row in await connection.fetch(TAKE, *meant.arguments, most)]


async def count(connection: Connection, meant: Meant) -> dict[str, int]:
    """How many open ones are meant, by the limits that they exceeded."""
    return {row["exceeded"]: row["events"] for row in await connection.fetch(COUNT, *meant.arguments)}


async def decide_on(
    connection: Connection, events: Sequence[ParkedEvent], state: Literal["released", "dropped"], *, actor: str, reason: str | None
) -> None:
    """Decide on open ones of one workspace, once each, and let their messages go."""
    if events:
        columns = [list(each) for each in zip(*((event.partition, event.offset, event.event_id) for event in events), strict=True)]
        await connection.execute(DECIDE, state, actor, reason, *columns, events[0].workspace)


async def count_open(connection: Connection, workspaces: Iterable[str], *, most: int) -> dict[str, int]:
    """How many are open, by workspace; counting ends at `most` in all."""
    return {row["workspace"]: row["events"] for row in await connection.fetch(COUNT_OPEN, list(workspaces), most)}


def _row(parked: Parked) -> tuple[object, ...]:
    interaction, excesses = parked.interaction, parked.excesses
    return (
        interaction.workspace,
        interaction.position.partition,
        interaction.position.offset,
        interaction.event_id,
        sorted({each.limit.value for each in excesses}),
        sorted({each.semantic_type for each in excesses if each.semantic_type is not None}),
        sorted({each.key for each in excesses if each.key is not None}),
        parked.contact_id,
        interaction.raw,
        interaction.at,
        interaction.appended_at,
    )


def _event(row: Row) -> ParkedEvent:
    return ParkedEvent(**dict(row))
