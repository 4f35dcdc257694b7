"""Progress of replays beside that of the resolvers: rows of their own, epochs above all that were given out, a new life of the index.

For one position the greatest epoch is the truth. A replay decides only what lies below a resolver's progress, which no resolver emits
again; so its epoch need only exceed all that were given out for the partition by now, and nobody is fenced but other replays
(docs/decisions/0011). Called by `onefold.ops.replay` and `streams.replay`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.records.incarnations import begin_incarnation
from onefold.records.progress import Claim, PartitionKey

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from onefold.records.store import Connection, Store

DECIDED = "select partition, next_offset from progress where consumer = 'resolver' and topic = $1"
BEGIN = """
insert into progress (consumer, topic, partition, generation, epoch, next_offset)
select $1, $2, r.partition, live.generation, 0, r.next_offset
from unnest($3::integer[], $4::bigint[]) as r (partition, next_offset)
join progress live on live.consumer = 'resolver' and live.topic = $2 and live.partition = r.partition
"""
# Every replay's row takes the number: whoever still works under an older one, for this job or another, is fenced.
CLAIM = """
update progress set updated_at = now(), worker = case when consumer = $3 then $4 else worker end,
  epoch = 1 + (select max(epoch) from progress where topic = $1 and partition = $2)
where topic = $1 and partition = $2 and consumer like 'replay:%'
returning consumer, generation, epoch, next_offset
"""


def consumer_of(job_id: UUID) -> str:
    """Under which name a replay keeps its progress."""
    return f"replay:{job_id}"


async def decided(store: Store, topic: str) -> dict[int, int]:
    """How far the resolvers are: the next offset of each partition that one ever took."""
    async with store.connection() as connection:
        return {row["partition"]: row["next_offset"] for row in await connection.fetch(DECIDED, topic)}


async def begin(connection: Connection, job_id: UUID, topic: str, starts: Mapping[int, int]) -> None:
    """In the transaction that makes the job: progress rows that start at these offsets, and a new incarnation of the index."""
    await connection.execute(BEGIN, consumer_of(job_id), topic, list(starts), list(starts.values()))
    await begin_incarnation(connection)


async def claim(store: Store, job_id: UUID, topic: str, partition: int, worker: str) -> Claim:
    """Take a partition for a replay, under an epoch above all that were given out for it. Only for who has the replays' turn."""
    key = PartitionKey(consumer_of(job_id), topic, partition)
    async with store.connection() as connection:
        rows = await connection.fetch(CLAIM, topic, partition, key.consumer, worker)
    (mine,) = [row for row in rows if row["consumer"] == key.consumer]
    return Claim(key, mine["generation"], mine["epoch"], mine["next_offset"])


async def finish(connection: Connection, owned: Claim, end: int) -> None:
    """Store that a range is done, whatever the log holds before its end."""
    await connection.execute(
        "update progress set next_offset = $5, updated_at = now() where consumer = $1 and topic = $2 and partition = $3 and epoch = $4",
        *owned.key,
        owned.epoch,
        end,
    )
