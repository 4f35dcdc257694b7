"""Erase people from Postgres: what goes with the plan that erases them, what keeps them away, and what is to be purged afterwards.

Called by `apply`; its caller holds the locks of all contacts that are erased. What came through their tenures may be millions of rows: it
goes in chunks afterwards (`onefold.ops.purge`), and lines that are read later come to nothing (`erased_among`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from onefold.messages import tombstones
from onefold.messages.contacts import ContactChange
from onefold.messages.tombstones import Tombstone
from onefold.messages.topics import CONTACTS_CHANGED
from onefold.records import activities, challenges, contact_sessions, documents, idempotency, log, outreach, webhook_deliveries
from onefold.records.rows import to_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.plan import Erasure
    from onefold.records.rows import Row
    from onefold.records.store import Connection

HELD_ELSEWHERE = """
select identifier_key from identifiers
where identifier_key = any($1::bytea[]) and workspace = $2 and held_until is null and contact_id <> all($3::uuid[])
"""
MARK = "update contacts set erased_at = $3 where contact_id = any($1::uuid[]) and workspace = $2"
RECORD = "insert into erasures (workspace, erasure_id, contact_id, contacts, at, actor, reason) values ($1, $2, $3, $4, $5, $6, $7)"
RECORD_TENURES = "insert into erased_tenures (tenure_id, workspace, erasure_id) select unnest($1::bigint[]), $2, $3"

# What the store knows of an earlier separation goes on under the secret, too.
SUPPRESS = """
insert into suppressions as s (workspace, hash, at)
select n.workspace, sha256(k.secret || n.key), greatest(n.at, b.at)
from unnest($1::bytea[], $2::timestamptz[], $3::text[]) as n (key, at, workspace) cross join suppression_secret k
left join barriers b on b.identifier_key = n.key and b.workspace = n.workspace
on conflict (hash, workspace) do update set at = greatest(s.at, excluded.at)
"""
DELETE_BARRIERS = "delete from barriers where identifier_key = any($1::bytea[]) and workspace = $2"

DELETE_EVIDENCE = "delete from evidence where tenure_id = any($1::bigint[]) and workspace = $2"
DELETE_TENURES = "delete from identifiers where tenure_id = any($1::bigint[]) and workspace = $2"
DELETE_MERGES = "delete from merges where survivor = any($1::uuid[]) and absorbed = any($1::uuid[]) and workspace = $2"
# Of merges with others, which were all undone, the other side's part stays: it is theirs, and an unmerge may need it.
SCRUB_MERGES = """
update merges set survivor_record = case when survivor = any($1::uuid[]) then null else survivor_record end,
  absorbed_record = case when absorbed = any($1::uuid[]) then
    (select jsonb_object_agg(key, value) from jsonb_each(absorbed_record)
      where key = any('{version,created_at,first_seen_at,last_seen_at}'))
    else absorbed_record end,
  lost = '{}', cause = case when cause ? 'reason' then jsonb_set(cause, '{reason}', 'null') else cause end,
  undone = jsonb_set(undone, '{reason}', 'null')
where (survivor = any($1::uuid[]) or absorbed = any($1::uuid[])) and workspace = $2
"""
DELETE_PAIRS = "delete from kept_apart where (one = any($1::uuid[]) or other = any($1::uuid[])) and workspace = $2"
DELETE_PROPOSALS = "delete from proposals where (one = any($1::uuid[]) or other = any($1::uuid[])) and workspace = $2"
DELETE_PARKED = "delete from parked where workspace = $2 and (contact_id = any($1::uuid[]) or identifier_keys && $3::bytea[])"
# Also where the rest went to somebody else, who had merely claimed what was theirs. Few are parked, so all are looked through.
WAITING_PARKED = "select partition, \"offset\", event_id, contact_id, message from parked where workspace = $1 and state = 'open'"
DELETE_MENTIONING = """
delete from parked p using unnest($2::integer[], $3::bigint[], $4::text[]) as n (partition, "offset", event_id)
where p.partition = n.partition and p."offset" = n."offset" and p.event_id = n.event_id and p.workspace = $1
"""
QUARANTINED = "select exists (select from quarantine where workspace = $2 and identifier_key = any($1::bytea[]))"
DELETE_QUARANTINE = "delete from quarantine where workspace = $2 and identifier_key = any($1::bytea[])"

WAITING = "select id, payload from outbox where topic = $1 and key = any($2::bytea[]) and payload is not null order by id for update"
REWRITE = "update outbox o set payload = n.payload from unnest($1::bigint[], $2::bytea[]) as n (id, payload) where o.id = n.id"
TOMBSTONES = """
insert into outbox (shard, topic, key, payload, headers)
select n.shard, $1, n.key, null, n.headers from unnest($2::smallint[], $3::bytea[], $4::jsonb[]) as n (shard, key, headers)
"""
# Looked up by an array: joined, all that there are would be read, for every batch of a sweep.
BARRED = """
select hash, at from suppressions where workspace = $2 and
  hash = any(array(select sha256(k.secret || n.key) from unnest($1::bytea[]) as n (key) cross join suppression_secret k))
order by hash
"""

NOT_ERASED = "select contact_id from contacts where contact_id = any($1::uuid[]) and workspace = $2 and erased_at is null"
ERASED_AMONG = "select tenure_id from erased_tenures where tenure_id = any($1::bigint[])"
UNFINISHED = "select erasure_id, contact_id, contacts, at from erasures where workspace = $1 and purged_at is null order by at"
TENURES_OF = "select tenure_id from erased_tenures where erasure_id = $1 and workspace = $2"
FINISH = "update erasures set purged_at = clock_timestamp() where erasure_id = $1 and workspace = $2"
NOW_AT_WORK = "select pg_current_xact_id()::text::bigint"
OLDEST_AT_WORK = "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


class Unfinished(NamedTuple):
    """An erasure of which something is still to be purged."""

    erasure_id: UUID
    contact_id: UUID
    contacts: list[UUID]
    at: datetime


async def held_elsewhere(
    connection: Connection, workspace: str, keys: Iterable[IdentifierKey], contacts: Iterable[UUID]
) -> set[IdentifierKey]:
    """Which of these identifiers somebody holds who is none of these contacts."""
    rows = await connection.fetch(HELD_ELSEWHERE, sorted(keys), workspace, list(contacts))
    return {row["identifier_key"] for row in rows}


async def take_out(connection: Connection, erasures: Sequence[Erasure]) -> None:
    """Delete what says something of the person, bar what was theirs, rewrite what waits for the relay. The contacts are husks already."""
    for each in erasures:
        workspace, contacts, tenures, act = each.workspace, list(each.contacts), list(each.tenures), each.act
        await connection.execute(MARK, contacts, workspace, act.at)
        await connection.execute(RECORD, workspace, UUID(act.act_id), each.contact_id, contacts, act.at, act.actor, act.reason)
        await connection.execute(RECORD_TENURES, tenures, workspace, UUID(act.act_id))
        if each.barriers:
            columns = [list(column) for column in zip(*((one.key, one.at, one.workspace) for one in each.barriers), strict=True)]
            await connection.execute(SUPPRESS, *columns)
            await connection.execute(DELETE_BARRIERS, columns[0], workspace)
        for statement in (DELETE_EVIDENCE, DELETE_TENURES):
            await connection.execute(statement, tenures, workspace)
        for statement in (DELETE_MERGES, SCRUB_MERGES, DELETE_PAIRS, DELETE_PROPOSALS):
            await connection.execute(statement, contacts, workspace)
        await connection.execute(DELETE_PARKED, contacts, workspace, list(each.keys))
        theirs = await documents.forget_of(connection, workspace, contacts)
        await log.forget_details(connection, workspace, contacts, theirs)
        await idempotency.forget_answers(connection, workspace, [*contacts, *theirs])
        await activities.forget_of_contacts(connection, workspace, contacts)
        await outreach.forget_contacts(connection, workspace, contacts)
        asked = await challenges.forget_identifiers(connection, workspace, each.keys)
        await outreach.forget_challenges(connection, workspace, asked)
        await contact_sessions.forget_contacts(connection, workspace, contacts)
        await webhook_deliveries.forget_contacts(connection, workspace, contacts)
        await _forget_mentions(connection, each)
        await _rewrite(connection, contacts)


class _Named(msgspec.Struct):
    semantic_type: Any = None
    identifier: Any = None


class _Parked(msgspec.Struct):
    identifiers: list[_Named] = []


_decode_parked = msgspec.json.Decoder(_Parked).decode


async def _forget_mentions(connection: Connection, erasure: Erasure) -> None:
    """Delete what is parked of others, and names an identifier of the person."""
    names = {(kind, text.casefold()) for kind, text in erasure.names}
    found = [(row["partition"], row["offset"], row["event_id"]) async for row in mentioning(connection, erasure.workspace, names)]
    if found:
        await connection.execute(DELETE_MENTIONING, erasure.workspace, *([row[column] for row in found] for column in range(3)))


async def mentioning(connection: Connection, workspace: str, names: AbstractSet[tuple[str, str]]) -> AsyncIterator[Row]:
    """What is parked, of whomever, and names one of these identifiers: type and value, case folded."""
    async for row in connection.cursor(WAITING_PARKED, workspace, prefetch=500):
        if names & {(each.semantic_type, str(each.identifier).strip().casefold()) for each in _named(row)}:
            yield row


def _named(row: Row) -> list[_Named]:
    """What a parked message names; what was parked could be read, so whatever cannot is none of ours."""
    try:
        return _decode_parked(row["message"]).identifiers
    except msgspec.MsgspecError:
        return []


async def _rewrite(connection: Connection, contacts: Iterable[UUID]) -> None:
    """Changes that wait for the relay keep their versions, so that readers see no gap, and say nothing else any more."""
    rows = await connection.fetch(WAITING, CONTACTS_CHANGED, [str(each).encode() for each in contacts])
    if rows:
        told = [msgspec.structs.replace(msgspec.json.decode(row["payload"], type=ContactChange), changes={}, contact=None) for row in rows]
        await connection.execute(REWRITE, [row["id"] for row in rows], [msgspec.json.encode(each) for each in told])


async def end(connection: Connection, erasures: Sequence[Erasure], shards: int) -> None:
    """A tombstone for every id, behind its last change; and last of all, since that takes the row of changes of rules, the quarantine."""
    if not erasures:
        return
    told: dict[UUID, Tombstone] = {}
    for each in erasures:
        barred = [tombstones.Bar(*row) for row in await connection.fetch(BARRED, [one.key for one in each.barriers], each.workspace)]
        count = len(each.contacts)
        told |= {one: Tombstone(each.workspace, each.act.at, barred[at::count]) for at, one in enumerate(each.contacts)}
    await put_tombstones(connection, told, shards)
    for each in erasures:
        keys = list(each.keys)
        if await connection.fetchval(QUARANTINED, keys, each.workspace):
            await connection.execute(DELETE_QUARANTINE, keys, each.workspace)


async def put_tombstones(connection: Connection, told: Mapping[UUID, Tombstone], shards: int) -> None:
    """Tombstones for the relay, behind whatever waits there of these ids."""
    lots = [each.int % shards for each in told]
    keys, headers = [str(each).encode() for each in told], [to_json(tombstones.headers(each)) for each in told.values()]
    await connection.execute(TOMBSTONES, CONTACTS_CHANGED, lots, keys, headers)


async def not_erased(connection: Connection, workspace: str, contacts: Sequence[UUID]) -> list[UUID]:
    """Which of these ids a workspace has, and has not erased."""
    return sorted([row["contact_id"] for row in await connection.fetch(NOT_ERASED, contacts, workspace)])


async def erased_among(connection: Connection, tenures: Iterable[int]) -> set[int]:
    """Which of these tenures were an erased person's, in the workspaces that the transaction names."""
    return {row["tenure_id"] for row in await connection.fetch(ERASED_AMONG, list(tenures))}


async def unfinished(connection: Connection, workspace: str) -> list[Unfinished]:
    """Erasures of which something is left to purge, oldest first."""
    return [Unfinished(**dict(row)) for row in await connection.fetch(UNFINISHED, workspace)]


async def tenures_of(connection: Connection, workspace: str, erasure_id: UUID) -> list[int]:
    """The tenures that an erasure took."""
    return [row["tenure_id"] for row in await connection.fetch(TENURES_OF, erasure_id, workspace)]


async def sweep(connection: Connection, workspace: str, contacts: Sequence[UUID]) -> None:
    """Once more what a transaction may have written that began before the erasure and locked nobody."""
    await connection.execute(DELETE_PROPOSALS, list(contacts), workspace)
    await connection.execute(DELETE_PARKED, list(contacts), workspace, [])
    await outreach.forget_contacts(connection, workspace, contacts)
    await webhook_deliveries.forget_older(connection, workspace, contacts)


async def now_at_work(connection: Connection) -> int:
    """A transaction id: whoever writes now, and began before this, has a lower one."""
    found: int = await connection.fetchval(NOW_AT_WORK)
    return found


async def oldest_at_work(connection: Connection) -> int:
    """The lowest transaction id that may still be at work."""
    found: int = await connection.fetchval(OLDEST_AT_WORK)
    return found


async def finish(connection: Connection, workspace: str, erasure_id: UUID) -> None:
    """Say that nothing is left of it."""
    await connection.execute(FINISH, erasure_id, workspace)
