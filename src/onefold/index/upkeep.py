"""The index's Redis for those who look after it: the same commands as the resolver's, but a failure is seen, never taken for a miss.

Waits longer than the resolver does and has no breaker. Called by `onefold.ops.index`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from onefold.errors import IndexUnavailable
from onefold.index.lookup import CHUNK, UNUSABLE, connect, is_cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

TIMEOUT_SECONDS = 10.0
PAGE = 1_000
"""Keys of one SCAN, and of what is done with them."""
SHAPE = b"?" * 16
"""Every key of the index has 16 bytes; other keys are somebody else's."""


class ServerState(NamedTuple):
    """What Redis says of itself; of a cluster, summed over its primaries."""

    version: str
    eviction_policy: str
    keys: int
    used_bytes: int
    most_bytes: int
    """0: no limit."""
    nodes: int


class IndexUpkeep:
    """Every method raises IndexUnavailable where Redis cannot be used."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._cluster = is_cluster(url)
        self._redis = connect(url, timeout_seconds)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values under these keys, in order; None where there is none."""
        found: list[bytes | None] = []
        command = self._redis.mget_nonatomic if self._cluster else self._redis.mget
        async with _seen():
            for start in range(0, len(keys), CHUNK):
                found.extend(await command(keys[start : start + CHUNK]))
        return found

    async def write(self, values: Mapping[bytes, bytes]) -> None:
        """Set these values."""
        pairs = list(values.items())
        command = self._redis.mset_nonatomic if self._cluster else self._redis.mset
        async with _seen():
            for start in range(0, len(pairs), CHUNK):
                await command(dict(pairs[start : start + CHUNK]))

    async def remove(self, keys: Collection[bytes]) -> int:
        """Unlink these keys: their memory is freed in the background. Gives how many there were."""
        if not keys:
            return 0
        async with _seen():
            removed: int = await self._redis.unlink(*keys)
        return removed

    async def scan(self) -> AsyncIterator[dict[bytes, bytes]]:
        """Every key that has the index's shape, with its value, page by page; of a cluster, those of every primary.

        What is there all along comes at least once, perhaps twice; what comes or goes meanwhile may be missed.
        """
        page: list[bytes] = []
        keys = self._redis.scan_iter(match=SHAPE, count=PAGE)
        while True:
            async with _seen():
                key = await anext(keys, None)
            if key is not None:
                page.append(key)
            if page and (key is None or len(page) == PAGE):
                values = await self.read(page)
                yield {each: value for each, value in zip(page, values, strict=True) if value is not None}
                page = []
            if key is None:
                return

    async def state(self) -> ServerState:
        """What the server says of itself."""
        nodes: list[dict[str, Any]] = []
        async with _seen():
            if self._cluster:
                await self._redis.initialize()
            for target in self._redis.get_primaries() if self._cluster else [None]:
                of = {} if target is None else {"target_nodes": target}
                policy = (await self._redis.config_get("maxmemory-policy", **of)).get("maxmemory-policy", "unknown")
                nodes.append({**await self._redis.info(**of), "policy": policy, "keys": await self._redis.dbsize(**of)})
        return ServerState(
            version=_together(node.get("valkey_version") or node.get("redis_version") for node in nodes),
            eviction_policy=_together(node["policy"] for node in nodes),
            keys=sum(node["keys"] for node in nodes),
            used_bytes=sum(node["used_memory"] for node in nodes),
            most_bytes=sum(node["maxmemory"] for node in nodes),
            nodes=len(nodes),
        )


def _together(texts: Any) -> str:
    return ", ".join(sorted({str(text) for text in texts}))


@asynccontextmanager
async def _seen() -> AsyncIterator[None]:
    """A failure of Redis becomes ours."""
    try:
        yield
    except UNUSABLE as error:
        raise IndexUnavailable(
            f"Redis cannot be used: {type(error).__name__}: {error}. Is it running where ONEFOLD_REDIS__URL points, and not full?"
        ) from error
