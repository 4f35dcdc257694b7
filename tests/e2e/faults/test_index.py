"""A Redis that forgets, goes back in time, lies, or does not answer: latency changes, results do not."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from tests.support.healing import assert_healed, under_load
from tests.support.installations import installation
from tests.support.proxy import proxy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from onefold.identity.interaction import Interaction
    from tests.support.installations import Installation
    from tests.support.servers import Database, Services

    Harm = Callable[[Any, dict[bytes, bytes]], Awaitable[None]]


async def _contents(redis: Any) -> dict[bytes, bytes]:
    keys = await redis.keys("*")
    values = await redis.mget(keys) if keys else []
    return {key: value for key, value in zip(keys, values, strict=True) if value is not None}


async def flushed(redis: Any, _: dict[bytes, bytes]) -> None:
    """F16."""
    await redis.flushdb()


async def restored_to_an_older_dump(redis: Any, older: dict[bytes, bytes]) -> None:
    """F17."""
    await redis.flushdb()
    if older:
        await redis.mset(older)


async def damaged(redis: Any, _: dict[bytes, bytes]) -> None:
    """F18: a tenth of the keys deleted, a hundredth of the values swapped between contacts."""
    dice = random.Random(1)
    present = await _contents(redis)
    gone = dice.sample(sorted(present), len(present) // 10)
    if gone:
        await redis.delete(*gone)
    left = sorted(present.keys() - set(gone))
    swapped = dice.sample(left, max(2, len(left) // 100 * 2) if len(left) > 1 else 0)
    for one, other in zip(swapped[::2], swapped[1::2], strict=True):
        await redis.mset({one: present[other], other: present[one]})


@pytest.mark.asyncio
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "harm", [damaged, *(pytest.param(each, marks=pytest.mark.faults) for each in (flushed, restored_to_an_older_dump))]
)
async def test_a_redis_that_forgets_or_lies_changes_no_result(
    mine: Installation, log: list[Interaction], redis_url: str, harm: Harm
) -> None:
    """I5, I2: over and over, under load."""
    redis: Any = Redis.from_url(redis_url)
    async with mine.running("resolver", ONEFOLD_RESOLVER__BATCH_SIZE="20"):
        older: dict[bytes, bytes] = {}
        async with under_load(mine, log, seconds=8):
            for _ in range(6):
                await asyncio.sleep(1.2)
                await harm(redis, older)
                older = older or await _contents(redis)
        await redis.aclose()
        await assert_healed(mine, log)


@pytest.mark.asyncio
@pytest.mark.timeout(240)
async def test_a_redis_that_hangs_costs_time_only(
    services: Services, database: Database, topic_prefix: str, redis_url: str, log: list[Interaction]
) -> None:
    """F21, F46, I12: a black hole, then slow, then well."""
    async with (
        proxy(redis_url) as between,
        installation(services, database, topic_prefix, between.url(redis_url), partitions=4, recency_seconds=3_600, policy="eager") as mine,
        mine.running("resolver", ONEFOLD_RESOLVER__BATCH_SIZE="20"),
    ):
        async with under_load(mine, log, seconds=8):
            await asyncio.sleep(2)
            between.swallows = True
            await asyncio.sleep(2)
            between.swallows, between.delay_seconds = False, 0.3
            await asyncio.sleep(2)
            between.delay_seconds = 0.0
        await assert_healed(mine, log)
