"""What resolvers in this process did: their lines, what they settled on which path, what they thought of the index."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec
from aiokafka.partitioner import murmur2

from onefold.messages.topics import INTERACTIONS, INTERACTIONS_RESOLVED
from onefold.topics.producer import IdempotentProducer
from onefold.topics.tail import follow_topic
from tests.support.installations import record_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.bootstrap import Role
    from onefold.identity.interaction import Interaction
    from tests.support.installations import Installation

OWNERS = "select count(distinct worker) from progress where topic = $1"
PATHS = ("hot", "warm", "cold", "dead")


def settled_by(roles: Sequence[Role], *paths: str) -> float:
    """Interactions that these resolvers settled, by these paths."""
    return _total(roles, "onefold_resolver_interactions_total", "path", paths)


def looked_up(roles: Sequence[Role], *results: str) -> float:
    """Identifiers that these resolvers looked up in the index, by result: hit, miss, doubtful (a hit that a separation speaks against)."""
    return _total(roles, "onefold_index_look_ups_total", "result", results)


def _total(roles: Sequence[Role], name: str, label: str, values: Sequence[str]) -> float:
    return sum(role.metrics.registry.get_sample_value(name, {label: each}) or 0.0 for role in roles for each in values)


async def all_own(mine: Installation, count: int, *, within_seconds: float = 60) -> None:
    """Wait until each of so many resolvers owns a partition: a gate would hold a rebalance up, too."""
    async with asyncio.timeout(within_seconds), mine.store.connection() as connection:
        while await connection.fetchval(OWNERS, INTERACTIONS) < count:
            await asyncio.sleep(0.05)


async def written_back(roles: Sequence[Role], total: int, *, within_seconds: float = 60) -> None:
    """Wait until these resolvers settled so many, and the index knows what was learnt: counting comes after that."""
    async with asyncio.timeout(within_seconds):
        while settled_by(roles, *PATHS) < total:
            await asyncio.sleep(0.01)


async def lines(mine: Installation) -> list[dict[str, Any]]:
    """What `interactions.resolved` says, by partition and offset; for one position the greatest epoch is the truth."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    async for record in follow_topic(mine.role.kafka, INTERACTIONS_RESOLVED, from_start=True, to_end=True):
        line = msgspec.json.decode(record.value or b"")
        place = (line["partition"], line["offset"])
        if place not in found or line["epoch"] > found[place]["epoch"]:
            found[place] = line
    return [found[place] for place in sorted(found)]


async def produce_together(mine: Installation, partition: int, interactions: Sequence[Interaction]) -> None:
    """Append interactions to one partition as a single batch of the log, which a resolver takes as a whole."""
    async with IdempotentProducer(mine.role.kafka) as producer:
        await producer.send_batches(INTERACTIONS, {partition: [record_of(each) for each in interactions]})


def lying_in(partition: int, of: int, name: str) -> str:
    """An identifier, `type:value…`, whose interactions lie in this one of so many partitions when it comes first (Java's partitioner)."""
    kind, _, value = name.partition(":")
    number = next(each for each in count() if (murmur2(f"acme:{value}{each}".encode()) & 0x7FFFFFFF) % of == partition)
    return f"{kind}:{value}{number}"
