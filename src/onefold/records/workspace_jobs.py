"""Jobs of workspaces: a queue that many workers take from, each job by a lease, and each chunk with its progress in one transaction.

A worker that dies leaves its job to the next one when the lease is over; one that was merely slow finds that its claim is an old one, and
its transaction comes to nothing. So a kill anywhere loses nothing and doubles nothing. Jobs of operators lie elsewhere (`jobs`; decision
0035). Called by use cases that begin jobs, and by `streams.jobs`, which works on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import msgspec

from onefold.errors import Fenced, JobEnded, JobNotFound
from onefold.records.rows import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from onefold.records.rows import Row
    from onefold.records.store import Connection

ORGANIZATION_RENAME = "organization-rename"
"""The kind that rewrites what contacts show of their organization; begun by whoever renames it, worked on by `contacts.renaming`."""
SEGMENT_FILL = "segment-fill"
"""The kind that looks who is in a segment; begun by whoever makes or edits one, worked on by `contacts.filling`."""
DOCUMENT_OWNERSHIP = "document-ownership"
"""The kind that gives documents their owners from where their template says; begun by whoever changes that, worked on by
`workspace.document_ownership`."""
MOST_ATTEMPTS = 10
"""Claims that bring a job no further before it is given up."""

COLUMNS = (
    "job_id, workspace, kind, state, input, progress, actor, reason, worker, claim, attempts, lease_until, error, created_at, updated_at,"
    " finished_at"
)
CREATE = f"""
insert into workspace_jobs (job_id, workspace, kind, input, progress, actor, reason, state)
values ($1, $2, $3, $4, $5, $6, $7, 'waiting') returning {COLUMNS}
"""
FIND = f"select {COLUMNS} from workspace_jobs where job_id = $1 and workspace = $2"
PAGE = f"""
select {COLUMNS} from workspace_jobs
where workspace = $1 and (created_at, job_id) < ($2, $3)
  and ($4::text is null or kind = $4) and ($5::text is null or state = $5)
order by created_at desc, job_id desc limit $6
"""
# The oldest that nobody has, of the kinds that the worker knows; who is at it just now has it.
CLAIM = f"""
update workspace_jobs j set state = 'running', worker = $3, claim = j.claim + 1, attempts = j.attempts + 1,
  lease_until = clock_timestamp() + $4, updated_at = clock_timestamp()
from (
  select job_id, workspace from workspace_jobs
  where workspace = any($1::text[]) and state in ('waiting', 'running') and kind = any($2::text[])
    and (lease_until is null or lease_until < clock_timestamp()) and ($5::uuid is null or job_id = $5)
  order by created_at limit 1 for update skip locked
) as free
where j.job_id = free.job_id and j.workspace = free.workspace
returning {", ".join(f"j.{each.strip()}" for each in COLUMNS.split(","))}
"""
HOLD = f"select {COLUMNS} from workspace_jobs where job_id = $1 and workspace = $2 for no key update"
LOOK_OPEN = f"select {COLUMNS} from workspace_jobs where workspace = $1 and kind = $2 and state in ('waiting', 'running') order by job_id"
HOLD_OPEN = f"{LOOK_OPEN} for no key update"
SAVE = """
update workspace_jobs set progress = $4, attempts = 0, lease_until = clock_timestamp() + $5, updated_at = clock_timestamp()
where job_id = $1 and workspace = $2 and claim = $3 and state = 'running' returning state
"""
FINISH = """
update workspace_jobs set state = $4, progress = $5, error = $6, lease_until = null, updated_at = clock_timestamp(),
  finished_at = clock_timestamp()
where job_id = $1 and workspace = $2 and claim = $3 and state = 'running' returning state
"""
LET_GO = """
update workspace_jobs set state = 'waiting', error = $4, lease_until = clock_timestamp() + $5, updated_at = clock_timestamp()
where job_id = $1 and workspace = $2 and claim = $3 and state = 'running'
"""
# What was uploaded and is not going to be taken says something of people, so it does not outlive the job.
_FORGET_PARTS = "delete from import_parts p using ended e where p.job_id = e.job_id and p.workspace = e.workspace"
FAIL = f"""
with ended as (
  update workspace_jobs set state = 'failed', error = $4, lease_until = null, updated_at = clock_timestamp(),
    finished_at = clock_timestamp()
  where job_id = $1 and workspace = $2 and claim = $3 and state = 'running' returning job_id, workspace
)
{_FORGET_PARTS}
"""
CANCEL = f"""
with ended as (
  update workspace_jobs set state = 'cancelled', lease_until = null, updated_at = clock_timestamp(), finished_at = clock_timestamp()
  where job_id = $1 and workspace = $2 and state in ('waiting', 'running') returning {COLUMNS}
), forgotten as ({_FORGET_PARTS})
select {COLUMNS} from ended
"""
WAITING = """
select count(*), coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 from (
  select created_at from workspace_jobs where workspace = any($1::text[]) and state in ('waiting', 'running') limit 10000) as open
"""
LAST_OF_ALL = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=(1 << 128) - 1))

_decode = msgspec.json.decode


@dataclass(frozen=True, slots=True)
class WorkspaceJob:
    """A job as it is stored. `input` and `progress` belong to its kind."""

    job_id: UUID
    workspace: str
    kind: str
    state: str
    """waiting, running (somebody's until its lease is over), done, failed, cancelled."""
    input: dict[str, Any]
    progress: dict[str, Any]
    actor: str
    reason: str | None
    worker: str | None
    claim: int
    attempts: int
    lease_until: datetime | None
    error: str | None
    """Why it failed; of one that waits, what it waits after."""
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


async def create(
    connection: Connection,
    workspace: str,
    kind: str,
    wanted: Mapping[str, Any],
    *,
    actor: str,
    reason: str | None = None,
    job_id: UUID | None = None,
    progress: Mapping[str, Any] | None = None,
) -> WorkspaceJob:
    """A new job, in the caller's transaction: whatever it is to finish is committed with it."""
    number = job_id if job_id is not None else uuid4()
    told = reason.replace("\0", "\ufffd") if reason is not None else None
    row = await connection.fetchrow(CREATE, number, workspace, kind, to_json(wanted), to_json(progress or {}), actor, told)
    assert row is not None  # noqa: S101 -- the statement gives a row
    return _job(row)


async def find(connection: Connection, workspace: str, job_id: UUID) -> WorkspaceJob:
    """The job with this id. Raises JobNotFound."""
    row = await connection.fetchrow(FIND, job_id, workspace)
    if row is None:
        raise JobNotFound(f"workspace {workspace} has no job {job_id}")
    return _job(row)


async def page(
    connection: Connection,
    workspace: str,
    *,
    before: tuple[datetime, UUID] | None = None,
    kind: str | None = None,
    state: str | None = None,
    limit: int,
) -> list[WorkspaceJob]:
    """Jobs of a workspace, the latest first."""
    at, job_id = before if before is not None else LAST_OF_ALL
    return [_job(row) for row in await connection.fetch(PAGE, workspace, at, job_id, kind, state, limit)]


async def cancel(connection: Connection, workspace: str, job_id: UUID) -> WorkspaceJob:
    """End a job; what it did so far stays. Raises JobNotFound, JobEnded."""
    row = await connection.fetchrow(CANCEL, job_id, workspace)
    if row is None:
        raise JobEnded(f"job {job_id} is {(await find(connection, workspace, job_id)).state} already")
    return _job(row)


async def claim(
    connection: Connection, named: Sequence[str], kinds: Sequence[str], worker: str, lease: timedelta, *, only: UUID | None = None
) -> WorkspaceJob | None:
    """The oldest job of these workspaces and kinds that is nobody's, now the worker's; None where there is none."""
    row = await connection.fetchrow(CLAIM, list(named), list(kinds), worker, lease, only)
    return _job(row) if row is not None else None


async def hold(connection: Connection, claimed: WorkspaceJob) -> WorkspaceJob:
    """The job as it is now, locked until the transaction ends. Raises JobEnded, and Fenced where somebody else has it."""
    row = await connection.fetchrow(HOLD, claimed.job_id, claimed.workspace)
    if row is None or row["state"] not in {"waiting", "running"}:
        raise JobEnded(f"job {claimed.job_id} is {row['state'] if row is not None else 'gone'}; what it did so far stays")
    if row["claim"] != claimed.claim or row["state"] != "running":
        raise Fenced(f"job {claimed.job_id} is somebody else's by now")
    return _job(row)


async def hold_open(connection: Connection, workspace: str, kind: str) -> list[WorkspaceJob]:
    """Jobs of a kind that are not over, locked until the transaction ends: what their workers are at is waited for."""
    return [_job(row) for row in await connection.fetch(HOLD_OPEN, workspace, kind)]


async def look_open(connection: Connection, workspace: str, kind: str) -> list[WorkspaceJob]:
    """Jobs of a kind that are not over, as they are now."""
    return [_job(row) for row in await connection.fetch(LOOK_OPEN, workspace, kind)]


async def save(connection: Connection, held: WorkspaceJob, progress: Mapping[str, Any], lease: timedelta) -> None:
    """Store how far a held job is, in the transaction of what brought it there."""
    await connection.fetchval(SAVE, held.job_id, held.workspace, held.claim, to_json(progress), lease)


async def finish(connection: Connection, held: WorkspaceJob, progress: Mapping[str, Any]) -> None:
    """End a held job: all of it is done."""
    await connection.fetchval(FINISH, held.job_id, held.workspace, held.claim, "done", to_json(progress), None)


async def let_go(connection: Connection, claimed: WorkspaceJob, error: str | None, pause: timedelta) -> None:
    """Leave a job to whoever comes after a pause, unless it is somebody else's already."""
    await connection.execute(LET_GO, claimed.job_id, claimed.workspace, claimed.claim, error, pause)


async def fail(connection: Connection, claimed: WorkspaceJob, error: str) -> None:
    """End a job for good: no repeat will help. What it did so far stays."""
    await connection.execute(FAIL, claimed.job_id, claimed.workspace, claimed.claim, error)


async def waiting(connection: Connection, named: Sequence[str]) -> tuple[int, float]:
    """How many jobs of these workspaces are not over, counted up to 10,000, and the age of the oldest in seconds."""
    (row,) = await connection.fetch(WAITING, list(named))
    return row[0], row[1]


def _job(row: Row) -> WorkspaceJob:
    return WorkspaceJob(**{**dict(row), "input": _decode(row["input"]), "progress": _decode(row["progress"])})
