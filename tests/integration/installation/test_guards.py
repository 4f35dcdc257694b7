"""What a role must not start on (F20, F30), and what doctor says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from redis.asyncio import Redis

from onefold import bootstrap
from onefold.errors import ConfigurationError
from onefold.installation.doctor import examine, refuse_unsafe
from onefold.messages.topics import CONTACTS_CHANGED, DEAD_LETTER, INTERACTIONS, INTERACTIONS_RESOLVED
from tests.support.installations import installation, settings_of

if TYPE_CHECKING:
    from tests.support.servers import Database, Services

DAY_MS = 86_400_000


@pytest.mark.asyncio
async def test_a_postgres_that_may_lose_commits_is_refused_in_production_and_told_in_dev(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """F30."""
    async with installation(services, database, topic_prefix, redis_url) as mine:
        await refuse_unsafe(mine.role, uses_index=True)
        owner = await asyncpg.connect(database.admin_url)
        await owner.execute(f'alter database "{database.name}" set synchronous_commit = off')
        await owner.close()
        await refuse_unsafe(mine.role, uses_index=True)
        production = bootstrap.begin("test", settings_of({**mine.environment, "ONEFOLD_PROFILE": "production"}))
        with pytest.raises(ConfigurationError, match="synchronous_commit to on"):
            await refuse_unsafe(production, uses_index=False)
        findings = {each.what: each for each in await examine(production)}
        assert not findings["postgres synchronous_commit"].is_well
        at_home = {each.what: each for each in await examine(mine.role)}
        for name in ("mail", "links of ONEFOLD_OUTREACH__LINKS_URL", "links of ONEFOLD_CONTACT_API__PUBLIC_URL"):
            assert (findings[name].is_well, at_home[name].is_well) == (False, True), f"{name}: in production people cannot reach it"
        assert findings["tables"].is_well
        assert findings["resolver lag"].found == "0 records"
        assert not findings[f"copies of {topic_prefix}interactions"].is_well


@pytest.mark.asyncio
async def test_a_redis_that_evicts_is_refused_and_one_that_is_away_is_not(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """F20."""
    async with installation(services, database, topic_prefix, redis_url) as mine:
        redis = Redis.from_url(redis_url)
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        try:
            with pytest.raises(ConfigurationError, match="noeviction"):
                await refuse_unsafe(mine.role, uses_index=True)
            await refuse_unsafe(mine.role, uses_index=False)
        finally:
            await redis.config_set("maxmemory-policy", "noeviction")
            await redis.aclose()
        away = bootstrap.begin("test", settings_of({**mine.environment, "ONEFOLD_REDIS__URL": "redis://127.0.0.1:1/0"}))
        await refuse_unsafe(away, uses_index=True)
        findings = {each.what: each for each in await examine(away)}
        assert not findings["redis"].is_well


@pytest.mark.asyncio
async def test_doctor_tells_of_topics_that_keep_people_for_longer_than_is_promised(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """S105, S106: raw topics, dead letters and what is compacted; the whole segment counts, and tombstones must outlast who was away."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        assert not {each.what for each in await examine(mine.role) if each.what.startswith(("keeping of", "tombstones of"))}
        admin = AIOKafkaAdminClient(bootstrap_servers=services.kafka_servers)
        await admin.start()
        try:
            for topic, config in (
                (INTERACTIONS, {"retention.ms": str(31 * DAY_MS), "segment.ms": str(DAY_MS)}),
                (INTERACTIONS_RESOLVED, {"retention.ms": str(29 * DAY_MS)}),
                (DEAD_LETTER, {"retention.ms": "-1"}),
                (CONTACTS_CHANGED, {"cleanup.policy": "compact", "delete.retention.ms": "1000"}),
            ):
                await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic_prefix + topic, config)])
        finally:
            await admin.close()
        found = {each.what: each.found for each in await examine(mine.role) if each.what.startswith(("keeping of", "tombstones of"))}
    assert found == {
        f"keeping of {topic_prefix}{INTERACTIONS}": "32 days",
        f"keeping of {topic_prefix}{INTERACTIONS_RESOLVED}": "36 days",
        f"keeping of {topic_prefix}{DEAD_LETTER}": "for good",
        f"keeping of {topic_prefix}{CONTACTS_CHANGED}": "for good",
        f"tombstones of {topic_prefix}{CONTACTS_CHANGED}": "1000 ms",
    }
