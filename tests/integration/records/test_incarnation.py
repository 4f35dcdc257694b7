"""The incarnation is another one as soon as a standby took over, since commits may be lost that the index knows of (F29)."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import asyncpg
import pytest

from onefold.local.postgres import SUPERUSER
from onefold.local.servers import LocalServers
from onefold.records.migrate import upgrade
from onefold.records.progress import PartitionKey, claim, fence
from onefold.records.store import Store

if TYPE_CHECKING:
    from pathlib import Path

FILL = "insert into outbox (shard, topic, key) select 0, repeat('x', 500), 'k' from generate_series(1, 60000)"


async def incarnation(url: str) -> str:
    store = await Store.connect(url)
    try:
        owned = await claim(store, PartitionKey("resolver", "interactions", 0), "worker")
        async with store.begin() as connection:
            return (await fence(connection, owned, 0, 0)).incarnation
    finally:
        await store.close()


@pytest.mark.asyncio
async def test_a_standby_that_took_over_is_another_incarnation_from_its_first_transaction_on(tmp_path: Path) -> None:
    """Mutant timeline-of-the-last-checkpoint: that checkpoint is made at leisure, minutes after the first commits."""
    async with LocalServers(tmp_path, kafka=False, redis=False) as servers:
        await upgrade(servers.postgres_admin_url)
        before = await incarnation(servers.postgres_url)
        assert await incarnation(servers.postgres_url) == before
        admin = await asyncpg.connect(servers.postgres_admin_url)
        await admin.execute(FILL)  # pages for the checkpoint to write
        await admin.close()
        await asyncio.to_thread(servers.stop, "postgres", signal.SIGQUIT)
        (tmp_path / "postgres/standby.signal").touch()
        await asyncio.to_thread(servers.start, "postgres")
        superuser = await asyncpg.connect(servers._postgres.url(SUPERUSER, "postgres"))
        assert await superuser.fetchval("select pg_is_in_recovery()")
        assert await superuser.fetchval("select pg_promote(true, 60)")
        assert await incarnation(servers.postgres_url) != before
        await superuser.close()
