"""What `onefold check` reads: long looks at every row, in one snapshot each, that change nothing and hold up nobody.

Rows are streamed through cursors. While a look lasts, Postgres keeps what is updated meanwhile (vacuum waits); it has no other effect.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from onefold.identity.contact import LISTED_IDENTIFIERS, listing_order
from onefold.messages.topics import CONTACTS_CHANGED, INTERACTIONS
from onefold.records.rows import CONTACT_COLUMNS, contact_of, tenure_of
from onefold.records.segments import COLUMNS, Segment, segment_of
from onefold.records.snapshots import LISTINGS
from onefold.records.store import hold, name_workspaces
from onefold.segments.compile import compile_query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from uuid import UUID

    from onefold.identity.contact import Contact
    from onefold.records.rows import Row
    from onefold.records.store import Connection, Store

CHUNK = 2_000
"""Rows that a cursor fetches at once."""

PATIENT = """
select set_config('statement_timeout', '0', false), set_config('transaction_timeout', '0', false),
  set_config('idle_in_transaction_session_timeout', '300000', false)
"""
PROGRESS = "select partition, generation, next_offset from progress where consumer = 'resolver' and topic = $1"
REPLAYS = "select plan from jobs where kind = 'replay'"

# No index may answer it: the index is what is doubted.
WITHOUT_INDEX = (
    "select set_config(name, 'off', true) from unnest('{enable_indexscan,enable_indexonlyscan,enable_bitmapscan}'::text[]) as name"
)
TWICE_OPEN = """
select workspace, identifier_key, array_agg(tenure_id order by tenure_id) as tenures, array_agg(contact_id order by tenure_id) as contacts
from identifiers where held_until is null group by workspace, identifier_key having count(*) > 1
"""
OPEN = "select count(*) from identifiers where held_until is null"

# Rows are joined here by their keys, some at a time: a join in Postgres, planned before its tables were analysed, took minutes.
ABSORBED = "select contact_id, merged_into, root from contacts where merged_into is not null"
REDIRECTED = "select contact_id, merged_into from contacts where merged_into is not null and erased_at is null"
ROOTS_ELSEWHERE = "select contact_id, root from contacts where merged_into is null and root <> contact_id"
OPEN_TENURES = "select tenure_id, contact_id, via from identifiers where held_until is null"
HOLDERS = "select contact_id, workspace, summary, identifiers_total from contacts"

CONTACT_ROOTS = "select contact_id, root from contacts where contact_id = any($1::uuid[])"
NOT_ABSORBED = "select contact_id from contacts where contact_id = any($1::uuid[]) and merged_into is null"
MERGES = "select absorbed, survivor from merges where absorbed = any($1::uuid[])"
UNDONE = "select survivor, absorbed, returned from merges where undone_at is not null"
TENURE_HOLDERS = "select tenure_id, contact_id from identifiers where tenure_id = any($1::bigint[])"
FIRST_EVIDENCE = """
select tenure_id, event_id, topic, partition, "offset", rule from evidence where tenure_id = any($1::bigint[]) and ordinal = 1
"""
HELD = """
select tenure_id, contact_id, semantic_type, assurance, is_validated, identifier_key from identifiers
where contact_id = any($1::uuid[]) and held_until is null
"""

CONTACTS = f"select {CONTACT_COLUMNS} from contacts where contact_id >= $1 and contact_id <= $2"
COUNT_CONTACTS = "select count(*) from contacts"
WAITING = "select key, payload from outbox where topic = $1 and key >= $2 and key <= $3 order by id"
OLD_ROWS = """
select id, shard, topic, created_at from outbox where created_at < clock_timestamp() - make_interval(secs => $1) order by id
"""
COUNT_OUTBOX = "select count(*) from outbox"

LIVE_SEGMENTS = f"select {COLUMNS} from segments where state = 'live'"
MEMBERS = "select count(*) from memberships where segment_id = $1 and workspace = $2 and is_member"
FALSE_MEMBERSHIPS = """
with truth as (
  select c.contact_id from contacts c where c.workspace = $1 and c.merged_into is null and c.archived_at is null
    and c.erased_at is null and {condition}
), members as (
  select contact_id from memberships where workspace = $1 and segment_id = $2 and is_member
)
select coalesce(t.contact_id, m.contact_id) as contact_id, t.contact_id is not null as matches
from truth t full join members m on m.contact_id = t.contact_id where t.contact_id is null or m.contact_id is null
"""


VERSIONS = "select contact_id, version from contacts where contact_id = any($1::uuid[])"


class Progress(NamedTuple):
    """How far the resolvers decided one partition."""

    generation: int
    next_offset: int


@asynccontextmanager
async def looking(store: Store, workspaces: Iterable[str]) -> AsyncIterator[Connection]:
    """One snapshot of these workspaces, read only, however long reading takes. Raises StoreUnavailable."""
    async with store.connection() as connection:
        hold(connection)
        await connection.execute(PATIENT)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await name_workspaces(connection, workspaces)
            yield connection


async def progress(store: Store) -> dict[int, Progress]:
    """How far the resolvers are, by partition of `interactions`."""
    async with store.connection() as connection:
        rows = await connection.fetch(PROGRESS, INTERACTIONS)
    return {row["partition"]: Progress(row["generation"], row["next_offset"]) for row in rows}


async def replayed_ranges(store: Store) -> list[tuple[int, int, int]]:
    """(partition, first, end) of whatever a replay covers or covered, end not included."""
    async with store.connection() as connection:
        plans = [msgspec.json.decode(row["plan"]) for row in await connection.fetch(REPLAYS)]
    return [(each["partition"], each["from"], each["to"]) for plan in plans for each in plan.get("ranges", ())]


async def rows(connection: Connection, statement: str, *arguments: object) -> AsyncIterator[Row]:
    """The rows of a statement of this module, streamed."""
    async for row in connection.cursor(statement, *arguments, prefetch=CHUNK):
        yield row


async def chunks(connection: Connection, statement: str, *arguments: object) -> AsyncIterator[Sequence[Row]]:
    """The same, some at a time."""
    cursor = await connection.cursor(statement, *arguments)
    while found := await cursor.fetch(CHUNK):
        yield found


async def twice_open(connection: Connection) -> tuple[int, Sequence[Row]]:
    """How many tenures are open, and the identifiers of which several are; no index is used."""
    await connection.execute(WITHOUT_INDEX)
    return await connection.fetchval(OPEN), await connection.fetch(TWICE_OPEN)


async def contact_roots(connection: Connection, contacts: Iterable[UUID]) -> dict[UUID, UUID]:
    """Where these contacts' ids lead; those that do not exist are left out."""
    return {row["contact_id"]: row["root"] for row in await connection.fetch(CONTACT_ROOTS, list(contacts))}


async def tenure_roots(connection: Connection, tenures: Iterable[int]) -> dict[int, UUID]:
    """Whom these tenures belong to now, redirects followed; those that do not exist, or whose contact does not, are left out."""
    holders = {row["tenure_id"]: row["contact_id"] for row in await connection.fetch(TENURE_HOLDERS, list(tenures))}
    roots = await contact_roots(connection, set(holders.values()))
    return {tenure: roots[holder] for tenure, holder in holders.items() if holder in roots}


async def not_absorbed(connection: Connection, contacts: Iterable[UUID]) -> set[UUID]:
    """Which of these contacts exist and are not absorbed."""
    return {row["contact_id"] for row in await connection.fetch(NOT_ABSORBED, list(contacts))}


async def merges_of(connection: Connection, absorbed: Iterable[UUID]) -> set[tuple[UUID, UUID]]:
    """(absorbed, survivor) of every merge that absorbed one of these."""
    return {(row["absorbed"], row["survivor"]) for row in await connection.fetch(MERGES, list(absorbed))}


async def undone_merges(connection: Connection) -> Sequence[Row]:
    """Every merge that was undone, with the tenures that went back."""
    return await connection.fetch(UNDONE)


async def first_evidence(connection: Connection, tenures: Iterable[int]) -> dict[int, Row]:
    """The first evidence of these tenures."""
    return {row["tenure_id"]: row for row in await connection.fetch(FIRST_EVIDENCE, list(tenures))}


async def held_by(connection: Connection, contacts: Iterable[UUID]) -> dict[UUID, list[Row]]:
    """The open tenures of these contacts."""
    found: dict[UUID, list[Row]] = {}
    for row in await connection.fetch(HELD, list(contacts)):
        found.setdefault(row["contact_id"], []).append(row)
    return found


async def versions_of(connection: Connection, contacts: Iterable[UUID]) -> dict[UUID, int]:
    """The versions that these contacts are at."""
    return {row["contact_id"]: row["version"] for row in await connection.fetch(VERSIONS, list(contacts))}


async def listed_contacts(connection: Connection, first: UUID, last: UUID, workspaces: Sequence[str]) -> AsyncIterator[Contact]:
    """The contacts between two ids, both included, with their identifiers in the order of listing; none where there are over 200."""
    async for chunk in chunks(connection, CONTACTS, first, last):
        contacts = {(row["workspace"], row["contact_id"]): contact_of(row) for row in chunk}
        holders = [each.contact_id for each in contacts.values() if 0 < each.summary.total <= LISTED_IDENTIFIERS]
        for row in await connection.fetch(LISTINGS, holders, list(workspaces)) if holders else ():
            contacts[row["workspace"], row["contact_id"]].listed.append(tenure_of(row))
        for contact in contacts.values():
            contact.listed.sort(key=listing_order)
            yield contact


async def waiting_changes(connection: Connection, first: bytes, last: bytes) -> AsyncIterator[tuple[bytes, bytes | None]]:
    """Changes and tombstones in the outbox, in their order, by the ids of contacts between two, both included."""
    async for row in rows(connection, WAITING, CONTACTS_CHANGED, first, last):
        yield row["key"], row["payload"]


async def live_segments(connection: Connection) -> list[Segment]:
    """The segments that are filled."""
    return [segment_of(row) for row in await connection.fetch(LIVE_SEGMENTS)]


async def false_memberships(connection: Connection, segment: Segment) -> tuple[int, Sequence[Row]]:
    """How many members a segment has, and where membership is not what its query gives, evaluated from scratch."""
    compiled = compile_query(segment.query, 3)
    statement = FALSE_MEMBERSHIPS.format(condition=compiled.sql)
    members: int = await connection.fetchval(MEMBERS, segment.segment_id, segment.workspace)
    return members, await connection.fetch(statement, segment.workspace, segment.segment_id, *compiled.parameters)


async def old_rows(connection: Connection, seconds: float) -> AsyncIterator[Any]:
    """Outbox rows that are older than that, oldest first."""
    async for row in rows(connection, OLD_ROWS, seconds):
        yield row
