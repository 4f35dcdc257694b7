"""The index on a real Valkey: what it costs, and that its failures cost latency only (I6, F15, F16, F20, F21)."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis

from onefold.errors import ConfigurationError, IndexUnavailable
from onefold.index.entries import SEEN_EPOCH, Entry, EntryCodec
from onefold.index.lookup import Index
from onefold.local.servers import LocalServers
from tests.support.freezing import freeze

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Services

SECRET = bytes(32)


def value(key: bytes) -> bytes:
    found = EntryCodec(SECRET, "x").encode(key, Entry(os.urandom(16), 5, 1, 1_700_000_000, SEEN_EPOCH, True, 9))
    assert found is not None
    return found


@pytest.mark.asyncio
async def test_what_is_written_is_read_and_what_is_flushed_is_a_miss(redis_url: str) -> None:
    """F16."""
    index = Index(redis_url)
    keys = [os.urandom(16) for _ in range(7_000)]
    assert await index.write({key: value(key) for key in keys})
    assert None not in await index.read(keys)
    redis = Redis.from_url(redis_url)
    await redis.flushdb()
    await redis.aclose()
    assert await index.read(keys) == [None] * len(keys)
    await index.close()


@pytest.mark.asyncio
async def test_an_identifier_costs_at_most_a_hundred_bytes(tmp_path: Path) -> None:
    """Architecture, section 3: 90 bytes an identifier."""
    with LocalServers(tmp_path, kafka=False, postgres=False) as servers:
        index, redis = Index(servers.redis_url, timeout_ms=5_000), Redis.from_url(servers.redis_url)
        before = (await redis.info("memory"))["used_memory_dataset"]
        count = 131_072 * 2
        for _ in range(count // 8_192):
            keys = [os.urandom(16) for _ in range(8_192)]
            assert await index.write({key: value(key) for key in keys})
        used = (await redis.info("memory"))["used_memory_dataset"] - before
        await redis.aclose()
        await index.close()
    assert used / count <= 100


@pytest.mark.asyncio
async def test_a_hung_server_is_a_miss_in_time_and_is_left_alone_for_a_while(tmp_path: Path) -> None:
    """F21: one time-out, then the breaker answers at once; when the server goes on, so does the index."""
    failures: list[str] = []
    with LocalServers(tmp_path, kafka=False, postgres=False) as servers:
        index, key = Index(servers.redis_url, timeout_ms=200, failed=failures.append), os.urandom(16)
        assert await index.write({key: value(key)})
        freeze(servers.pid("redis"))
        try:
            began = time.monotonic()
            assert await index.read([key]) == [None]
            assert await index.write({key: value(key)}) is False
            for _ in range(100):
                assert await index.read([key]) == [None]
            assert time.monotonic() - began < 0.2 * 3
            assert len(failures) == 1
        finally:
            os.kill(servers.pid("redis"), signal.SIGCONT)
        await _until_read(index, key)
        servers.stop("redis", signal.SIGKILL)
        assert await index.read([key]) == [None]
        servers.start("redis")
        await _until_read(index, key)
        await index.close()


async def _until_read(index: Index, key: bytes) -> None:
    """F15: the append-only file kept it, and the breaker closes by itself."""
    async with asyncio.timeout(20):
        while await index.read([key]) == [None]:
            await asyncio.sleep(0.05)


@pytest.mark.asyncio
async def test_a_server_that_evicts_is_refused(tmp_path: Path) -> None:
    """F20, F30."""
    with LocalServers(tmp_path, kafka=False, postgres=False) as servers:
        index, redis = Index(servers.redis_url), Redis.from_url(servers.redis_url)
        assert (await index.check())["maxmemory-policy"] == "noeviction"
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        with pytest.raises(ConfigurationError, match="noeviction"):
            await index.check()
        await redis.aclose()
        await index.close()
    gone = Index("redis://127.0.0.1:1/0")
    with pytest.raises(IndexUnavailable):
        await gone.check()
    await gone.close()


@pytest.mark.asyncio
async def test_a_cluster_that_is_away_is_a_miss_too() -> None:
    """F22: its client's errors are of another family than a server's."""
    failures: list[str] = []
    index = Index("redis+cluster://127.0.0.1:1", timeout_ms=500, failed=failures.append)
    key = os.urandom(16)
    assert await index.read([key]) == [None]
    assert await index.write({key: value(key)}) is False
    assert failures == ["RedisClusterException"]
    with pytest.raises(IndexUnavailable):
        await index.check()
    await index.close()


@pytest.mark.asyncio
async def test_a_full_server_refuses_writes_and_goes_on_reading(services: Services, tmp_path: Path) -> None:
    """F20."""
    assert services.redis_url
    with LocalServers(tmp_path, kafka=False, postgres=False) as servers:
        index, redis, key = Index(servers.redis_url), Redis.from_url(servers.redis_url), os.urandom(16)
        assert await index.write({key: value(key)})
        await redis.config_set("maxmemory", "1mb")
        assert await index.write({os.urandom(16): b"x" * 40 for _ in range(5_000)}) is False
        async with asyncio.timeout(5):
            while await index.read([key]) == [None]:
                await asyncio.sleep(0.05)
        await redis.aclose()
        await index.close()
