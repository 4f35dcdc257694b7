"""A load while something breaks, and what must be true once it is whole again."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from onefold import bootstrap
from onefold.observe import Health
from streams import relay
from tests.simulation.order_free import order_free_groups

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from onefold.identity.interaction import Interaction
    from onefold.records.store import Store
    from tests.support.installations import Installation

CHUNK = 20


@asynccontextmanager
async def under_load(mine: Installation, log: Sequence[Interaction], *, seconds: float) -> AsyncIterator[None]:
    """Append the log evenly over about so many seconds while the block runs, and all of it before the block is left."""

    async def flow() -> None:
        for start in range(0, len(log), CHUNK):
            await mine.produce(log[start : start + CHUNK])
            await asyncio.sleep(seconds * CHUNK / len(log))

    flowing = asyncio.create_task(flow())
    try:
        yield
        await flowing
    finally:
        flowing.cancel()
        await asyncio.gather(flowing, return_exceptions=True)


async def assert_healed(mine: Installation, log: Sequence[Interaction], *, within_seconds: float = 90.0) -> None:
    """The installation is clean, and the people are those of the model."""
    await assert_clean(mine, within_seconds=within_seconds)
    assert await mine.groups() == order_free_groups(log)


async def assert_clean(mine: Installation, *, within_seconds: float = 90.0) -> None:
    """Lag returns to zero, every change is relayed, and `onefold check` finds nothing. A resolver must be running."""
    await mine.settled(within_seconds=within_seconds)
    async with relaying(mine):
        await emptied(mine.store, within_seconds)
    code, said = await mine.command("check", "--json")
    assert code == 0, [each for each in json.loads(said) if not each["clean"]]


@asynccontextmanager
async def relaying(mine: Installation) -> AsyncIterator[None]:
    """A relay in this process."""
    role, stopping = bootstrap.begin("relay", mine.role.settings), asyncio.Event()
    running = asyncio.create_task(relay.run(role, Health("relay", role.metrics.registry), stopping))
    try:
        yield
    finally:
        stopping.set()
        await running


async def emptied(store: Store, within_seconds: float = 60.0) -> None:
    """Wait until the outbox is empty."""
    async with asyncio.timeout(within_seconds):
        while True:
            async with store.connection() as connection:
                if not await connection.fetchval("select exists (select from outbox)"):
                    return
            await asyncio.sleep(0.05)
