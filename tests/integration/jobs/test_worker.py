"""Jobs of workspaces: each is one worker's at a time, loses nothing to a kill, and doubles nothing (decision 0035)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from onefold import failpoints
from onefold.contacts.tools import Advance
from onefold.errors import Fenced, InvalidMessage, JobEnded, JobNotFound, StoreUnavailable
from onefold.records import workspace_jobs
from onefold.records.workspace_jobs import MOST_ATTEMPTS
from streams import jobs
from tests.support.working import worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onefold.contacts.tools import Step, Tools
    from onefold.records.store import Connection, Store
    from onefold.records.workspace_jobs import WorkspaceJob

COUNT = "insert into organizations (workspace, organization_id, slug, title, sequence, place, created_at, updated_at)"
MARK = f"{COUNT} values ($1, gen_random_uuid(), $2, 'T', 1, '\\x00000001', now(), now())"
MARKS = "select array_agg(slug order by slug) from organizations where workspace = $1"


@pytest.fixture(autouse=True)
def _unarmed() -> Iterator[None]:
    yield
    failpoints.disarm()


async def counting(connection: Connection, job: WorkspaceJob, tools: Tools) -> Advance:
    """Leaves one mark a chunk; a second one of the same name would be refused by its key."""
    del tools
    done = job.progress.get("done", 0) + 1
    await connection.execute(MARK, job.workspace, f"{str(job.job_id)[:8]}-{done}")
    return Advance({"done": done}, is_done=done == job.input["chunks"])


KINDS: dict[str, Step] = {"counting": counting}


async def begun(store: Store, chunks: int = 5, workspace: str = "acme", kind: str = "counting") -> WorkspaceJob:
    async with store.transaction([workspace]) as connection:
        return await workspace_jobs.create(connection, workspace, kind, {"chunks": chunks}, actor="user:ann", reason="a test")


async def now(store: Store, job: WorkspaceJob) -> WorkspaceJob:
    async with store.transaction([job.workspace]) as connection:
        return await workspace_jobs.find(connection, job.workspace, job.job_id)


async def marks(store: Store, workspace: str = "acme") -> int:
    async with store.transaction([workspace]) as connection:
        return len(await connection.fetchval(MARKS, workspace) or [])


@pytest.mark.asyncio
async def test_several_workers_share_the_jobs_of_all_workspaces(store: Store) -> None:
    """Each job is carried out once, whoever takes it."""
    made = [await begun(store, 3, workspace) for workspace in ("acme", "other") for _ in range(4)]
    stopping = asyncio.Event()
    workers = [worker(store, f"w{number}", kinds=KINDS) for number in range(3)]
    async with asyncio.TaskGroup() as tasks:
        for each in workers:
            tasks.create_task(jobs.work(each, stopping))
        async with asyncio.timeout(30):
            while {(await now(store, each)).state for each in made} != {"done"}:
                await asyncio.sleep(0.02)
        stopping.set()
    assert (await marks(store), await marks(store, "other")) == (12, 12)
    assert {(await now(store, each)).claim for each in made} == {1}


@pytest.mark.asyncio
@pytest.mark.parametrize("point", ["jobs.claimed", "jobs.carried", "jobs.committed"])
async def test_whoever_dies_anywhere_leaves_it_to_the_next_at_the_last_committed_chunk(store: Store, point: str) -> None:
    """The chunk under way comes to nothing, and is done once by the next worker, when the lease is over."""
    job, reached = await begun(store), 0

    async def die() -> None:
        nonlocal reached
        reached += 1
        if reached == (1 if point == "jobs.claimed" else 3):
            raise SystemExit("killed")

    failpoints.arm(point, die)
    first = worker(store, "first", lease_seconds=0.3, kinds=KINDS)
    with pytest.raises(SystemExit):  # no envelope of ours catches it, so nothing is let go: as if the process had been killed
        claimed = await jobs.claim(first)
        assert claimed is not None
        await jobs.carry_on(first, claimed, asyncio.Event())
    failpoints.disarm()
    second = worker(store, "second", kinds=KINDS)
    assert await jobs.claim(second) is None
    await asyncio.sleep(0.4)
    claimed = await jobs.claim(second)
    assert claimed is not None
    await jobs.carry_on(second, claimed, asyncio.Event())
    assert (await now(store, job)).state == "done"
    assert await marks(store) == 5


@pytest.mark.asyncio
async def test_a_worker_that_lost_its_lease_stores_nothing_more(store: Store) -> None:
    """It was merely slow: its claim is an old one."""
    await begun(store)
    slow, quick = worker(store, "slow", lease_seconds=0.01, kinds=KINDS), worker(store, "quick", kinds=KINDS)
    old = await jobs.claim(slow)
    await asyncio.sleep(0.05)
    assert await jobs.claim(quick) is not None
    assert old is not None
    with pytest.raises(Fenced):
        async with store.transaction(["acme"]) as connection:
            await workspace_jobs.hold(connection, old)
    await jobs.carry_on(slow, old, asyncio.Event())
    assert await marks(store) == 0


@pytest.mark.asyncio
async def test_what_stays_undone_says_why(store: Store) -> None:
    """Refused: failed at once. A server away: left for later. Unexpected: tried again, and given up in the end."""

    async def refuse(*_: object) -> Advance:
        raise InvalidMessage("no such thing")

    async def away(*_: object) -> Advance:
        raise StoreUnavailable("away")

    async def broken(*_: object) -> Advance:
        raise ZeroDivisionError

    kinds: dict[str, Step] = {"refuse": refuse, "away": away, "broken": broken}
    parts = worker(store, kinds=kinds)
    made = {kind: await begun(store, kind=kind) for kind in kinds}
    for _ in kinds:
        claimed = await jobs.claim(parts)
        assert claimed is not None
        await jobs.carry_on(parts, claimed, asyncio.Event())
    found = {kind: await now(store, job) for kind, job in made.items()}
    assert {kind: (each.state, each.error) for kind, each in found.items()} == {
        "refuse": ("failed", "no such thing"),
        "away": ("waiting", "away"),
        "broken": ("waiting", "an unexpected ZeroDivisionError; the worker's log says where"),
    }
    for _ in range(MOST_ATTEMPTS):
        async with store.transaction(["acme"]) as connection:
            await connection.execute("update workspace_jobs set lease_until = null where state = 'waiting' and kind = 'broken'")
        claimed = await jobs.claim(parts, only=made["broken"].job_id)
        if claimed is not None:
            await jobs.carry_on(parts, claimed, asyncio.Event())
    last = await now(store, made["broken"])
    assert last.state == "failed"
    assert last.error is not None
    assert "given up" in last.error


@pytest.mark.asyncio
async def test_a_cancelled_job_stops_before_its_next_chunk(store: Store) -> None:
    """What it did so far stays; once it is over it cannot be cancelled."""
    job = await begun(store)
    parts = worker(store, kinds=KINDS)
    claimed = await jobs.claim(parts)
    assert claimed is not None
    async with store.transaction(["acme"]) as connection:
        await workspace_jobs.cancel(connection, "acme", job.job_id)
    await jobs.carry_on(parts, claimed, asyncio.Event())
    assert await marks(store) == 0
    assert (await now(store, job)).state == "cancelled"
    async with store.transaction(["acme"]) as connection:
        with pytest.raises(JobEnded):
            await workspace_jobs.cancel(connection, "acme", job.job_id)


@pytest.mark.asyncio
async def test_a_worker_that_is_told_to_stop_leaves_its_job_to_the_next_at_once(store: Store) -> None:
    """Not only when the lease is over."""
    await begun(store)
    parts, stopping = worker(store, kinds=KINDS), asyncio.Event()
    claimed = await jobs.claim(parts)
    assert claimed is not None
    stopping.set()
    await jobs.carry_on(parts, claimed, stopping)
    assert await jobs.claim(parts) is not None


@pytest.mark.asyncio
async def test_another_workspace_neither_sees_nor_ends_it(store: Store) -> None:
    """S92: no id of ours leads anywhere there."""
    job = await begun(store)
    async with store.transaction(["other"]) as connection:
        assert await workspace_jobs.page(connection, "acme", limit=10) == []
        for act in (workspace_jobs.find, workspace_jobs.cancel):
            with pytest.raises(JobNotFound):
                await act(connection, "other", job.job_id)
        assert await workspace_jobs.claim(connection, ["acme"], list(KINDS), "w", timedelta(seconds=9)) is None


@pytest.mark.asyncio
async def test_jobs_are_listed_the_latest_first_in_pages(store: Store) -> None:
    """By kind and state, if wanted."""
    made = [await begun(store, kind=f"kind{number % 2}") for number in range(5)]
    async with store.transaction(["acme"]) as connection:
        first = await workspace_jobs.page(connection, "acme", limit=3)
        rest = await workspace_jobs.page(connection, "acme", before=(first[-1].created_at, first[-1].job_id), limit=3)
        assert [each.job_id for each in (*first, *rest)] == [each.job_id for each in reversed(made)]
        assert len(await workspace_jobs.page(connection, "acme", kind="kind1", limit=9)) == 2
        assert await workspace_jobs.page(connection, "acme", state="done", limit=9) == []
