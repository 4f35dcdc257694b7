"""The worker of jobs, in this process: jobs carried out to their end, or only so far."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from onefold.contacts.tools import Tools
from onefold.observe import JobsMetrics, Metrics
from onefold.records import workspace_jobs
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from streams import jobs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from onefold.contacts.tools import Step
    from onefold.records.store import Store
    from onefold.records.workspace_jobs import WorkspaceJob

SHARDS = 4


def worker(store: Store, name: str = "worker", *, lease_seconds: float = 60, kinds: Mapping[str, Step] | None = None) -> jobs.Parts:
    """What a worker of that name works with."""
    tools = Tools(SHARDS, Resolution(shards=SHARDS, numbers=TenureNumbers(), budget=10_000), ghosts_per_second=1e9)
    lease = timedelta(seconds=lease_seconds)
    return jobs.Parts(store, tools, name, lease, JobsMetrics(Metrics()), structlog.get_logger(), jobs.KINDS if kinds is None else kinds)


async def carry_out(store: Store, *, only: UUID | None = None) -> list[WorkspaceJob]:
    """Carry out every job that is nobody's, to its end; gives them as they are then."""
    parts, ended = worker(store), []
    while (job := await jobs.claim(parts, only=only)) is not None:
        await jobs.carry_on(parts, job, asyncio.Event())
        async with store.transaction([job.workspace]) as connection:
            ended.append(await workspace_jobs.find(connection, job.workspace, job.job_id))
    return ended
