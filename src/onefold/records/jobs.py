"""Long actions of operators: a plan that never changes, progress that outlives the process, one job of a kind at a time.

A process holds a job by an advisory lock of its kind, on a session that the server ends when the process falls silent; whoever resumes
the job goes on from its stored progress. Called by `onefold.ops` and by `streams.replay`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import msgspec

from onefold.errors import JobEnded, JobHeld, JobLost, JobNotFound
from onefold.records.rows import to_json
from onefold.records.sessions import session
from onefold.records.store import UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from onefold.records.rows import Row
    from onefold.records.store import Connection, Store

Kind: TypeAlias = Literal["index-rebuild", "redrive", "replay"]

SILENCE_SECONDS = 60.0
"""A process that saves no progress for so long loses its job."""
_LOCKS = 0x0F01F
_NUMBERS: dict[str, int] = {"index-rebuild": 1, "redrive": 2, "replay": 3}

COLUMNS = "job_id, kind, state, plan, progress, reason, actor, worker, error, created_at, updated_at, finished_at"
CREATE = f"insert into jobs (kind, plan, reason, actor) values ($1, $2, $3, $4) returning {COLUMNS}"
FIND = f"select {COLUMNS} from jobs where job_id = $1"
LIST = f"select {COLUMNS} from jobs order by created_at desc limit $1"
OF_KIND = f"select {COLUMNS} from jobs where kind = $1 order by created_at desc limit 100"
LATEST = f"select {COLUMNS} from jobs where kind = $1 and worker is not null order by updated_at desc limit 1"
TAKE = "update jobs set worker = $2, updated_at = now() where job_id = $1"
# A cancelled job takes no progress: its process finds out, and stops.
SAVE = "update jobs set progress = $2, updated_at = now() where job_id = $1 and state = 'running' returning state"
FINISH = """
update jobs set state = $2, progress = $3, error = $4, updated_at = now(), finished_at = now() where job_id = $1 and state = 'running'
"""
CANCEL = f"""
update jobs set state = 'cancelled', updated_at = now(), finished_at = now() where job_id = $1 and state = 'running' returning {COLUMNS}
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is stored. `plan` and `progress` belong to its kind."""

    job_id: UUID
    kind: str
    state: str
    """running (at work, or left for somebody to resume), done, failed, cancelled."""
    plan: dict[str, Any]
    progress: dict[str, Any]
    reason: str | None
    actor: str
    worker: str | None
    error: str | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


async def create(connection: Connection, kind: Kind, plan: Mapping[str, Any], *, actor: str, reason: str | None) -> Job:
    """A new job, which nobody works on yet."""
    return _job((await connection.fetch(CREATE, kind, to_json(plan), reason, actor))[0])


async def find(connection: Connection, job_id: UUID) -> Job:
    """The job with this id. Raises JobNotFound."""
    row = await connection.fetchrow(FIND, job_id)
    if row is None:
        raise JobNotFound(f"no job has the id {job_id}. `onefold jobs list` shows those that are known.")
    return _job(row)


async def newest(connection: Connection, most: int) -> list[Job]:
    """The latest jobs, newest first."""
    return [_job(row) for row in await connection.fetch(LIST, most)]


async def of_kind(connection: Connection, kind: Kind) -> list[Job]:
    """The latest jobs of a kind, newest first."""
    return [_job(row) for row in await connection.fetch(OF_KIND, kind)]


async def cancel(connection: Connection, job_id: UUID) -> Job:
    """End a job; a process that works on it stops where it next saves its progress. Raises JobNotFound, JobEnded."""
    row = await connection.fetchrow(CANCEL, job_id)
    if row is None:
        raise JobEnded(f"job {job_id} is {(await find(connection, job_id)).state} already")
    return _job(row)


class HeldJob:
    """A job that this process works on."""

    def __init__(self, job: Job, turn: Connection) -> None:
        self.job = job
        self.progress: dict[str, Any] = dict(job.progress)
        self._turn = turn

    async def save(self, connection: Connection) -> None:
        """Store `progress`, in the caller's transaction where its effects are. Raises JobEnded if the job was cancelled.

        Speaks on the session that holds the job as well, so that it does not fall silent. Raises JobLost where that ended: Postgres was
        away, or this process was stopped for too long.
        """
        try:
            await self._turn.execute("select")
        except UNREACHABLE as error:
            raise JobLost(
                f"the session that held job {self.job.job_id} has ended, and another process may hold it by now; what it did so far stays."
                f" `onefold jobs show {self.job.job_id}` says how to resume it"
            ) from error
        if await connection.fetchval(SAVE, self.job.job_id, to_json(self.progress)) is None:
            raise JobEnded(f"job {self.job.job_id} was cancelled; what it did so far stays")

    async def finish(self, connection: Connection, *, error: str | None = None) -> None:
        """End the job: done, or failed for good with an error."""
        await connection.execute(FINISH, self.job.job_id, "failed" if error else "done", to_json(self.progress), error)


class Turn:
    """The right to work on jobs of one kind, as long as its session lives."""

    def __init__(self, connection: Connection, kind: Kind) -> None:
        self._connection = connection
        self._kind = kind

    async def take(self, job_id: UUID, worker: str) -> HeldJob:
        """The job, to work on. Raises JobNotFound, and JobEnded where it is over or of another kind."""
        job = await find(self._connection, job_id)
        if job.kind != self._kind:
            raise JobEnded(f"job {job_id} is a job of another kind, {job.kind}; `onefold jobs show {job_id}` says how to resume it")
        if job.state != "running":
            raise JobEnded(f"job {job_id} is {job.state}; it cannot be resumed")
        await self._connection.execute(TAKE, job_id, worker)
        return HeldJob(job, self._connection)


@asynccontextmanager
async def turn(store: Store, kind: Kind, *, silence_seconds: float = SILENCE_SECONDS) -> AsyncIterator[Turn]:
    """Be the only one that works on jobs of this kind while the block runs. Raises JobHeld where another is."""
    async with session(store, silence_seconds=silence_seconds) as connection:
        if not await connection.fetchval("select pg_try_advisory_lock($1, $2)", _LOCKS, _NUMBERS[kind]):
            other = await connection.fetchrow(LATEST, kind)
            holder = f"job {other['job_id']} on {other['worker']}" if other is not None else "another process"
            raise JobHeld(f"{holder} is at work; one {kind} runs at a time")
        yield Turn(connection, kind)


@asynccontextmanager
async def hold(store: Store, job_id: UUID, worker: str, *, silence_seconds: float = SILENCE_SECONDS) -> AsyncIterator[HeldJob]:
    """Work on a job while the block runs. Raises JobNotFound, JobEnded, and JobHeld where a job of its kind is under way elsewhere."""
    async with store.connection() as connection:
        kind = cast("Kind", (await find(connection, job_id)).kind)
    async with turn(store, kind, silence_seconds=silence_seconds) as mine:
        yield await mine.take(job_id, worker)


def _job(row: Row) -> Job:
    return Job(**{**dict(row), "plan": msgspec.json.decode(row["plan"]), "progress": msgspec.json.decode(row["progress"])})
