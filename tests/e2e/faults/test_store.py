"""A Postgres that stops, crashes, or takes a commit and never says so."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest

from onefold.local.servers import LocalServers
from onefold.records.migrate import upgrade
from tests.support.healing import assert_healed, under_load
from tests.support.installations import Installation, installation
from tests.support.proxy import proxy
from tests.support.servers import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from onefold.identity.interaction import Interaction
    from tests.support.servers import Services

SMALL = {"ONEFOLD_RESOLVER__BATCH_SIZE": "10"}


@pytest.mark.asyncio
@pytest.mark.timeout(240)
async def test_a_commit_in_doubt_is_settled_by_what_the_store_says(
    services: Services, database: Database, topic_prefix: str, redis_url: str, log: list[Interaction]
) -> None:
    """F5, I1, I2: the server has the commit, the worker never hears; twelve times."""
    async with proxy(database.app_url) as between:
        behind = Database(database.name, between.url(database.app_url), database.admin_url)
        async with installation(services, behind, topic_prefix, redis_url, partitions=4, recency_seconds=3_600, policy="eager") as mine:
            await mine.produce(log)
            between.cut_after, between.cuts_left = b"COMMIT;", 12
            async with mine.running("resolver", **SMALL):
                await mine.settled(within_seconds=90)
                assert between.cuts == 12
                between.cut_after = None
                await assert_healed(mine, log)


@asynccontextmanager
async def own_postgres(
    services: Services, topic_prefix: str, redis_url: str, folder: Path
) -> AsyncIterator[tuple[LocalServers, Installation]]:
    """An installation on a Postgres that may be broken."""
    async with LocalServers(folder, kafka=False, redis=False) as servers:
        await upgrade(servers.postgres_admin_url)
        database = Database("onefold", servers.postgres_url, servers.postgres_admin_url)
        async with installation(services, database, topic_prefix, redis_url, partitions=4, recency_seconds=3_600, policy="eager") as mine:
            yield servers, mine


@pytest.mark.faults
@pytest.mark.asyncio
@pytest.mark.timeout(300)
async def test_a_postgres_that_stops_at_once_and_comes_back_costs_time_only(
    services: Services, topic_prefix: str, redis_url: str, tmp_path: Path, log: list[Interaction]
) -> None:
    """F23, I1, I2, I12: with two resolvers and a relay at work."""
    async with (
        own_postgres(services, topic_prefix, redis_url, tmp_path) as (servers, mine),
        mine.running("resolver", **SMALL),
        mine.running("resolver", **SMALL),
        mine.running("relay"),
    ):
        async with under_load(mine, log, seconds=20):
            for _ in range(2):
                await asyncio.sleep(4)
                await asyncio.to_thread(servers.stop, "postgres", signal.SIGQUIT)
                await asyncio.sleep(3)
                await asyncio.to_thread(servers.start, "postgres")
        await assert_healed(mine, log)


@pytest.mark.asyncio
@pytest.mark.timeout(240)
async def test_a_role_that_begins_before_its_store_waits_for_it(
    services: Services, topic_prefix: str, redis_url: str, tmp_path: Path, log: list[Interaction]
) -> None:
    """F14, I12."""
    async with own_postgres(services, topic_prefix, redis_url, tmp_path) as (servers, mine):
        await mine.produce(log)
        await asyncio.to_thread(servers.stop, "postgres")
        process = await mine.start_process("resolver")
        await asyncio.sleep(3)
        assert process.returncode is None
        await asyncio.to_thread(servers.start, "postgres")
        await assert_healed(mine, log)
        process.terminate()
        assert await process.wait() == 0


@pytest.mark.faults
@pytest.mark.asyncio
@pytest.mark.timeout(300)
async def test_a_backend_that_is_killed_costs_time_only(
    services: Services, topic_prefix: str, redis_url: str, tmp_path: Path, log: list[Interaction]
) -> None:
    """F24, I2: the server ends every session and recovers; commits that were under way are in doubt."""
    async with own_postgres(services, topic_prefix, redis_url, tmp_path) as (servers, mine), mine.running("resolver", **SMALL):
        async with under_load(mine, log, seconds=15):
            for _ in range(3):
                await asyncio.sleep(4)
                os.kill(await _a_backend(servers.postgres_admin_url), signal.SIGKILL)
        await assert_healed(mine, log)


async def _a_backend(url: str) -> int:
    """A backend that works for a resolver; its number may be another outside of the server's own namespace."""
    connection = await asyncpg.connect(url)
    try:
        found: int = await connection.fetchval("select pid from pg_stat_activity where application_name = 'onefold-resolver' limit 1")
        return found
    finally:
        await connection.close()
