"""Counts of failed sign-ins. What is counted together, and how often somebody may fail, is `onefold.access.attempts`, which calls this."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from onefold.records.store import Connection

# One more, where that is not too many: in one statement, so that of a hundred at once no more pass than one after the other would.
COUNT = """
insert into sign_in_failures as f (workspace, bucket, failures)
select w.workspace, $2, 1 from workspaces w where w.workspace = $1
on conflict (bucket, workspace) do update set
  failures = case when f.began_at + $3 <= now() then 1 else f.failures + 1 end,
  began_at = case when f.began_at + $3 <= now() then now() else f.began_at end
where f.failures < $4 or f.began_at + $3 <= now()
returning failures
"""
WAIT = "select began_at + $3 - now() from sign_in_failures where bucket = $2 and workspace = $1"
TAKE_BACK = "update sign_in_failures set failures = greatest(failures - 1, 0) where bucket = $2 and workspace = $1"
FORGET = "delete from sign_in_failures where bucket = any($2::bytea[]) and workspace = $1"
FORGET_OLD = """
delete from sign_in_failures where ctid in (
  select ctid from sign_in_failures where workspace = $1 and began_at < now() - interval '1 hour' limit 100 for update skip locked)
"""


async def count_failure(connection: Connection, workspace: str, bucket: bytes, window: timedelta, most: int) -> timedelta | None:
    """Count one more failure in a window. Gives how long to wait, where there were too many; a workspace that is none counts nothing."""
    if await connection.fetchval(COUNT, workspace, bucket, window, most) is not None:
        return None
    wait: timedelta | None = await connection.fetchval(WAIT, workspace, bucket, window)
    return wait


async def take_back(connection: Connection, workspace: str, bucket: bytes) -> None:
    """Count one failure less."""
    await connection.execute(TAKE_BACK, workspace, bucket)


async def forget_failures(connection: Connection, workspace: str, buckets: Sequence[bytes]) -> None:
    """Count from nothing again; and forget some windows that have long passed."""
    await connection.execute(FORGET, workspace, list(buckets))
    await connection.execute(FORGET_OLD, workspace)
