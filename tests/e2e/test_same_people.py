"""Same people (I5): random logs through the real servers end in the groups of a reference model written apart from `decide`.

Claimed and asserted ones alike, hence the policy `eager`. In many orders, over many partitions, with duplicates, by one to four resolvers with batches of 1 to 500, one of them killed midway.
"""

from __future__ import annotations

import asyncio
import random
import signal
from typing import TYPE_CHECKING

import pytest

from tests.simulation.order_free import order_free_groups
from tests.support.installations import Installation, installation
from tests.support.stories import order_free_log

if TYPE_CHECKING:
    from onefold.identity.interaction import Interaction
    from tests.support.servers import Database, Services


@pytest.mark.asyncio
@pytest.mark.timeout(240)
async def test_random_logs_end_in_the_groups_of_the_reference_model(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I2, I3, I5, I7: whatever the order, the partitions, the number of resolvers and the size of their batches."""
    dice = random.Random(5)
    expected: list[list[str]] = []
    async with installation(services, database, topic_prefix, redis_url, partitions=6, policy="eager") as mine:
        for number, (resolvers, batch) in enumerate([(1, 1), (2, 7), (3, 50), (4, 500), (4, 3), (2, 500)]):
            log = order_free_log(dice, f"r{number}", 150)
            expected += order_free_groups(log)
            async with mine.resolvers(resolvers, batch_size=batch):
                await mine.produce(log)
                await mine.settled()
            assert await mine.groups() == sorted(expected), f"{resolvers} resolvers, batches of {batch}, seed 5, round {number}"
        await _every_change_was_told_once(mine)


@pytest.mark.asyncio
@pytest.mark.timeout(240)
async def test_a_resolver_killed_amid_others_changes_nothing(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I1, I5, I16: two resolvers; one is killed twice and started again, so partitions move while batches are under way."""
    dice = random.Random(9)
    log = order_free_log(dice, "r1", 900)
    async with installation(services, database, topic_prefix, redis_url, partitions=6, policy="eager") as mine:
        steady = await mine.start_process("resolver", ONEFOLD_RESOLVER__BATCH_SIZE="5")
        try:
            producing = asyncio.create_task(_slowly(mine, log))
            for _ in range(2):
                victim = await mine.start_process("resolver", ONEFOLD_RESOLVER__BATCH_SIZE="5")
                await asyncio.sleep(dice.uniform(2.5, 4.0))
                victim.send_signal(signal.SIGKILL)
                await victim.wait()
            await producing
            await mine.settled(within_seconds=90)
        finally:
            steady.terminate()
            await steady.wait()
        assert await mine.groups() == order_free_groups(log)
        await _every_change_was_told_once(mine)


async def _slowly(mine: Installation, log: list[Interaction]) -> None:
    for start in range(0, len(log), 60):
        await mine.produce(log[start : start + 60])
        await asyncio.sleep(0.3)


async def _every_change_was_told_once(mine: Installation) -> None:
    """I7: for every contact the outbox tells versions 1, 2, 3 … up to the row's."""
    async with mine.store.transaction(["acme"]) as connection:
        rows = await connection.fetch("select contact_id, version from contacts")
        told = await connection.fetch(
            "select convert_from(key, 'UTF8') as id, array_agg((convert_from(payload, 'UTF8')::jsonb ->> 'version')::int order by id) as versions"
            " from outbox where topic = 'contacts.changed' group by key"
        )
    versions = {row["id"]: row["versions"] for row in told}
    assert {str(row["contact_id"]): list(range(1, row["version"] + 1)) for row in rows} == versions
