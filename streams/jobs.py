"""The worker of workspaces' jobs: renames, imports, bulk operations (decision 0035).

Its path: claim the oldest job that is nobody's → chunk after chunk, each in one transaction: hold the job, do a part of it, store how far
it is, commit → finish. Kinds that can look ahead decide the next chunk while Postgres writes the present one (decision 0040). A chunk that
loses a race begins anew; one whose server is away leaves the job for later; one that the rules refuse ends it. Who is killed anywhere
leaves the job to whoever claims it once the lease is over, at the last committed chunk.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, uuid5

from onefold import bootstrap
from onefold.contacts import bulk, filling, ghosts, imports, renaming
from onefold.contacts.tools import Advance, Tools
from onefold.errors import Fenced, JobEnded, PermanentError, Refused, StoreUnavailable, TemporaryError
from onefold.failpoints import reach
from onefold.observe import JobsMetrics
from onefold.ops.horizon import decided_until
from onefold.records import ghosts as records_of_ghosts
from onefold.records import workspace_jobs
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.records.shards import shard_count
from onefold.records.store import RACES, REJECTED, Moved
from onefold.records.workspace_jobs import MOST_ATTEMPTS
from onefold.records.workspaces import list_workspaces
from onefold.workspace import document_loading, document_ownership

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from uuid import UUID

    from onefold.bootstrap import Role
    from onefold.contacts.tools import Ahead, Step
    from onefold.observe import Health, Log
    from onefold.records.store import Connection, Store
    from onefold.records.workspace_jobs import WorkspaceJob
    from onefold.topics.client import KafkaConnection


def _without_tools(step: Callable[[Connection, WorkspaceJob], Awaitable[tuple[dict[str, Any], bool]]]) -> Step:
    async def carry(connection: Connection, job: WorkspaceJob, _tools: Tools) -> Advance:
        return Advance(*await step(connection, job))

    return carry


KINDS: Final[Mapping[str, Step]] = {
    workspace_jobs.ORGANIZATION_RENAME: renaming.step,
    workspace_jobs.SEGMENT_FILL: filling.step,
    imports.KIND: imports.step,
    bulk.KIND: bulk.step,
    ghosts.KIND: ghosts.step,
    workspace_jobs.DOCUMENT_OWNERSHIP: _without_tools(document_ownership.step),
    document_loading.KIND: _without_tools(document_loading.step),
}
"""Every kind of job, and what one chunk of it does."""
AHEAD: Final[Mapping[str, Ahead]] = {imports.KIND: imports.look_ahead}
"""The kinds that can look ahead."""

POLL_SECONDS = 0.5
MEASURE_SECONDS = 10.0
PAUSE = timedelta(seconds=5)
"""Before a job is tried again whose chunk failed through no fault of its own."""
MOST_RACES = 20
SCHEDULE_SECONDS = 300.0
SWEEP_EVERY = timedelta(hours=23)
"""A job that is begun each day at about the same time."""
_SWEEPS = uuid5(NAMESPACE_URL, "onefold:ghost-sweep")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker works with."""

    store: Store
    tools: Tools
    worker: str
    lease: timedelta
    metrics: JobsMetrics
    log: Log
    kinds: Mapping[str, Step]


async def run(role: Role, health: Health, stopping: asyncio.Event) -> None:
    """Work on jobs until told to stop; chunks that are under way are finished."""
    async with bootstrap.store(role) as store:
        parts = await parts_of(role, store)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(role.settings.jobs.at_once):
                tasks.create_task(work(parts, stopping))
            tasks.create_task(measure(parts, stopping))
            tasks.create_task(schedule(parts, role.kafka, stopping))
            health.ready("start")
            await health.tick_until(stopping)


async def parts_of(role: Role, store: Store) -> Parts:
    """What a process of this role works with."""
    shards, settings = await shard_count(store), role.settings
    resolution = Resolution(shards=shards, numbers=TenureNumbers(), budget=settings.resolver.tenure_budget)
    lease = timedelta(seconds=settings.jobs.lease_seconds)
    tools = Tools(shards, resolution, settings.jobs.ghosts_per_second)
    return Parts(store, tools, role.worker, lease, JobsMetrics(role.metrics), role.log, KINDS)


async def work(parts: Parts, stopping: asyncio.Event) -> None:
    """One job after the other, until told to stop."""
    while not stopping.is_set():
        try:
            job = await claim(parts)
            if job is not None:
                await carry_on(parts, job, stopping)
                continue
        except TemporaryError as error:
            parts.log.warning("jobs_wait", code=error.code, reason=str(error))
        await _pause(stopping, POLL_SECONDS)


async def claim(parts: Parts, *, only: UUID | None = None) -> WorkspaceJob | None:
    """The oldest job that is nobody's, or the one that is asked for; what was claimed too often in vain is given up."""
    async with parts.store.connection() as connection:
        named = await list_workspaces(connection)
    async with parts.store.transaction(named) as connection:
        job = await workspace_jobs.claim(connection, named, list(parts.kinds), parts.worker, parts.lease, only=only)
    if job is not None and job.attempts > MOST_ATTEMPTS:
        await _fail(parts, job, f"given up after {MOST_ATTEMPTS} attempts that brought it no further; the last: {job.error or 'killed'}")
        return None
    await reach("jobs.claimed")
    return job


async def carry_on(parts: Parts, job: WorkspaceJob, stopping: asyncio.Event) -> None:
    """Chunk after chunk of a claimed job, until it is over, somebody else's, or has to wait."""
    log = parts.log.bind(job=str(job.job_id), workspace=job.workspace, kind=job.kind)
    races, lookout = 0, _Lookout(parts, job, log)
    try:
        while not stopping.is_set():
            try:
                advance = await _chunk(parts, job, lookout)
                if advance.is_done:
                    log.info("job_done")
                    return
                races = 0
                if advance.pause_seconds:
                    await _pause(stopping, min(advance.pause_seconds, parts.lease.total_seconds() / 2))
            except (*RACES, Moved) as error:
                races += 1
                parts.metrics.repeats.labels(job.kind, type(error).__name__).inc()
                if races > MOST_RACES:
                    raise StoreUnavailable("the job keeps losing races for its records") from error
        await _let_go(parts, job, None, timedelta(0))
    except (JobEnded, Fenced) as error:
        log.info("job_left", reason=str(error))
    except TemporaryError as error:
        parts.metrics.repeats.labels(job.kind, error.code).inc()
        log.warning("job_waits", code=error.code, reason=str(error))
        await _let_go(parts, job, str(error), PAUSE)
    except (Refused, PermanentError, *REJECTED) as error:
        log.warning("job_failed", reason=str(error))
        await _fail(parts, job, str(error))
    except Exception as error:
        parts.metrics.repeats.labels(job.kind, "unexpected").inc()
        log.exception("job_failed_unexpectedly")
        await _let_go(parts, job, f"an unexpected {type(error).__name__}; the worker's log says where", PAUSE)
    finally:
        await lookout.close()


class _Lookout:
    """What is found ahead for a job's next chunk while the present one is carried out. Where that fails, the chunk goes without."""

    def __init__(self, parts: Parts, job: WorkspaceJob, log: Log) -> None:
        self._parts = parts
        self._look = AHEAD.get(job.kind)
        self._log = log
        self._task: asyncio.Task[object] | None = None

    def begin(self, held: WorkspaceJob) -> None:
        """Look ahead of the chunk that begins."""
        if self._look is not None:
            self._task = asyncio.create_task(self._find(self._look, held))

    async def found(self) -> object:
        """What was found for the chunk that is to begin."""
        task, self._task = self._task, None
        return await task if task is not None else None

    async def close(self) -> None:
        """Nothing is to be carried out any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _find(self, look: Ahead, held: WorkspaceJob) -> object:
        try:
            async with self._parts.store.transaction([held.workspace]) as connection:
                found = await look(connection, held, self._parts.tools)
            await reach("jobs.foreseen")
        except TemporaryError:  # the chunk itself will meet it, and have its fate
            return None
        except Exception:  # noqa: BLE001 -- the envelope of what nobody has to have
            self._log.exception("job_not_foreseen")
            return None
        else:
            return found


async def _chunk(parts: Parts, job: WorkspaceJob, lookout: _Lookout) -> Advance:
    """One transaction: a part of the job, and how far it is."""
    began = time.perf_counter()
    tools = replace(parts.tools, ahead=await lookout.found())
    async with parts.store.transaction([job.workspace]) as connection:
        held = await workspace_jobs.hold(connection, job)
        lookout.begin(held)
        advance = await parts.kinds[job.kind](connection, held, tools)
        if advance.is_done:
            await workspace_jobs.finish(connection, held, advance.progress)
        else:
            await workspace_jobs.save(connection, held, advance.progress, parts.lease)
        await reach("jobs.carried")
    parts.metrics.chunks.labels(job.kind).inc()
    parts.metrics.chunk_seconds.observe(time.perf_counter() - began)
    if advance.is_done:
        parts.metrics.ended.labels(job.kind, "done").inc()
    await reach("jobs.committed")
    return advance


async def _let_go(parts: Parts, job: WorkspaceJob, error: str | None, pause: timedelta) -> None:
    """Leave it to whoever comes next. Where the store is away, its lease ends by itself."""
    with suppress(TemporaryError):
        async with parts.store.transaction([job.workspace]) as connection:
            await workspace_jobs.let_go(connection, job, error, pause)


async def _fail(parts: Parts, job: WorkspaceJob, error: str) -> None:
    async with parts.store.transaction([job.workspace]) as connection:
        await workspace_jobs.fail(connection, job, error)
    parts.metrics.ended.labels(job.kind, "failed").inc()


async def measure(parts: Parts, stopping: asyncio.Event) -> None:
    """Say how much waits."""
    while not stopping.is_set():
        with suppress(TemporaryError):
            async with parts.store.connection() as connection:
                named = await list_workspaces(connection)
            async with parts.store.transaction(named) as connection:
                count, age = await workspace_jobs.waiting(connection, named)
            parts.metrics.open.set(count)
            parts.metrics.open_age.set(age)
        await _pause(stopping, MEASURE_SECONDS)


async def schedule(parts: Parts, kafka: KafkaConnection, stopping: asyncio.Event) -> None:
    """Begin what is due by itself: once a day, the sweep of ghosts where a workspace wants one."""
    while not stopping.is_set():
        try:
            await begin_sweeps(parts, kafka)
        except TemporaryError as error:
            parts.log.warning("sweeps_wait", code=error.code, reason=str(error))
        await _pause(stopping, SCHEDULE_SECONDS)


async def begin_sweeps(parts: Parts, kafka: KafkaConnection) -> None:
    """A job for every workspace whose ghosts were not swept within a day; of several workers one begins it.

    A workspace that none can be begun for (its rules are a newer build's, say) is tried again by the next round.
    """
    async with parts.store.connection() as connection:
        named = await list_workspaces(connection)
    async with parts.store.transaction(named) as connection:
        due = await records_of_ghosts.due(connection, named, ghosts.KIND, SWEEP_EVERY)
    if not due:
        return
    horizon = await decided_until(kafka, parts.store)
    for workspace, days in due:
        try:
            await _begin_sweep(parts, workspace, days, horizon)
        except (TemporaryError, Refused) as error:
            parts.log.warning("sweep_not_begun", workspace=workspace, code=error.code, reason=str(error))
        except Exception:  # the envelope: one workspace's trouble holds back neither the others' sweeps nor any job
            parts.log.exception("sweep_not_begun", workspace=workspace)


async def _begin_sweep(parts: Parts, workspace: str, days: int, horizon: datetime) -> None:
    number = uuid5(_SWEEPS, f"{workspace}\0{datetime.now(UTC).date()}")
    with suppress(*REJECTED):
        async with parts.store.transaction([workspace]) as connection:
            await ghosts.begin(connection, workspace, days, horizon, ghosts.SWEEPER, job_id=number)
        parts.log.info("sweep_begun", workspace=workspace, days=days)


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
