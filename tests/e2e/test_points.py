"""A worker that fails at any point of a batch, and two that meet there: all or nothing, and everything once (architecture, section 2)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from onefold import failpoints
from onefold.errors import StoreUnavailable
from onefold.identity.assurance import Assurance
from onefold.messages.topics import CONTACTS_CHANGED, DEAD_LETTER, INTERACTIONS_RESOLVED
from onefold.topics.tail import follow_topic
from tests.support.gates import gate
from tests.support.installations import Installation, installation
from tests.support.resolvers import all_own, lines, lying_in, written_back
from tests.support.workspaces import add_workspace
from tests.support.worlds import World, event

if TYPE_CHECKING:
    from onefold.identity.interaction import Interaction
    from tests.support.servers import Database, Services

UNEXPECTED, TEMPORARY = RuntimeError("a failpoint raised this"), StoreUnavailable("a failpoint raised this")
FAILURES: tuple[tuple[str, Exception], ...] = (
    ("resolver.looked_up", TEMPORARY),
    ("resolver.fenced", TEMPORARY),
    ("resolver.read", TEMPORARY),
    ("resolver.locked", TEMPORARY),
    ("resolver.applied", TEMPORARY),
    ("resolver.emitted", TEMPORARY),
    ("resolver.applied", UNEXPECTED),
    ("resolver.committed", UNEXPECTED),
    ("resolver.written_back", UNEXPECTED),
)
TOLD = """
select convert_from(key, 'UTF8') as id, array_agg((convert_from(payload, 'UTF8')::jsonb ->> 'version')::int order by id) as versions
from outbox where topic = $1 group by key
"""


def visits(number: int) -> list[Interaction]:
    """A batch with a new contact, a change of a known one, and a device that is handed over to and fro."""
    user = f"user_id:u{number % 2}"
    return [
        event(f"anonymous_token:t{number}", minutes=number),
        event("anonymous_token:known", attributes={"number": number}, minutes=number),
        event("device_id:d", user, assurance=Assurance.ASSERTED, minutes=number),
    ]


async def fail_once(point: str, error: Exception) -> asyncio.Event:
    """Raise there, the first time that it is reached; gives what tells that it was."""
    reached = asyncio.Event()

    async def act() -> None:
        if not reached.is_set():
            reached.set()
            raise error

    failpoints.arm(point, act)
    return reached


@pytest.mark.asyncio
async def test_wherever_a_batch_fails_it_happens_once_and_is_told_once(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I1, I2, I7, F2, F3.

    Mutants outbox-after-the-commit, progress-before-the-transaction, lines-after-the-commit, repeated-under-the-same-epoch.
    """
    story = [each for number in range(len(FAILURES) + 1) for each in visits(number)]
    world = World()
    expected = [str(outcome.contact_id) for outcome in world.play(*story)]
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        try:
            async with mine.resolvers(1):
                await mine.produce(story[:3])
                await mine.settled()
                for number, (point, error) in enumerate(FAILURES, start=1):
                    reached = await fail_once(point, error)
                    await mine.produce(story[3 * number : 3 * number + 3])
                    await asyncio.wait_for(reached.wait(), 60)
                    await mine.settled()
        finally:
            failpoints.disarm()
        assert await mine.groups() == world.groups()
        assert [line["contact_id"] for line in await lines(mine)] == expected
        await _every_change_is_told_once(mine, sum(len(plan.changes) for plan in world.plans))
        await _no_epoch_tells_a_position_twice(mine)


async def _every_change_is_told_once(mine: Installation, changes: int) -> None:
    async with mine.store.transaction(["acme"]) as connection:
        rows = await connection.fetch("select contact_id, version from contacts")
        told = {row["id"]: row["versions"] for row in await connection.fetch(TOLD, CONTACTS_CHANGED)}
    assert told == {str(row["contact_id"]): list(range(1, row["version"] + 1)) for row in rows}
    assert sum(row["version"] for row in rows) == changes


async def _no_epoch_tells_a_position_twice(mine: Installation) -> None:
    """Architecture, section 2: for one position the greatest epoch is the truth, so a repeat needs a greater one."""
    told: list[tuple[int, int]] = []
    async for record in follow_topic(mine.role.kafka, INTERACTIONS_RESOLVED, from_start=True, to_end=True):
        line: dict[str, Any] = msgspec.json.decode(record.value or b"")
        told.append((line["offset"], line["epoch"]))
    assert len(told) > len({offset for offset, _ in told}), "else nothing was repeated"
    assert len(told) == len(set(told))


@pytest.mark.asyncio
async def test_two_workers_that_make_a_contact_for_the_same_new_email_end_with_one(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I3; mutant no-repeat-on-unique-violation: the loser's batch is no bad record, it repeats."""
    one, other = (lying_in(partition, 2, "anonymous_token:t") for partition in (0, 1))
    slow, quick = event(one, "email:ann@example.com", minutes=0), event(other, "email:ann@example.com", minutes=1)
    opened = installation(services, database, topic_prefix, redis_url, partitions=2, idle_in_transaction_ms=120_000)
    async with opened as mine, mine.resolvers(2) as roles:
        await all_own(mine, 2)
        async with gate("resolver.read", task="/0") as holding:
            await mine.produce([slow])
            await holding.reached()
            await mine.produce([quick])
            await written_back(roles, 1)
        await written_back(roles, 2)
        races = [
            role.metrics.registry.get_sample_value("onefold_resolver_races_total", {"cause": "UniqueViolationError"}) for role in roles
        ]
        assert sum(each or 0 for each in races) == 1
        assert await mine.groups() == [sorted([one, other, "email:ann@example.com"])]
        assert not [record async for record in follow_topic(mine.role.kafka, DEAD_LETTER, from_start=True, to_end=True)]


@pytest.mark.asyncio
async def test_a_batch_that_was_read_before_its_workspace_was_made_is_read_again(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """R18; mutant rules-not-read-again: the fence sees that the rules are not those that the batch was read under."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine, mine.resolvers(1) as roles:
        await mine.produce([event("anonymous_token:t")])
        await written_back(roles, 1)
        async with gate("resolver.looked_up") as holding:
            await mine.produce([event("anonymous_token:t", workspace="beta")])
            await holding.reached()
            await add_workspace(mine.store, "beta")
        await mine.settled()
        async with mine.store.transaction(["beta"]) as connection:
            assert await connection.fetchval("select count(*) from contacts") == 1
