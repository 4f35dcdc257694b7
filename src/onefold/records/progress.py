"""Progress through the log, with the epoch that fences zombies, and the separations since the last look (architecture, 2 and 3).

Owned by the consumers of `interactions`, and of their lines. One statement both fences and reads everything that a micro-batch must
know first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from onefold.errors import Fenced
from onefold.records.incarnations import NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.records.store import Connection, Store

CLAIM = """
insert into progress as p (consumer, topic, partition, epoch, worker) values ($1, $2, $3, 1, $4)
on conflict (consumer, topic, partition) do update set epoch = p.epoch + 1, worker = excluded.worker, updated_at = now()
returning generation, epoch, next_offset
"""

# One snapshot for all of it. `xid >= previous xmin` and not `> greatest seen`: the latter misses late committers (measured).
FENCE = f"""
with fence as (
  update progress set next_offset = $5, updated_at = now()
  where consumer = $1 and topic = $2 and partition = $3 and epoch = $4 and next_offset <= $5
  returning generation
), separated as (
  select array_agg(xid::text::bigint) as xids, array_agg(bucket) as buckets from separations where xid >= $6::text::xid8
)
select (select generation from fence) as generation, {NAME} as incarnation, i.rules_version,
  pg_snapshot_xmin(pg_current_snapshot())::text::bigint as xmin, coalesce(s.xids, '{{}}') as xids, coalesce(s.buckets, '{{}}') as buckets
from incarnation i, separated s
"""

SEPARATIONS = """
select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as xmin, coalesce(array_agg(xid::text::bigint), '{}') as xids,
  coalesce(array_agg(bucket), '{}') as buckets
from separations where xid >= $1::text::xid8
"""

RENEW = """
update progress set epoch = epoch + 1, updated_at = now() where consumer = $1 and topic = $2 and partition = $3 and epoch = $4
returning generation, epoch, next_offset
"""

GO_ON = """
update progress set next_offset = $5, updated_at = now()
where consumer = $1 and topic = $2 and partition = $3 and epoch = $4 and next_offset <= $5 returning epoch
"""

ADVANCE = "update progress set next_offset = $5 where consumer = $1 and topic = $2 and partition = $3 and epoch = $4"


class PartitionKey(NamedTuple):
    """Whose progress, through which partition of which topic."""

    consumer: str
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A partition under this worker's epoch."""

    key: PartitionKey
    generation: int
    epoch: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class Present:
    """What the fence saw: all of one snapshot."""

    incarnation: str
    rules_version: int
    since_xmin: int
    """From which transaction id on separations were asked for."""
    xmin: int
    separations: Sequence[tuple[int, int]]
    """(transaction id, bucket) of every separation from `since_xmin` on."""


async def claim(store: Store, key: PartitionKey, worker: str) -> Claim:
    """Take a partition: bump its epoch, so that whoever had it before can change nothing any more, and read where to go on."""
    async with store.connection() as connection:
        (row,) = await connection.fetch(CLAIM, *key, worker)
    return Claim(key, row["generation"], row["epoch"], row["next_offset"])


async def renew(store: Store, owned: Claim) -> Claim:
    """Take a new epoch for a partition that is still ours; Fenced if it has a newer owner."""
    async with store.connection() as connection:
        row = await connection.fetchrow(RENEW, *owned.key, owned.epoch)
    if row is None:
        raise Fenced(f"partition {owned.key.partition} of {owned.key.topic} has a newer owner than epoch {owned.epoch}")
    return Claim(owned.key, row["generation"], row["epoch"], row["next_offset"])


async def fence(connection: Connection, owned: Claim, next_offset: int, since_xmin: int) -> Present:
    """Store progress up to `next_offset` in the open transaction and read the present; Fenced if the epoch is not ours any more."""
    (row,) = await connection.fetch(FENCE, *owned.key, owned.epoch, next_offset, str(since_xmin))
    if row["generation"] is None:
        raise Fenced(f"partition {owned.key.partition} of {owned.key.topic} has a newer owner than epoch {owned.epoch}")
    separations = list(zip(row["xids"], row["buckets"], strict=True))
    return Present(row["incarnation"], row["rules_version"], since_xmin, row["xmin"], separations)


async def go_on(connection: Connection, owned: Claim, next_offset: int) -> None:
    """Store progress in the open transaction, for who need know nothing of the present; Fenced if the epoch is not ours any more."""
    if await connection.fetchval(GO_ON, *owned.key, owned.epoch, next_offset) is None:
        raise Fenced(f"partition {owned.key.partition} of {owned.key.topic} has a newer owner than epoch {owned.epoch}")


async def separations_since(connection: Connection, xmin: int) -> tuple[int, list[tuple[int, int]]]:
    """Every separation, (transaction id, bucket), that a look at this xmin may have missed; and the xmin of this look."""
    (row,) = await connection.fetch(SEPARATIONS, str(xmin))
    return row["xmin"], list(zip(row["xids"], row["buckets"], strict=True))


async def advance(connection: Connection, owned: Claim, next_offset: int) -> None:
    """Correct the progress that `fence` stored, where a plan ended before its batch did."""
    await connection.execute(ADVANCE, *owned.key, owned.epoch, next_offset)


async def next_offset(store: Store, key: PartitionKey) -> int:
    """How far the partition is decided."""
    async with store.connection() as connection:
        found: int | None = await connection.fetchval(
            "select next_offset from progress where consumer = $1 and topic = $2 and partition = $3", *key
        )
    return found or 0
