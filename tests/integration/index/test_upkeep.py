"""Looking after the index: its failures are seen, and a cluster is as good as one server (F21, F22)."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from onefold.errors import IndexUnavailable
from onefold.index.lookup import Index
from onefold.index.upkeep import IndexUpkeep
from onefold.local.servers import LocalServers
from tests.support.clusters import valkey_cluster
from tests.support.freezing import freeze

if TYPE_CHECKING:
    from pathlib import Path


async def everything(index: IndexUpkeep) -> dict[bytes, bytes]:
    return {key: value async for page in index.scan() for key, value in page.items()}


@pytest.mark.asyncio
async def test_a_scan_gives_the_keys_of_the_indexs_shape_and_no_others(redis_url: str) -> None:
    """In pages, with their values; other keys and other kinds of value are somebody else's."""
    index, redis = IndexUpkeep(redis_url), Redis.from_url(redis_url)
    values = {os.urandom(16): os.urandom(40) for _ in range(2_500)} | {b"\0" * 16: b"x" * 40, b"*?[a]\\\n\r\t" + b"\xff" * 7: b"y"}
    await index.write(values)
    await redis.set("fifteen bytes..", "x")
    await redis.set("seventeen bytes..", "x")
    await redis.lpush("a list, 16 bytes", "x")
    assert await everything(index) == values
    assert await index.remove(list(values)[:2_000]) == 2_000
    assert await everything(index) == dict(list(values.items())[2_000:])
    await redis.aclose()
    await index.close()


@pytest.mark.asyncio
async def test_a_server_that_is_away_hung_or_full_is_an_error_and_not_a_miss(tmp_path: Path) -> None:
    """A pass that took a failure for a miss would report what is not so, or say that it had mended it."""
    key = os.urandom(16)
    with LocalServers(tmp_path, kafka=False, postgres=False) as servers:
        index, redis = IndexUpkeep(servers.redis_url, timeout_seconds=0.5), Redis.from_url(servers.redis_url)
        await index.write({key: b"x" * 40})
        await redis.config_set("maxmemory", "1mb")
        with pytest.raises(IndexUnavailable, match="not full"):
            await index.write({os.urandom(16): b"x" * 40 for _ in range(5_000)})
        await redis.aclose()
        freeze(servers.pid("redis"))
        try:
            with pytest.raises(IndexUnavailable):
                await index.read([key])
        finally:
            os.kill(servers.pid("redis"), signal.SIGCONT)
        assert await index.read([key]) == [b"x" * 40]
        servers.stop("redis", signal.SIGKILL)
        for ask in (index.read([key]), index.remove([key]), everything(index), index.state()):
            with pytest.raises(IndexUnavailable):
                await ask
        await index.close()


@pytest.mark.asyncio
async def test_a_cluster_is_read_written_scanned_and_swept_over_all_its_primaries(tmp_path: Path) -> None:
    """Architecture, section 8: the index runs on a cluster unchanged; what the resolver writes, upkeep reads."""
    async with valkey_cluster(tmp_path) as url:
        index, resolvers = IndexUpkeep(url), Index(url, timeout_ms=10_000)
        values = {os.urandom(16): os.urandom(40) for _ in range(3_000)}
        assert await resolvers.write(values)
        assert dict(zip(values, await index.read(list(values)), strict=True)) == values
        assert await everything(index) == values
        state = await index.state()
        assert (state.keys, state.nodes, state.eviction_policy) == (3_000, 2, "noeviction")
        more = {os.urandom(16): os.urandom(40) for _ in range(50)}
        await index.write(more)
        assert await resolvers.read(list(more)) == list(more.values())
        assert await index.remove(list(values)) == 3_000
        assert await everything(index) == more
        await index.close()
        await resolvers.close()
        nodes = RedisCluster.from_url(url.replace("+cluster", ""))
        assert await nodes.dbsize(target_nodes="primaries") == 50
        await nodes.aclose()
