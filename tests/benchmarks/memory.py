"""Redis bytes an identifier, a million of them as the index writes them, against plain keys and values of the same sizes."""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_bytes
from typing import Any
from uuid import UUID

import uvloop
from redis.asyncio import Redis

from onefold.identity.assurance import Assurance
from onefold.identity.contact import ContactId, Tenure, TenureId
from onefold.identity.identifiers import identifier_key
from onefold.index.lookup import Index
from onefold.index.resolution_index import ResolutionIndex
from onefold.local.servers import LocalServers
from tests.benchmarks.rig.measuring import cost, report

IDENTIFIERS, CHUNK = 1_000_000, 5_000
BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
INCARNATION = "00000000-0000-4000-8000-000000000000:1"


async def main() -> int:
    """Fill it twice: as the index does, and with as many keys and values of those sizes."""
    with tempfile.TemporaryDirectory(prefix="onefold-bench-") as folder, LocalServers(Path(folder), kafka=False, postgres=False) as servers:
        redis: Any = Redis.from_url(servers.redis_url)
        await redis.config_set("appendonly", "no")
        ours = await _bytes_each(redis, lambda: _as_the_index_does(servers.redis_url))
        keys, values = await _sizes(redis)
        baseline = await _bytes_each(redis, lambda: _plain(redis, keys, values))
        await redis.aclose()
    return report([cost("memory: Redis bytes an identifier, at a million", "bytes", [(ours, baseline)], or_at_most=100)])


async def _bytes_each(redis: Any, fill: Any) -> float:
    await redis.execute_command("FLUSHALL", "SYNC")
    before = (await redis.info("memory"))["used_memory"]
    await fill()
    after = (await redis.info("memory"))["used_memory"]
    assert await redis.dbsize() == IDENTIFIERS
    return float(after - before) / IDENTIFIERS


async def _as_the_index_does(url: str) -> None:
    index = Index(url, timeout_ms=60_000)
    entries = ResolutionIndex(index, token_bytes(32))
    entries.valid(await entries.look_up([]), INCARNATION, 0, 1, [])  # learns the incarnation, as a worker does at its first fence
    for start in range(0, IDENTIFIERS, CHUNK):
        await entries.write_back([_tenure(number) for number in range(start, start + CHUNK)], INCARNATION, 1_000_000)
    await index.close()


def _tenure(number: int) -> Tenure:
    at = BEGAN + timedelta(seconds=number)
    kind, value = ("anonymous_token", f"token-{number}") if number % 2 else ("email", f"person-{number}@example.com")
    return Tenure(
        tenure_id=TenureId(number + 1),
        workspace="acme",
        contact_id=ContactId(UUID(int=number << 64 | number)),
        key=identifier_key(kind, value),
        semantic_type=kind,
        identifier=value,
        normalised=value,
        slug="main",
        assurance=Assurance.CLAIMED,
        source="event",
        outreach=False,
        first_seen_at=at,
        last_seen_at=at,
    )


async def _sizes(redis: Any) -> tuple[int, int]:
    key = await redis.randomkey()
    return len(key), len(await redis.get(key))


async def _plain(redis: Any, key_bytes: int, value_bytes: int) -> None:
    for _ in range(0, IDENTIFIERS, CHUNK):
        await redis.mset({token_bytes(key_bytes): token_bytes(value_bytes) for _ in range(CHUNK)})


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
