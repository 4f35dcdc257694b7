"""MGET and MSET on Redis, Valkey or a cluster, with short time-outs and a breaker. Nothing here ever fails the caller.

A Redis that is away, hung, loading or full costs latency only: reads are misses, writes are skipped, and both are counted.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisClusterException, RedisError

from onefold.errors import ConfigurationError, IndexUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHUNK = 5_000
"""Keys a command; larger ones would hold Redis up for everybody."""
FIRST_COOL_DOWN_SECONDS, LONGEST_COOL_DOWN_SECONDS = 0.5, 15.0
CLUSTER_SCHEMES = ("redis+cluster://", "rediss+cluster://")

UNUSABLE = (RedisError, RedisClusterException, OSError, TimeoutError, asyncio.IncompleteReadError)
"""Everything that a Redis which cannot be used makes the client raise. A cluster's own errors are no RedisError."""


def is_cluster(url: str) -> bool:
    """Whether the URL names a cluster."""
    return url.startswith(CLUSTER_SCHEMES)


def connect(url: str, timeout_seconds: float) -> Any:
    """A client; nothing is connected yet."""
    options: dict[str, Any] = {"socket_timeout": timeout_seconds, "socket_connect_timeout": timeout_seconds}
    if is_cluster(url):
        return RedisCluster.from_url(url.replace("+cluster", "", 1), **options)
    return Redis.from_url(url, **options)


class Index:
    """The index's Redis. `failed` is told each time that it could not be used."""

    def __init__(self, url: str, *, timeout_ms: int = 250, failed: Callable[[str], None] = lambda _: None) -> None:
        self._timeout = timeout_ms / 1000
        self._failed = failed
        self._open_until = 0.0
        self._cool_down = FIRST_COOL_DOWN_SECONDS
        self._cluster = is_cluster(url)
        self._redis = connect(url, self._timeout)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values under these keys, in order; None for a miss, and for all of them when Redis cannot be used."""
        found: list[bytes | None] = []
        for start in range(0, len(keys), CHUNK):
            chunk = keys[start : start + CHUNK]
            command = self._redis.mget_nonatomic if self._cluster else self._redis.mget
            values = await self._guarded(command, chunk)
            found.extend(values if values is not None else [None] * len(chunk))
        return found

    async def write(self, values: dict[bytes, bytes]) -> bool:
        """Set these values; gives whether all of them arrived."""
        pairs, arrived = list(values.items()), True
        for start in range(0, len(pairs), CHUNK):
            chunk = dict(pairs[start : start + CHUNK])
            command = self._redis.mset_nonatomic if self._cluster else self._redis.mset
            arrived = await self._guarded(command, chunk) is not None and arrived
        return arrived

    async def check(self) -> dict[str, str]:
        """What the server says of itself. Raises IndexUnavailable, or ConfigurationError where it would evict entries (F20, F30)."""
        try:
            info = await asyncio.wait_for(self._redis.info(), 5)
            policy = (await asyncio.wait_for(self._redis.config_get("maxmemory-policy"), 5)).get("maxmemory-policy", "unknown")
        except UNUSABLE as error:
            raise IndexUnavailable(f"Redis does not answer: {error}. Is it running where ONEFOLD_REDIS__URL points?") from error
        if policy != "noeviction":
            raise ConfigurationError(
                f"Redis evicts entries (maxmemory-policy is {policy}): the index would be silently incomplete. Set it to noeviction."
            )
        return {"version": str(info.get("valkey_version") or info.get("redis_version")), "maxmemory-policy": policy}

    async def _guarded(self, command: Callable[[Any], Any], argument: Any) -> Any:
        """The command's answer, or None when Redis cannot be used. After a failure it is left alone for a growing while."""
        if time.monotonic() < self._open_until:
            return None
        try:
            answer = await asyncio.wait_for(command(argument), self._timeout)
        except UNUSABLE as error:
            self._failed(type(error).__name__)
            self._open_until = time.monotonic() + self._cool_down * random.uniform(0.8, 1.2)  # noqa: S311 -- jitter
            self._cool_down = min(self._cool_down * 2, LONGEST_COOL_DOWN_SECONDS)
            return None
        self._cool_down = FIRST_COOL_DOWN_SECONDS
        return answer
