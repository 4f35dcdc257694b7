"""The pool of connections: what a worker that stops in the middle of something leaves locked, and for how long."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from onefold.errors import StoreUnavailable
from onefold.records.progress import PartitionKey, claim
from onefold.records.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from onefold.records.store import Connection
    from tests.support.servers import Database

PARTITION = PartitionKey("resolver", "interactions", 0)
HOLD = "update progress set worker = 'stopped' where partition = 0"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("stopped", "idle_ms", "transaction_ms"),
    [
        pytest.param("between statements", 500, 600_000, id="between statements"),
        pytest.param("while preparing", 600_000, 1_000, id="between preparing a statement and running it"),
    ],
)
async def test_a_stopped_worker_holds_its_successor_up_for_no_longer_than_the_server_lets_it(
    database: Database, stopped: str, idle_ms: int, transaction_ms: int
) -> None:
    """F7, I12, I16: the progress row is the fence, and a transaction that nobody goes on with must let it go.

    Mutants store-without-an-idle-timeout, store-without-a-transaction-timeout: each of the two does what the other cannot.
    """
    worker = await Store.connect(database.app_url, idle_in_transaction_ms=idle_ms, transaction_ms=transaction_ms)
    successor = await Store.connect(database.app_url)
    try:
        await claim(worker, PARTITION, "worker")
        with suppress(StoreUnavailable):
            async with worker.begin() as connection:
                await _stop(connection, stopped)
                async with asyncio.timeout(10):
                    assert (await claim(successor, PARTITION, "successor")).epoch == 2
                await connection.execute("select 1")
                pytest.fail("the zombie's transaction is still open")
        async with successor.connection() as connection:
            assert await connection.fetchval("select worker from progress") == "successor"
    finally:
        await worker.close()
        await successor.close()


async def _stop(connection: Connection, where: str) -> None:
    await connection.execute(HOLD)
    if where != "between statements":
        await connection.prepare("select worker from progress")


SETTINGS = "select coalesce(current_setting('onefold.workspaces', true), ''), current_setting('plan_cache_mode'), current_setting('enable_seqscan')"
NONE = ("", "force_custom_plan", "on")


@pytest_asyncio.fixture
async def single(database: Database) -> AsyncIterator[Store]:
    """A pool of one connection, so that each transaction has the one before it on the same."""
    store = await Store.connect(database.app_url, pool_size=1)
    yield store
    await store.close()


@pytest.mark.asyncio
async def test_what_a_transaction_begins_with_ends_with_it(single: Store) -> None:
    """S90: neither the workspaces nor the plans that are kept are those of the next transaction on the connection (decision 0048)."""
    async with single.transaction(["beta", "acme"], keeps_plans=True) as connection:
        assert tuple(await connection.fetchrow(SETTINGS) or ()) == ("acme,beta", "force_generic_plan", "off")
        async with connection.transaction():  # a savepoint
            assert tuple(await connection.fetchrow(SETTINGS) or ()) == ("acme,beta", "force_generic_plan", "off")
    for begin in (single.begin(), single.connection(), single.moment(seconds=1)):
        async with begin as connection:
            assert tuple(await connection.fetchrow(SETTINGS) or ()) == NONE
    with pytest.raises(ZeroDivisionError):
        async with single.transaction(["acme"], keeps_plans=True):
            raise ZeroDivisionError
    async with single.begin() as connection:
        assert tuple(await connection.fetchrow(SETTINGS) or ()) == NONE


@pytest.mark.asyncio
async def test_a_transaction_that_did_not_begin_leaves_the_next_one_nothing(single: Store) -> None:
    """S90; mutant begins-with-what-was-left: the settings were to go with a BEGIN that was never sent."""
    async with single.connection() as connection:
        raw: Any = connection
        raw.open_with("set local onefold.workspaces = 'acme';")
    async with single.begin() as connection:
        assert tuple(await connection.fetchrow(SETTINGS) or ()) == NONE


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["acme'; set local onefold.workspaces = 'beta", "Acme", "a\\'", "\u00e9", "a b", "acme\n"])
async def test_a_name_that_would_need_quoting_is_never_part_of_a_statement(single: Store, name: str) -> None:
    """S90: whatever somebody calls a workspace, exactly that is what the transaction sees."""
    async with single.transaction([name]) as connection:
        assert await connection.fetchval("select current_setting('onefold.workspaces')") == name
