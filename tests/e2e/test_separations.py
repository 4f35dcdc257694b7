"""Separations on real servers: each way in which an index entry goes stale, brought about on purpose (architecture, section 3).

A device is handed over while an old entry still says whose it was. Whatever the entry, the truth is Postgres': a doubted entry costs
a read there, never a wrong contact. `tests/mutants` takes the rule out, line by line; these tests must then fail.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from redis.asyncio import Redis

from onefold.identity.assurance import Assurance
from onefold.identity.rules import Rules
from tests.support.gates import gate
from tests.support.installations import Installation, installation
from tests.support.resolvers import all_own, lines, looked_up, lying_in, produce_together, settled_by, written_back
from tests.support.worlds import World, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from onefold.bootstrap import Role
    from onefold.identity.interaction import Interaction
    from tests.support.servers import Database, Services

ASSERTED = Assurance.ASSERTED
HOURLY = Rules(recency=timedelta(hours=1))
DEVICE = lying_in(0, 2, "device_id:d")
TOKEN = lying_in(1, 2, "anonymous_token:b")
RESTORE = "truncate contacts, identifiers, evidence, merges, separations, outbox; update incarnation set incarnation_id = gen_random_uuid()"

FIRST = event(DEVICE, "user_id:u1", assurance=ASSERTED, minutes=0)
SECOND = event(DEVICE, assurance=ASSERTED, minutes=1)
HAND_OVER = event(TOKEN, DEVICE, "user_id:u2", assurance=ASSERTED, minutes=2)
AFTER = event(DEVICE, assurance=ASSERTED, minutes=3)


@dataclass
class TwoWorkers:
    """A resolver for each of two partitions, each with its own view of the index; the device's visits lie in partition 0."""

    mine: Installation
    roles: Sequence[Role]
    produced: int = 0

    async def play(self, interaction: Interaction) -> None:
        """Append an interaction and wait until the index knows what it taught."""
        await self.append(interaction)
        await written_back(self.roles, self.produced)

    async def append(self, interaction: Interaction) -> None:
        """Append an interaction."""
        self.produced += 1
        await self.mine.produce([interaction])

    def doubts(self) -> float:
        """How many entries were doubted so far."""
        return looked_up(self.roles, "doubtful")


@asynccontextmanager
async def two_workers(services: Services, database: Database, prefix: str, redis_url: str) -> AsyncIterator[TwoWorkers]:
    opened = installation(services, database, prefix, redis_url, partitions=2, recency_seconds=3_600)
    async with opened as mine, mine.resolvers(2) as roles:
        await all_own(mine, 2)
        yield TwoWorkers(mine, roles)


async def assert_told_as_decided(mine: Installation, *story: Interaction) -> None:
    """Every line names the contact that its interaction has when it is decided alone, in this order, without an index."""
    world = World(rules=HOURLY)
    expected = {each.event_id: str(outcome.contact_id) for each, outcome in zip(story, world.play(*story), strict=True)}
    told = {line["interaction"]["event_id"]: line["contact_id"] for line in await lines(mine)}
    assert told == expected
    assert await mine.groups() == world.groups()


@pytest.mark.asyncio
async def test_an_entry_written_late_by_a_worker_that_read_before_a_hand_over_is_doubted(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """Mutants no-separation-check, xmin-of-a-later-snapshot: a late MSET undoes nothing."""
    async with two_workers(services, database, topic_prefix, redis_url) as pair:
        async with gate("resolver.committed", task="/0") as late:
            await pair.append(FIRST)
            await late.reached()
            await pair.append(HAND_OVER)
            await written_back(pair.roles, 1)
            late.open()
            await written_back(pair.roles, 2)
        assert pair.doubts() == 0
        await pair.play(AFTER)
        assert pair.doubts() == 1
        await assert_told_as_decided(pair.mine, FIRST, HAND_OVER, AFTER)


@pytest.mark.asyncio
async def test_what_a_worker_looked_up_is_doubted_if_the_device_is_handed_over_before_its_fence(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """Mutant no-separation-check: one worker separates, the other one stands between look-up and fence."""
    async with two_workers(services, database, topic_prefix, redis_url) as pair:
        await pair.play(FIRST)
        await pair.play(SECOND)
        assert settled_by(pair.roles, "hot") == 1
        async with gate("resolver.looked_up", task="/0") as holding:
            await pair.append(AFTER)
            await holding.reached()
            await pair.append(HAND_OVER)
            await written_back(pair.roles, 3)
        await written_back(pair.roles, 4)
        assert pair.doubts() == 1
        await assert_told_as_decided(pair.mine, FIRST, SECOND, HAND_OVER, AFTER)


@pytest.mark.asyncio
async def test_the_index_is_told_nothing_before_the_commit(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """Mutant index-before-commit: no separation takes back what a transaction that rolls back would have told."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1, recency_seconds=3_600) as mine:
        redis: Any = Redis.from_url(redis_url)
        await redis.flushdb()
        async with mine.resolvers(1) as roles:
            async with gate("resolver.emitted") as holding:
                await mine.produce([FIRST])
                await holding.reached()
                assert await redis.dbsize() == 0
            await written_back(roles, 1)
            assert await redis.dbsize() == 2
        await redis.aclose()


@pytest.mark.asyncio
async def test_a_dump_of_redis_from_before_a_hand_over_is_doubted_also_by_a_worker_that_starts_later(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """F17; mutant no-separation-check: by the worker that saw the hand-over, and by one that begins with an empty memory."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1, recency_seconds=3_600) as mine:
        redis: Any = Redis.from_url(redis_url)
        async with mine.resolvers(1) as roles:
            await mine.produce([FIRST])
            await written_back(roles, 1)
            dump = {key: await redis.get(key) for key in await redis.keys("*")}
            await mine.produce([HAND_OVER])
            await written_back(roles, 2)
            await _restore(redis, dump)
            await mine.produce([AFTER])
            await written_back(roles, 3)
            assert looked_up(roles, "doubtful") == 1
        warm_up, later = event("anonymous_token:other", minutes=4), event(DEVICE, minutes=5)
        await _restore(redis, dump)
        async with mine.resolvers(1) as roles:
            await mine.produce([warm_up])
            await written_back(roles, 1)
            await mine.produce([later])
            await written_back(roles, 2)
            assert looked_up(roles, "doubtful") == 1
        await redis.aclose()
        await assert_told_as_decided(mine, FIRST, HAND_OVER, AFTER, warm_up, later)


async def _restore(redis: Any, dump: dict[bytes, bytes]) -> None:
    await redis.flushdb()
    await redis.mset(dump)


@pytest.mark.asyncio
async def test_values_swapped_between_keys_are_misses(services: Services, database: Database, topic_prefix: str, redis_url: str) -> None:
    """F18; mutant mac-not-checked: every entry says what another one said."""
    people = [event(f"anonymous_token:t{number}", minutes=0) for number in range(4)]
    again = [event(f"anonymous_token:t{number}", minutes=1) for number in range(4)]
    async with installation(services, database, topic_prefix, redis_url, partitions=1, recency_seconds=3_600) as mine:
        redis: Any = Redis.from_url(redis_url)
        await redis.flushdb()
        async with mine.resolvers(1) as roles:
            await mine.produce(people)
            await written_back(roles, 4)
            keys = await redis.keys("*")
            values = await redis.mget(keys)
            await redis.mset(dict(zip(keys, [*values[1:], values[0]], strict=True)))
            known = looked_up(roles, "hit")
            await mine.produce(again)
            await written_back(roles, 8)
            assert looked_up(roles, "hit") == known
        await redis.aclose()
        await assert_told_as_decided(mine, *people, *again)


@pytest.mark.asyncio
async def test_a_known_visitor_behind_a_hand_over_in_its_batch_is_decided_with_it_transitively(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """Mutants no-cold-neighbours, cold-neighbours-not-transitive: the device leads to the token, the token to the last one."""
    known = [
        event("device_id:d", "user_id:u1", assurance=ASSERTED, minutes=0),
        event("device_id:d", "anonymous_token:x", assurance=ASSERTED, minutes=1),
        event("anonymous_token:z", assurance=ASSERTED, minutes=1),
    ]
    batch = [
        event("anonymous_token:b", "device_id:d", "user_id:u2", assurance=ASSERTED, minutes=2),
        event("device_id:d", "anonymous_token:x", assurance=ASSERTED, minutes=3),
        event("anonymous_token:x", assurance=ASSERTED, minutes=4),
        event("anonymous_token:z", assurance=ASSERTED, minutes=4),
    ]
    async with installation(services, database, topic_prefix, redis_url, partitions=1, recency_seconds=3_600) as mine:
        async with mine.resolvers(1) as roles:
            await mine.produce(known)
            await written_back(roles, 3)
            hot = settled_by(roles, "hot")
            await produce_together(mine, 0, batch)
            await written_back(roles, 7)
            assert settled_by(roles, "hot") == hot + 1, "the last one shares nothing"
        await assert_told_as_decided(mine, *known, *batch)


@pytest.mark.asyncio
async def test_entries_of_another_incarnation_are_misses(services: Services, database: Database, topic_prefix: str, redis_url: str) -> None:
    """F29; mutant index-without-incarnation: a restored store knows nobody whom the index still names, and its xids say nothing."""
    lost = [event("anonymous_token:t1", minutes=0), event("anonymous_token:t2", minutes=0)]
    again = [event("anonymous_token:t1", minutes=1), event("anonymous_token:t2", minutes=2)]
    async with installation(services, database, topic_prefix, redis_url, partitions=1, recency_seconds=3_600) as mine:
        async with mine.resolvers(1) as roles:
            await mine.produce(lost)
            await written_back(roles, 2)
            await _restore_store_from_before(database)
            for settled, each in enumerate(again, start=3):
                await mine.produce([each])
                await written_back(roles, settled)
            assert settled_by(roles, "hot") == 0
        world = World(rules=HOURLY)
        expected = [str(outcome.contact_id) for outcome in world.play(*again)]
        assert [line["contact_id"] for line in (await lines(mine))[2:]] == expected
        assert await mine.groups() == world.groups()


async def _restore_store_from_before(database: Database) -> None:
    admin = await asyncpg.connect(database.admin_url)
    try:
        await admin.execute(RESTORE)
    finally:
        await admin.close()
