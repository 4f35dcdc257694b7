"""Two transactions that meet the same people, brought to the worst moment on purpose (architecture, section 2, step 4)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from onefold.identity.assurance import Assurance
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.records.snapshots import lock
from onefold.records.store import Moved, Store
from tests.support.gates import gate
from tests.support.locks import until_somebody_waits
from tests.support.workspaces import add_workspace
from tests.support.worlds import EXACT, World, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from onefold.identity.contact import ContactId
    from onefold.identity.interaction import Interaction
    from onefold.identity.plan import Plan
    from tests.support.servers import Database

ASSERTED = Assurance.ASSERTED
PEOPLE = 40
FREE = "select contact_id from contacts order by contact_id for no key update skip locked"


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    store = await Store.connect(database.app_url, idle_in_transaction_ms=120_000)
    await add_workspace(store, "acme")
    yield store
    await store.close()


async def play(store: Store, *interactions: Interaction) -> Plan:
    resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        return await resolution.resolve(connection, interactions, {"acme": EXACT}, "test")


@pytest.mark.asyncio
async def test_what_changed_between_reading_and_locking_is_read_again(store: Store) -> None:
    """I4, I7; mutant no-second-reading: neither value is lost, and no version is told twice."""
    story = [
        event("anonymous_token:t", minutes=0),
        event("anonymous_token:t", attributes={"second": 2}, minutes=1),
        event("anonymous_token:t", attributes={"first": 1}, minutes=2),
    ]
    world = World()
    world.play(*story)
    await play(store, story[0])
    async with gate("resolver.read") as holding:
        slow = asyncio.create_task(play(store, story[2]))
        await holding.reached()
        await play(store, story[1])
        holding.open()
        await slow
    async with store.transaction(["acme"]) as connection:
        (row,) = await connection.fetch("select version, attributes::text from contacts")
        told = await connection.fetch("select (convert_from(payload, 'UTF8')::jsonb ->> 'version')::int from outbox order by id")
    assert row["version"] == world.holder("anonymous_token:t").version == 3
    assert all(value in row["attributes"] for value in ('"first": 1', '"second": 2'))
    assert [version for (version,) in told] == [1, 2, 3]


@pytest.mark.asyncio
async def test_an_owner_who_changed_between_reading_and_locking_makes_the_transaction_repeat(store: Store) -> None:
    """I4; mutant moved-owner-not-noticed: the contact that holds the token now was never locked."""
    await play(store, event("anonymous_token:strong", "email:a@example.com", assurance=ASSERTED, minutes=0))
    await play(store, event("anonymous_token:t", minutes=1))
    async with gate("resolver.read") as holding:
        slow = asyncio.create_task(play(store, event("anonymous_token:t", attributes={"plan": "pro"}, minutes=2)))
        await holding.reached()
        await play(store, event("anonymous_token:t", "anonymous_token:strong", assurance=ASSERTED, minutes=3))
        holding.open()
        with pytest.raises(Moved):
            await slow
    async with store.transaction(["acme"]) as connection:
        assert await connection.fetchval("select count(*) from contacts where attributes <> '{}'") == 0


@pytest.mark.asyncio
async def test_contacts_are_locked_one_after_the_other_in_the_order_of_their_ids(store: Store) -> None:
    """F26; mutant unsorted-locks: whoever waits for the smallest holds nothing that somebody else may wait for."""
    await play(store, *(event(f"anonymous_token:t{number}") for number in range(PEOPLE)))
    async with store.transaction(["acme"]) as connection:
        ids = [row["contact_id"] for row in await connection.fetch("select contact_id from contacts order by contact_id")]
    async with store.transaction(["acme"]) as holder:
        await holder.execute("select from contacts where contact_id = $1 for no key update", ids[0])
        locking = asyncio.create_task(_lock_all(store, ids))
        free = await _free_while_somebody_waits(store)
    assert await locking == {("acme", each) for each in ids}
    assert free == ids[1:]


async def _lock_all(store: Store, ids: list[ContactId]) -> set[tuple[str, UUID]]:
    async with store.transaction(["acme"]) as connection:
        return await lock(connection, [("acme", each) for each in ids])


async def _free_while_somebody_waits(store: Store) -> list[UUID]:
    await until_somebody_waits(store)
    async with store.transaction(["acme"]) as connection:
        return [row["contact_id"] for row in await connection.fetch(FREE)]
