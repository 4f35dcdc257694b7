"""The outbox as the relay sees it: one owner a shard, rows in id order, deleted once they are in Kafka.

An owner holds a session advisory lock on the very connection that it reads through: who loses the session reads nothing any more. A
session that is silent is ended by the server, so an owner that was stopped gives its shard up; what it still has in flight, Kafka fences.
It never pages by id: a transaction that took a low id may commit late (F32). Called by `streams.relay`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from onefold.records.sessions import session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from onefold.records.store import Connection, Store

_SHARD_LOCKS = 0x0F01D
"""First half of the advisory lock's number; the second is the shard."""
_PRESENCE_LOCKS = 0x0F01E

READ = "select id, topic, key, payload, headers::text from outbox where shard = $1 order by id limit $2"
DELETE = "delete from outbox where id = any($1::bigint[])"

# The oldest row of each shard by the index, and no more rows counted than matter.
BACKLOG = """
select (select count(*) from (select from outbox limit 100000) as counted) as waiting,
  coalesce(extract(epoch from clock_timestamp() - min(oldest.created_at)), 0)::float8 as age
from generate_series(0, (select count - 1 from relay_shards)) as s (shard)
cross join lateral (select created_at from outbox o where o.shard = s.shard order by id limit 1) as oldest
"""

INSERT = """
insert into outbox (shard, topic, key, payload, headers)
select * from unnest($1::smallint[], $2::text[], $3::bytea[], $4::bytea[], $5::jsonb[])
"""

_headers = msgspec.json.Decoder(dict[str, str]).decode


class Row(NamedTuple):
    """What is to be produced."""

    id: int
    topic: str
    """Without prefix."""
    key: bytes
    payload: bytes | None
    """None is a tombstone."""
    headers: tuple[tuple[str, bytes], ...]


class Backlog(NamedTuple):
    """What waits in the outbox."""

    rows: int
    """Counted up to 100,000."""
    age_seconds: float


class OwnedShard:
    """A shard, as long as its session lives."""

    def __init__(self, connection: Connection, shard: int) -> None:
        self._connection = connection
        self.shard = shard

    async def read(self, most: int) -> list[Row]:
        """The first rows, in id order: for each contact that is the order of its versions."""
        return [
            Row(row[0], row[1], row[2], row[3], tuple((name, value.encode()) for name, value in _headers(row[4]).items()))
            for row in await self._connection.fetch(READ, self.shard, most)
        ]

    async def delete(self, rows: Sequence[Row]) -> None:
        """Delete exactly these rows: they are in Kafka."""
        await self._connection.execute(DELETE, [row.id for row in rows])


@asynccontextmanager
async def own(store: Store, shard: int, *, silence_seconds: float) -> AsyncIterator[OwnedShard | None]:
    """Own the shard while the block runs; None where somebody else does. Raises StoreUnavailable.

    `silence_seconds`: after how long without a statement the server ends the session, and with it the ownership.
    """
    async with session(store, silence_seconds=silence_seconds) as connection:
        mine = await connection.fetchval("select pg_try_advisory_lock($1, $2)", _SHARD_LOCKS, shard)
        yield OwnedShard(connection, shard) if mine else None


class Presence:
    """This relay among the others."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def relays(self) -> int:
        """How many relays are there, this one included."""
        found: int = await self._connection.fetchval(
            "select count(*) from pg_locks where locktype = 'advisory' and classid = $1 and objid = 0 and granted"
            " and database = (select oid from pg_database where datname = current_database())",
            _PRESENCE_LOCKS,
        )
        return max(1, found)

    async def backlog(self) -> Backlog:
        """What waits in all shards."""
        (row,) = await self._connection.fetch(BACKLOG)
        return Backlog(row["waiting"], row["age"])


@asynccontextmanager
async def presence(store: Store, *, silence_seconds: float) -> AsyncIterator[Presence]:
    """Be counted among the relays while the block runs. Raises StoreUnavailable."""
    async with session(store, silence_seconds=silence_seconds) as connection:
        await connection.execute("select pg_advisory_lock_shared($1, 0)", _PRESENCE_LOCKS)
        yield Presence(connection)
