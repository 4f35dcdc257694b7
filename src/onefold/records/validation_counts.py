"""Counts of what validation limits: messages that were sent, attempts that failed. What is counted together is `onefold.visitors.limits`.

In Postgres, so that limits hold whatever else is down (security.md, S35).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from onefold.records.store import Connection

# One more, where that is not too many nor too soon: in one statement, so that of a hundred at once no more pass than one after the other
# would. The pause doubles with each.
COUNT = """
insert into validation_counts as c (workspace, bucket, count, ends_at) values ($1, $2, 1, clock_timestamp() + $3::interval)
on conflict (bucket, workspace) do update set
  count = case when c.ends_at <= clock_timestamp() then 1 else c.count + 1 end,
  ends_at = case when c.ends_at <= clock_timestamp() then clock_timestamp() + $3::interval else c.ends_at end,
  last_at = clock_timestamp()
where c.ends_at <= clock_timestamp()
  or (c.count < $4 and c.last_at + least($5::interval * power(2, c.count - 1), $6::interval) <= clock_timestamp())
returning count
"""
WAIT = """
select case when count >= $3 then ends_at
  else least(ends_at, last_at + least($4::interval * power(2, count - 1), $5::interval)) end - clock_timestamp()
from validation_counts where bucket = $2 and workspace = $1
"""
NEXT = """
select case when count >= $3 then ends_at else least(ends_at, last_at + least($4::interval * power(2, count - 1), $5::interval)) end
from validation_counts where bucket = $2 and workspace = $1
"""
TAKE_BACK = "update validation_counts set count = greatest(count - 1, 0) where bucket = $2 and workspace = $1"
FORGET_OLD = """
delete from validation_counts where ctid in (
  select ctid from validation_counts where workspace = $1 and ends_at < clock_timestamp() limit 100 for update skip locked)
"""


class Limit(NamedTuple):
    """How often something may be in a time, and how soon again."""

    window: timedelta
    most: int
    pause: timedelta
    """After the first; it doubles with each."""
    longest_pause: timedelta


async def count(connection: Connection, workspace: str, bucket: bytes, limit: Limit) -> timedelta | None:
    """Count one more. Gives how long to wait, where that would be too many or too soon."""
    if await connection.fetchval(COUNT, workspace, bucket, *limit) is not None:
        return None
    wait: timedelta = await connection.fetchval(WAIT, workspace, bucket, limit.most, limit.pause, limit.longest_pause)
    return wait


async def next_at(connection: Connection, workspace: str, bucket: bytes, limit: Limit) -> datetime:
    """When the next may come, of what was counted already."""
    found: datetime = await connection.fetchval(NEXT, workspace, bucket, limit.most, limit.pause, limit.longest_pause)
    return found


async def take_back(connection: Connection, workspace: str, bucket: bytes) -> None:
    """Count one less."""
    await connection.execute(TAKE_BACK, workspace, bucket)


async def forget_old(connection: Connection, workspace: str) -> None:
    """Delete some windows that are over."""
    await connection.execute(FORGET_OLD, workspace)
