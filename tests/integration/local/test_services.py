"""The fixtures that all other integration tests stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis

if TYPE_CHECKING:
    from tests.support.servers import Database, Services


@pytest.mark.asyncio
async def test_the_app_role_reaches_its_database_and_cannot_bypass_row_level_security(empty_database: Database) -> None:
    """S90: what our roles connect as must be subject to the policies."""
    connection = await asyncpg.connect(empty_database.app_url)
    try:
        row = await connection.fetchrow("select rolsuper, rolbypassrls, rolcreatedb from pg_roles where rolname = current_user")
        assert row is not None
        assert tuple(row) == (False, False, False)
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_each_test_has_an_empty_valkey_database(redis_url: str) -> None:
    client = Redis.from_url(redis_url)
    async with client:
        assert await client.dbsize() == 0
        await client.set("mine", "1")
        assert (await client.config_get("appendonly"))["appendonly"] == "yes"
        assert (await client.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"


@pytest.mark.asyncio
async def test_topics_are_made_only_on_purpose(services: Services, topic_prefix: str) -> None:
    """A misspelt topic name is an error, not a new topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=services.kafka_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(f"{topic_prefix}a", 2, 1)])
        assert f"{topic_prefix}a" in await admin.list_topics()
        described = await admin.describe_topics([f"{topic_prefix}b"])
        assert described[0]["error_code"] == 3
    finally:
        await admin.close()
