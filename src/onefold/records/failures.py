"""Counts of failed sign-ins. What is counted together, and how often somebody may fail, is `onefold.access.attempts`, which calls this."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from onefold.records.store import Connection

# One more of each, where that is not too many: in one statement, so that of a hundred at once no more pass than one after the other would.
# Each bucket has its window and its bound; rows are locked in the order of their buckets, so that two wait for one another and not for each
# other.
COUNT = """
insert into sign_in_failures as f (workspace, bucket, failures)
select w.workspace, n.bucket, 1 from workspaces w cross join unnest($2::bytea[]) as n (bucket) where w.workspace = $1 order by n.bucket
on conflict (bucket, workspace) do update set
  failures = case when f.began_at + (select n.span from unnest($2::bytea[], $3::interval[]) as n (bucket, span) where n.bucket = f.bucket)
    <= now() then 1 else f.failures + 1 end,
  began_at = case when f.began_at + (select n.span from unnest($2::bytea[], $3::interval[]) as n (bucket, span) where n.bucket = f.bucket)
    <= now() then now() else f.began_at end
where exists (select from unnest($2::bytea[], $3::interval[], $4::integer[]) as n (bucket, span, most)
  where n.bucket = f.bucket and (f.failures < n.most or f.began_at + n.span <= now()))
returning bucket
"""
WAIT = "select began_at + $3 - now() from sign_in_failures where bucket = $2 and workspace = $1"
TAKE_BACK = """
update sign_in_failures set failures = greatest(failures - 1, 0) where workspace = $1 and bucket in (
  select bucket from sign_in_failures where bucket = any($2::bytea[]) and workspace = $1 order by bucket for update)
"""
# What is one's own is counted from nothing again, the rest once less; some windows that have long passed go on the way.
SUCCEEDED = """
with own as (delete from sign_in_failures where bucket = any($2::bytea[]) and workspace = $1),
back as (update sign_in_failures set failures = greatest(failures - 1, 0) where workspace = $1 and bucket in (
  select bucket from sign_in_failures where bucket = any($3::bytea[]) and workspace = $1 order by bucket for update)),
old as (delete from sign_in_failures where ctid in (
  select ctid from sign_in_failures where workspace = $1 and began_at < now() - interval '1 hour' and bucket <> all($2 || $3) limit 100
  for update skip locked))
select
"""


class Bound(NamedTuple):
    """How often somebody may fail."""

    bucket: bytes
    """What is counted together."""
    window: timedelta
    most: int


async def count_failures(connection: Connection, workspace: str, bounds: Sequence[Bound]) -> timedelta | None:
    """Count one more failure of each. Gives how long to wait, where there were too many of one: then roll back.

    A workspace that is none counts nothing.
    """
    columns = [list(column) for column in zip(*bounds, strict=True)]
    counted = {row["bucket"] for row in await connection.fetch(COUNT, workspace, *columns)}
    waits = [await connection.fetchval(WAIT, workspace, each.bucket, each.window) for each in bounds if each.bucket not in counted]
    return max((wait for wait in waits if wait is not None), default=None)


async def take_back(connection: Connection, workspace: str, buckets: Sequence[bytes]) -> None:
    """Count one failure less of each."""
    await connection.execute(TAKE_BACK, workspace, list(buckets))


async def succeeded(connection: Connection, workspace: str, own: Sequence[bytes], others: Sequence[bytes]) -> None:
    """What was counted as a failure was none: forget its own buckets, and count one less of the others."""
    await connection.execute(SUCCEEDED, workspace, list(own), list(others))
