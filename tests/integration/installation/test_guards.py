"""What a role must not start on (F20, F30), and what doctor says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
from redis.asyncio import Redis

from onefold import bootstrap
from onefold.errors import ConfigurationError
from onefold.installation.doctor import examine, refuse_unsafe
from tests.support.installations import installation, settings_of

if TYPE_CHECKING:
    from tests.support.servers import Database, Services


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
