"""The index is made anew while resolvers run: killed, interrupted, raced with, it never says what is not so (F51, I6)."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from onefold import failpoints
from onefold.errors import JobHeld
from onefold.identity.assurance import Assurance
from onefold.ops.index.differences import Kind
from onefold.ops.index.rebuild import Rebuild, begin
from onefold.ops.index.walk import Pace
from onefold.records import jobs
from onefold.records.incarnations import begin_incarnation
from tests.e2e.index.keeping import kept, settled, written_back
from tests.support.worlds import event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from onefold.identity.interaction import Interaction
    from onefold.records.jobs import Job
    from tests.e2e.index.keeping import Kept
    from tests.support.servers import Database, Services

ASSERTED = Assurance.ASSERTED


def visits(count: int, minutes: float, *, mark: str = "") -> list[Interaction]:
    return [
        event(f"anonymous_token:{mark}t{n}", f"email:{mark}p{n}@example.com", assurance=ASSERTED, minutes=minutes) for n in range(count)
    ]


async def latest(here: Kept) -> Job:
    async with here.mine.store.connection() as connection:
        return (await jobs.of_kind(connection, "index-rebuild"))[0]


async def rebuilt(here: Kept) -> Job:
    """A rebuild in this process, to its end."""
    store = here.mine.store
    job = await begin(store, actor="tests", reason=None)
    async with jobs.hold(store, job.job_id, "tests") as held:
        await Rebuild(store, here.upkeep, here.secret, held, pace=Pace(), told=lambda _: None).run()
    return await latest(here)


@pytest.fixture
def _disarmed() -> Iterator[None]:
    yield
    failpoints.disarm()


@pytest.mark.asyncio
async def test_a_rebuild_that_is_killed_under_load_goes_on_and_leaves_a_clean_hot_index(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """F51: killed between two chunks while two resolvers work; resumed; nothing of the old incarnation is left."""
    async with kept(services, database, topic_prefix, redis_url, partitions=2) as here, here.mine.resolvers(2) as roles:

        async def all_settled(count: int) -> None:
            async with asyncio.timeout(60):
                while sum(settled(role, "hot", "warm", "cold") for role in roles) < count:
                    await asyncio.sleep(0.02)

        await here.mine.produce(visits(100, 0))
        await all_settled(100)
        groups, old = await here.mine.groups(), await here.entries()
        load = asyncio.create_task(_load(here, 8))
        killed = await here.run("index", "rebuild", "--execute", "--rate", "10", "--reason", "test", armed=["rebuild.written=kill@2"])
        assert killed.code == -signal.SIGKILL
        job = await latest(here)
        assert (job.state, job.reason, job.progress["written"]) == ("running", "test", 50)

        refused = await here.run("index", "rebuild", "--execute")
        assert refused.code == 4
        assert f"--resume {job.job_id}" in refused.stderr
        produced = await load
        ended = await here.run("index", "rebuild", "--resume", str(job.job_id), "--json")
        assert (ended.code, json.loads(ended.stdout)["state"]) == (0, "done")
        assert [json.loads(line)["stage"] for line in ended.stderr.splitlines() if line.startswith("{")][-1] == "done"

        await all_settled(100 + produced)
        found = await here.verify()
        assert (found.is_complete, found.other_keys, found.incarnation) == (True, 0, job.plan["incarnation"])
        assert not old.keys() & (await here.entries()).keys()
        hot = sum(settled(role, "hot") for role in roles)
        await here.mine.produce(visits(100, 2))
        await all_settled(200 + produced)
        assert sum(settled(role, "hot") for role in roles) == hot + 100
        assert [group for group in await here.mine.groups() if not group[0].startswith("anonymous_token:x")] == groups

        await here.redis.mset(old)  # what a slow worker of the old incarnation writes is nobody's
        found = await here.verify()
        assert (found.is_complete, found.other_keys) == (True, len(old))


async def _load(here: Kept, seconds: int) -> int:
    """Known and new visitors for so long; gives how many interactions."""
    produced = 0
    for number in range(seconds * 2):
        more = [*visits(100, 1 + number / 100)[number * 5 % 90 :][:10], *visits(3, 1, mark=f"x{number}")]
        await here.mine.produce(more)
        produced += len(more)
        await asyncio.sleep(0.5)
    return produced


@pytest.mark.asyncio
@pytest.mark.usefixtures("_disarmed")
async def test_what_a_rebuild_read_before_a_hand_over_and_wrote_after_it_is_doubted(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """Architecture, section 3: the entry carries the xmin of the snapshot that its row was read in, not a later one."""
    async with kept(services, database, topic_prefix, redis_url) as here, here.mine.resolvers(1) as (role,):
        await here.mine.produce([event("anonymous_token:t", "user_id:u1", assurance=ASSERTED, minutes=0)])
        await written_back(role, 1)

        async def hand_over() -> None:
            await here.mine.produce([event("anonymous_token:t", "user_id:u2", assurance=ASSERTED, minutes=2)])
            await written_back(role, 2)

        failpoints.arm("rebuild.read", hand_over)
        assert (await rebuilt(here)).state == "done"
        failpoints.disarm()
        (first, second), life, tenures = await here.contacts(), await here.life(), await here.tenures()
        token = next(key for key, tenure in tenures.items() if tenure.semantic_type == "anonymous_token")
        written = life.decode(token, await here.redis.get(token))
        assert written is not None
        assert (UUID(bytes=written.contact_id), tenures[token].contact_id) == (UUID(first), UUID(second))

        found = await here.verify()
        assert (found.is_true, found.differences[Kind.DOUBTED], found.differences[Kind.WRONG]) == (True, 1, 0)
        await here.mine.produce([event("anonymous_token:t", assurance=ASSERTED, minutes=3)])
        await written_back(role, 3)
        assert (await here.contacts())[2] == second != first


@pytest.mark.asyncio
async def test_an_interrupted_rebuild_says_how_to_go_on_and_only_one_runs_at_a_time(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """F51: Ctrl-C leaves a job that can be resumed; a second rebuild is refused and begins no incarnation."""
    async with kept(services, database, topic_prefix, redis_url) as here:
        async with here.mine.resolvers(1) as (role,):
            await here.mine.produce(visits(30, 0))
            await written_back(role, 30)
        incarnation = (await here.life()).incarnation
        dry = await here.run("index", "rebuild")
        assert (dry.code, (await here.life()).incarnation) == (0, incarnation)

        process = await here.start("index", "rebuild", "--execute", "--rate", "2")
        assert process.stderr is not None
        async with asyncio.timeout(60):
            while b"written" not in await process.stderr.readline():
                pass
        begun = (await here.life()).incarnation
        assert begun != incarnation
        refused = await here.run("index", "rebuild", "--execute")
        assert (refused.code, "one index-rebuild runs at a time" in refused.stderr) == (4, True)
        process.send_signal(signal.SIGINT)
        _, said = await process.communicate()
        assert process.returncode == 130
        (job_id,) = re.findall(r"onefold index rebuild --resume (\S+)", said.decode())
        with pytest.raises(JobHeld, match="unfinished"):
            await begin(here.mine.store, actor="tests", reason=None)
        assert (await here.life()).incarnation == begun
        assert (await here.run("index", "rebuild", "--resume", job_id)).code == 0
        found = await here.verify()
        assert (found.is_complete, found.other_keys, found.identifiers) == (True, 0, 60)

        shown = await here.run("index", "status", "--exact", "--json")
        facts = json.loads(shown.stdout)
        assert (facts["incarnation"], facts["identifiers"], facts["coverage"], facts["redis"]["keys"]) == (begun, 60, 1.0, 60)
        assert (facts["last_rebuild"]["job_id"], facts["redis"]["eviction_policy"]) == (job_id, "noeviction")


@pytest.mark.asyncio
async def test_what_a_cancelled_rebuild_did_not_sweep_the_next_one_does(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """Every entry of an incarnation that ended goes, and what is somebody else's stays, be it of the same shape (decision 0010)."""
    async with kept(services, database, topic_prefix, redis_url) as here:
        async with here.mine.resolvers(1) as (role,):
            await here.mine.produce(visits(10, 0))
            await written_back(role, 10)
        job = await begin(here.mine.store, actor="tests", reason=None)
        async with here.mine.store.connection() as connection:
            await jobs.cancel(connection, job.job_id)
        foreign = {b"sixteen bytes...": b"x" * 40, b"another key": b"y"}
        await here.redis.mset(foreign)
        assert (await rebuilt(here)).progress["removed"] == 20
        assert (await here.entries()).keys() == {*(await here.tenures()), *foreign}


@pytest.mark.asyncio
@pytest.mark.usefixtures("_disarmed")
async def test_a_rebuild_that_another_incarnation_overtakes_fills_that_one(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """F29: a failover while it runs; it begins again with what the store is now."""
    async with kept(services, database, topic_prefix, redis_url) as here:
        async with here.mine.resolvers(1) as (role,):
            await here.mine.produce(visits(10, 0))
            await written_back(role, 10)
        failpoints.arm("rebuild.written", _once(here))
        await rebuilt(here)
        found = await here.verify()
        assert (found.is_complete, found.identifiers, found.other_keys) == (True, 20, 0)


def _once(here: Kept) -> Callable[[], Awaitable[None]]:
    """Begins another incarnation the first time that it is called."""
    calls = 0

    async def act() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            async with here.mine.store.begin() as connection:
                await begin_incarnation(connection)

    return act
