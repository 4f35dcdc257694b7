"""Resolvers that are killed, stopped, joined and left."""

from __future__ import annotations

import asyncio
import random
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.freezing import stopped
from tests.support.healing import assert_healed, under_load

if TYPE_CHECKING:
    from onefold.identity.interaction import Interaction
    from tests.support.installations import Installation

POINTS = ("decoded", "looked_up", "fenced", "read", "locked", "applied", "emitted", "committed", "written_back")
IN_EVERY_RUN = {"applied", "emitted", "committed"}
SMALL = {"ONEFOLD_RESOLVER__BATCH_SIZE": "20"}


@pytest.mark.asyncio
@pytest.mark.parametrize("point", [each if each in IN_EVERY_RUN else pytest.param(each, marks=pytest.mark.faults) for each in POINTS])
async def test_a_resolver_killed_at_any_point_of_a_batch_changes_nothing(mine: Installation, log: list[Interaction], point: str) -> None:
    """F1, F2, F3, I1, I2, I5, I15: after the third batch that gets there, once before anything is stored and once amid what was."""
    await mine.produce(log)
    for reached in (1, 3):
        async with mine.running("resolver", f"resolver.{point}=kill@{reached}", **SMALL) as victim:
            assert await asyncio.wait_for(victim.wait(), 60) == -signal.SIGKILL, "the point was never reached"
    async with mine.running("resolver", **SMALL):
        await assert_healed(mine, log)


@pytest.mark.faults
@pytest.mark.asyncio
@pytest.mark.timeout(300)
async def test_resolvers_killed_every_second_change_nothing(mine: Installation, log: list[Interaction]) -> None:
    """F1, I1, I2, I5, I11: two at a time, each killed within a second or two of being ready."""
    dice = random.Random(1)

    async def short_lives() -> None:
        for _ in range(8):
            process = await mine.start_process("resolver", **SMALL)
            await asyncio.sleep(dice.uniform(2.0, 4.0))
            process.kill()
            await process.wait()

    async with under_load(mine, log, seconds=25):
        await asyncio.gather(short_lives(), short_lives())
    async with mine.running("resolver"):
        await assert_healed(mine, log)


@pytest.mark.asyncio
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "point", ["emitted", *(pytest.param(each, marks=pytest.mark.faults) for each in ("fenced", "applied", "committed"))]
)
async def test_a_resolver_stopped_past_its_session_is_succeeded_and_changes_nothing_when_it_goes_on(
    mine: Installation, log: list[Interaction], point: str
) -> None:
    """F7, I2, I16: it stops itself in the middle of a transaction, holding its partition's progress row; what it emitted loses."""
    await mine.produce(log[:240])
    async with mine.running("resolver", f"resolver.{point}=stop@3", ONEFOLD_POSTGRES__TRANSACTION_MS="8000", **SMALL) as zombie:
        await stopped(zombie.pid)
        async with mine.running("resolver", **SMALL):
            await mine.settled(within_seconds=60)
            zombie.send_signal(signal.SIGCONT)
            async with under_load(mine, log[240:], seconds=3):
                await asyncio.sleep(0)
            await assert_healed(mine, log)


@pytest.mark.faults
@pytest.mark.asyncio
@pytest.mark.timeout(300)
async def test_resolvers_that_join_and_leave_share_the_work_and_lose_none(mine: Installation, log: list[Interaction]) -> None:
    """F6, F38, I12: two, then three, then one again, each asked to leave while batches are under way."""
    async with under_load(mine, log, seconds=24), mine.running("resolver", **SMALL):
        async with mine.running("resolver", **SMALL):
            await asyncio.sleep(6)
            async with mine.running("resolver", **SMALL):
                await asyncio.sleep(6)
            await asyncio.sleep(4)
        await asyncio.sleep(2)
    async with mine.running("resolver", **SMALL):
        await assert_healed(mine, log)
