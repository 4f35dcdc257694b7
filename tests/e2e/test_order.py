"""Order does not matter through the real servers either (I5): one log in two orders, by resolvers that join and leave meanwhile.

Each order has a workspace of its own; both go through the same topics at the same time.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.simulation.order_free import order_free_groups
from tests.support.healing import assert_clean, under_load
from tests.support.installations import installation
from tests.support.stories import order_free_log
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from onefold.identity.interaction import Interaction
    from tests.support.installations import Installation
    from tests.support.servers import Database, Services

PARTITIONS = 6
HANDED_OUT = "select count(*) from progress where consumer = 'resolver' and epoch >= $1"
SMALL = {"ONEFOLD_RESOLVER__BATCH_SIZE": "20"}
PEOPLE = """
select array_agg(i.semantic_type || ':' || i.normalised || '=' || i.assurance order by i.semantic_type, i.normalised) as members, c.type,
  c.given_name, c.last_name, c.attributes::text as attributes, c.first_seen_at, c.last_seen_at
from contacts c left join identifiers i on i.contact_id = c.contact_id and i.workspace = c.workspace and i.held_until is null
where c.merged_into is null group by c.workspace, c.contact_id order by 1
"""


@pytest.mark.asyncio
@pytest.mark.timeout(240)
async def test_two_orders_of_one_log_end_in_the_same_people_whoever_resolves_them(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I2, I5, R12: three resolvers, of whom two come midway and one goes again; a fifth of the events comes twice."""
    dice = random.Random(17)
    log = [_named(dice, each) for each in order_free_log(dice, "r1", 360)]
    other = [replace(each, workspace="other") for each in dice.sample(log, len(log))]
    both = [each for pair in zip(log, other, strict=True) for each in pair]
    async with installation(services, database, topic_prefix, redis_url, partitions=PARTITIONS, policy="eager") as mine:
        await add_workspace(mine.store, "other", policy="eager")
        async with mine.running("resolver", **SMALL):
            async with under_load(mine, both, seconds=14), mine.running("resolver", **SMALL):
                await _handed_out(mine, 2)
                async with mine.running("resolver", **SMALL):
                    await _handed_out(mine, 3)
                    await asyncio.sleep(3)
                await _handed_out(mine, 4)
            await assert_clean(mine)
        first, second = await _people(mine, "acme"), await _people(mine, "other")
        assert first == second
        assert await mine.groups() == order_free_groups(log)


def _named(dice: random.Random, interaction: Interaction) -> Interaction:
    """Now and then with a name, so that types differ, too."""
    return replace(interaction, fields={"given_name": dice.choice("ab"), "last_name": "x"}) if dice.random() < 0.2 else interaction


async def _handed_out(mine: Installation, times: int) -> None:
    """Wait until every partition was handed out so many times: each resolver that joins or leaves hands out all of them anew."""
    async with asyncio.timeout(30):
        while True:
            async with mine.store.connection() as connection:
                if await connection.fetchval(HANDED_OUT, times) == PARTITIONS:
                    return
            await asyncio.sleep(0.05)


async def _people(mine: Installation, workspace: str) -> list[tuple[object, ...]]:
    async with mine.store.transaction([workspace]) as connection:
        return [tuple(row) for row in await connection.fetch(PEOPLE)]
