"""An installation whose index is looked after: its parts, its commands, and a resolver whose work can be waited for."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from redis.asyncio import Redis

from onefold import bootstrap
from onefold.index.life import Life
from onefold.messages.topics import INTERACTIONS_RESOLVED
from onefold.ops.index.verify import verify
from onefold.ops.index.walk import Pace, walk
from onefold.records.incarnations import present
from onefold.topics.tail import follow_topic
from tests.support.installations import installation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from onefold.bootstrap import Role
    from onefold.identity.contact import Tenure
    from onefold.index.upkeep import IndexUpkeep
    from onefold.ops.index.verify import Verification
    from tests.support.installations import Installation
    from tests.support.servers import Database, Services


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


class Kept:
    """An installation and its index."""

    def __init__(self, mine: Installation, redis: Redis, upkeep: IndexUpkeep) -> None:
        self.mine = mine
        self.redis: Any = redis
        self.upkeep = upkeep
        self.secret = mine.role.settings.index_secret

    async def verify(self, *, mend: bool = False, recheck_seconds: float = 0.3) -> Verification:
        """One pass; nothing is slow here, so the second look comes early."""
        return await verify(self.mine.store, self.upkeep, self.secret, mend=mend, recheck_seconds=recheck_seconds)

    async def life(self) -> Life:
        """The present life of the index."""
        async with self.mine.store.connection() as connection:
            return Life(self.secret, (await present(connection)).name)

    async def tenures(self) -> dict[bytes, Tenure]:
        """Every open tenure, by the key of its entry."""
        life = await self.life()
        return {life.key(each.workspace, each.key): each async for _, chunk in walk(self.mine.store, Pace()) for each in chunk.tenures}

    async def entries(self) -> dict[bytes, bytes]:
        """Every key of Redis, whatever it is."""
        keys = sorted(await self.redis.keys("*"))
        return dict(zip(keys, await self.redis.mget(keys), strict=True)) if keys else {}

    async def contacts(self) -> list[str]:
        """Whose each interaction was, in the order of a single partition."""
        records = [record async for record in follow_topic(self.mine.role.kafka, INTERACTIONS_RESOLVED, from_start=True, to_end=True)]
        lines = {line["offset"]: line["contact_id"] for line in (msgspec.json.decode(record.value or b"") for record in records)}
        return [lines[offset] for offset in sorted(lines)]

    async def start(self, *arguments: str, armed: Sequence[str] = (), **more: str) -> asyncio.subprocess.Process:
        """A command of ours, perhaps with failpoints armed."""
        module = ["tests.support.armed", *armed, "--"] if armed else ["onefold"]
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *module,
            *arguments,
            env={**os.environ, **self.mine.environment, **more},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *arguments: str, armed: Sequence[str] = (), **more: str) -> Ended:
        """A command of ours, to its end."""
        process = await self.start(*arguments, armed=armed, **more)
        async with asyncio.timeout(60):
            stdout, stderr = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, stdout.decode(), stderr.decode())


def settled(role: Role, *paths: str) -> int:
    """Interactions that a resolver settled, by these paths."""
    found = (role.metrics.registry.get_sample_value("onefold_resolver_interactions_total", {"path": path}) for path in paths)
    return int(sum(value or 0.0 for value in found))


async def written_back(role: Role, count: int) -> None:
    """Wait until so many were settled and the index was told, which comes after the commit."""
    async with asyncio.timeout(60):
        while settled(role, "hot", "warm", "cold") < count:
            await asyncio.sleep(0.02)


@asynccontextmanager
async def kept(services: Services, database: Database, prefix: str, redis_url: str, *, partitions: int = 1) -> AsyncIterator[Kept]:
    """An installation in which known visitors are recognised."""
    redis = Redis.from_url(redis_url)
    try:
        async with (
            installation(services, database, prefix, redis_url, partitions=partitions, recency_seconds=3_600) as mine,
            bootstrap.index_upkeep(mine.role) as upkeep,
        ):
            yield Kept(mine, redis, upkeep)
    finally:
        await redis.aclose()
