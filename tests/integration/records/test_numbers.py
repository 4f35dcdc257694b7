"""Numbers of new tenures, where several partitions of one worker take them at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.records.store import Store
from tests.support.workspaces import add_workspace
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from tests.support.servers import Database

IN_FLIGHT, PEOPLE = 5, 150


@pytest.mark.asyncio
async def test_transactions_in_flight_never_share_or_lack_a_number(database: Database) -> None:
    """I5: numbers that are left over serve one transaction, however many see them before any has decided."""
    store = await Store.connect(database.app_url)
    await add_workspace(store, "acme")
    resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=10_000)

    async def play(part: int, together: asyncio.Barrier) -> list[int]:
        people = [event(f"anonymous_token:p{part}n{n}", f"email:p{part}n{n}@example.com") for n in range(PEOPLE)]
        async with store.transaction(["acme"]) as connection:
            await together.wait()
            plan = await resolution.resolve(connection, people, {"acme": EXACT}, "test")
        return [tenure.tenure_id for tenure in plan.tenures_new]

    leaving_some = await play(IN_FLIGHT, asyncio.Barrier(1))
    together = asyncio.Barrier(IN_FLIGHT)
    taken = await asyncio.gather(*(play(part, together) for part in range(IN_FLIGHT)))
    numbers = [*leaving_some, *(number for each in taken for number in each)]
    await store.close()
    assert len(set(numbers)) == len(numbers) == 2 * (IN_FLIGHT + 1) * PEOPLE


@pytest.mark.asyncio
async def test_numbers_that_a_transaction_did_not_need_are_the_next_to_be_taken(database: Database) -> None:
    """Else every seen identifier would cost a number, and the index entry has room for only so many."""
    store, numbers = await Store.connect(database.app_url), TenureNumbers()
    async with store.begin() as connection:
        first = await numbers.take(connection, 10)
        numbers.give_back(first[4:])
        again = await numbers.take(connection, 10)
    await store.close()
    assert again[:6] == first[4:]
    assert not set(first[:4]) & set(again)
