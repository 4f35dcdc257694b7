"""The pool of connections: what a worker that stops in the middle of something leaves locked, and for how long."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from onefold.errors import StoreUnavailable
from onefold.records.progress import PartitionKey, claim
from onefold.records.store import Store

if TYPE_CHECKING:
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
