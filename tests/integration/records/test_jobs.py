"""Jobs outlive their process, and two processes never run one kind at once (F52)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import pytest_asyncio

from onefold.errors import JobEnded, JobHeld, JobLost, JobNotFound
from onefold.records import jobs
from onefold.records.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from onefold.records.jobs import Job
    from tests.support.servers import Database


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    opened = await Store.connect(database.app_url)
    yield opened
    await opened.close()


async def begun(store: Store) -> Job:
    async with store.begin() as connection:
        return await jobs.create(connection, "index-rebuild", {"of": "everything"}, actor="tests", reason="to see")


@pytest.mark.asyncio
async def test_a_job_goes_on_from_its_progress_whoever_resumes_it(store: Store) -> None:
    job = await begun(store)
    with pytest.raises(KeyboardInterrupt):
        async with jobs.hold(store, job.job_id, "first") as held, store.begin() as connection:
            held.progress["after"] = 7
            await held.save(connection)
            await connection.execute("commit; begin")
            raise KeyboardInterrupt
    async with jobs.hold(store, job.job_id, "second") as held, store.begin() as connection:
        assert held.progress == {"after": 7}
        await held.finish(connection)
    async with store.connection() as connection:
        found = await jobs.find(connection, job.job_id)
        assert (found.state, found.worker, found.plan) == ("done", "second", {"of": "everything"})
        assert [each.job_id for each in await jobs.newest(connection, 5)] == [job.job_id]
    with pytest.raises(JobEnded):
        async with jobs.hold(store, job.job_id, "third"):
            pytest.fail("a job that is done was resumed")


@pytest.mark.asyncio
async def test_the_second_of_a_kind_is_told_who_holds_it(store: Store) -> None:
    """F52."""
    first, second = await begun(store), await begun(store)
    async with jobs.hold(store, first.job_id, "this one"):
        with pytest.raises(JobHeld, match=f"{first.job_id} on this one"):
            async with jobs.hold(store, second.job_id, "that one"):
                pytest.fail("two at once")
    async with jobs.hold(store, second.job_id, "that one"):
        pass


@pytest.mark.asyncio
async def test_a_cancelled_job_stops_where_it_saves(store: Store) -> None:
    job = await begun(store)
    async with jobs.hold(store, job.job_id, "worker") as held, store.begin() as connection:
        async with store.begin() as other:
            assert (await jobs.cancel(other, job.job_id)).state == "cancelled"
        with pytest.raises(JobEnded):
            await held.save(connection)
    async with store.connection() as connection:
        with pytest.raises(JobEnded):
            await jobs.cancel(connection, job.job_id)
        with pytest.raises(JobNotFound):
            await jobs.find(connection, uuid4())


@pytest.mark.asyncio
async def test_a_job_is_held_for_as_long_as_it_saves_and_lost_by_silence(store: Store) -> None:
    """F52, F7: the lock lies on a session of its own, which the server ends when it is silent, whatever other connections say."""
    job, other = await begun(store), await begun(store)
    with pytest.raises(JobLost):
        async with jobs.hold(store, job.job_id, "first", silence_seconds=1.0) as held:
            for _ in range(8):
                await asyncio.sleep(0.25)
                async with store.begin() as connection:
                    await held.save(connection)
            with pytest.raises(JobHeld):
                async with jobs.turn(store, "index-rebuild"):
                    pytest.fail("two at once")
            await asyncio.sleep(3)
            async with jobs.hold(store, other.job_id, "second"):
                pass
            async with store.begin() as connection:
                await held.save(connection)


@pytest.mark.asyncio
async def test_a_job_is_taken_only_by_its_own_kind(store: Store) -> None:
    job = await begun(store)
    async with jobs.turn(store, "replay") as turn:
        with pytest.raises(JobEnded, match="another kind, index-rebuild"):
            await turn.take(job.job_id, "worker")
