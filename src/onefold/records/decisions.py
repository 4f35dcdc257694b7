"""What was decided on dead letters: a letter is open until it has a row. Called by `onefold.ops`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple
from uuid import UUID  # noqa: TC003 -- msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from onefold.records.store import Connection

OF = """
select "offset", decision, redriven_topic, redriven_partition, redriven_offset, job_id, reason, actor, at
from dead_letter_decisions where partition = $1 and "offset" = any($2::bigint[])
"""
COUNT = 'select count(*) from dead_letter_decisions where partition = $1 and "offset" >= $2 and "offset" < $3'
RECORD = """
insert into dead_letter_decisions
  (partition, "offset", decision, redriven_topic, redriven_partition, redriven_offset, job_id, reason, actor)
select l.partition, l."offset", $1, l.to_topic, l.to_partition, l.to_offset, $2, $3, $4
from unnest($5::integer[], $6::bigint[], $7::text[], $8::integer[], $9::bigint[])
  as l (partition, "offset", to_topic, to_partition, to_offset)
on conflict do nothing
"""


class Verdict(NamedTuple):
    """One letter that is decided on: where it lies, and where it lies again if it was redriven."""

    partition: int
    offset: int
    redriven_topic: str | None = None
    redriven_partition: int | None = None
    redriven_offset: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a letter."""

    decision: str
    """redriven, dropped."""
    redriven_topic: str | None
    redriven_partition: int | None
    redriven_offset: int | None
    job_id: UUID | None
    reason: str | None
    actor: str
    at: datetime


async def decisions_of(connection: Connection, partition: int, offsets: Sequence[int]) -> dict[int, Decision]:
    """The decisions on these letters of one partition of the dead-letter topic, by offset."""
    rows = await connection.fetch(OF, partition, list(offsets))
    return {row["offset"]: Decision(**{name: value for name, value in row.items() if name != "offset"}) for row in rows}


async def count_decisions(connection: Connection, partition: int, first: int, end: int) -> int:
    """How many letters of a range are decided on."""
    found: int = await connection.fetchval(COUNT, partition, first, end)
    return found


async def record_decisions(
    connection: Connection,
    decision: Literal["redriven", "dropped"],
    verdicts: Sequence[Verdict],
    *,
    job_id: UUID | None = None,
    reason: str | None,
    actor: str,
) -> None:
    """Decide on letters, once each: what was decided before stays."""
    columns = [list(column) for column in zip(*verdicts, strict=True)] or [[], [], [], [], []]
    await connection.execute(RECORD, decision, job_id, reason, actor, *columns)
