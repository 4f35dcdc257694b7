"""The log: who did what to what, from what to what, why, and from where (security.md, S99). One chain of hashes a workspace.

Append-only: an entry's hash covers the entry before it, so whoever alters or removes one breaks the chain, which `onefold audit verify`
finds. Details lie apart, under a salted digest that the entry holds: those that tell of an erased person go, and the chain stays whole.
Entries are written last in their transaction, since the head of the chain is locked from then until it ends.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime
    from typing import TypeAlias

    import asyncpg

    from onefold.records.store import Connection

    Row: TypeAlias = asyncpg.Record | Mapping[str, Any]

START = bytes(32)
"""What the first entry of a chain names as the one before it."""

LOCK_HEAD = """
insert into log_heads as h (workspace) values ($1) on conflict (workspace) do update set seq = h.seq returning seq, hash
"""
MOVE_HEAD = "update log_heads set seq = $2, hash = $3 where workspace = $1"
NOW = "select clock_timestamp()"
INSERT_ENTRIES = """
insert into log_entries (workspace, seq, at, actor, action, object_type, object_id, object_version, act_id, address, user_agent, request_id,
  details_digest, previous, hash)
select $1, * from unnest($2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[],
  $10::text[], $11::text[], $12::text[], $13::bytea[], $14::bytea[], $15::bytea[])
"""
INSERT_DETAILS = """
insert into log_details (workspace, seq, salt, details) select $1, * from unnest($2::bigint[], $3::bytea[], $4::json[])
"""
_COLUMNS = (
    "e.seq, e.at, e.actor, e.action, e.object_type, e.object_id, e.object_version, e.act_id, e.address, e.user_agent, e.request_id,"
    " e.details_digest, e.previous, e.hash, d.salt, d.details"
)
# Whose records a Journey Manager's entries are of: those that they own or follow, and their own acts (S77).
_VISIBLE = """({0}::text is null or e.actor = 'user:' || {0} or exists (
    select from links l where l.object_id::text = e.object_id and l.workspace = e.workspace and l.object_type = e.object_type
    and l.kind in ('owner', 'follower') and l.value = {0}))"""
PAGE = f"""
select {_COLUMNS} from log_entries e left join log_details d using (workspace, seq)
where e.workspace = $1 and e.seq < coalesce($2, 9223372036854775807) and ($3::text is null or e.object_type = $3)
  and ($4::text is null or e.object_id = $4) and ($5::text is null or e.actor = $5) and ($6::text is null or e.action = $6)
  and ($7::timestamptz is null or e.at >= $7) and ($8::timestamptz is null or e.at < $8) and {_VISIBLE.format("$10")}
order by e.seq desc limit $9
"""
AFTER = f"""
select {_COLUMNS} from log_entries e left join log_details d using (workspace, seq)
where e.workspace = $1 and e.seq > $2 and {_VISIBLE.format("$4")} order by e.seq limit $3
"""
HEAD = "select seq, hash from log_heads where workspace = $1"
# Also what the same acts did to others: a merge gave them what was the person's.
FORGET_DETAILS = """
with theirs as (
  select workspace, seq, act_id from log_entries where workspace = $1 and object_type = 'contacts' and object_id = any($2::text[])
  union all
  select workspace, seq, act_id from log_entries where workspace = $1 and object_type = 'documents' and object_id = any($3::text[])
)
delete from log_details d where d.workspace = $1 and d.seq in (
  select seq from theirs union select e.seq from theirs t join log_entries e on e.workspace = t.workspace and e.act_id = t.act_id
)
"""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an act came from."""

    address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """What was done, before it has its place in the chain. `changes` are typed: `{"type": "field", "slug", "old_value", "new_value"}`."""

    actor: str
    action: str
    object_type: str
    object_id: str
    object_version: int | None = None
    act_id: str | None = None
    """The same for everything that one act did."""
    reason: str | None = None
    changes: Sequence[Mapping[str, object]] = ()
    origin: Origin = field(default_factory=Origin)


class Details(msgspec.Struct, omit_defaults=True):
    """What was different, and why it was done."""

    reason: str | None = None
    changes: list[dict[str, Any]] = []


_decode_details = msgspec.json.Decoder(Details).decode


class Entry(NamedTuple):
    """One link of the chain."""

    seq: int
    at: datetime
    actor: str
    action: str
    object_type: str
    object_id: str
    object_version: int | None
    act_id: str | None
    address: str | None
    user_agent: str | None
    request_id: str | None
    details_digest: bytes | None
    previous: bytes
    hash: bytes
    salt: bytes | None
    details: str | None
    """JSON text, as it was digested. None where there are none, or where they went with an erased person."""

    @property
    def told(self) -> Details:
        """What was different, and why."""
        return _decode_details(self.details) if self.details is not None else Details()


class Wanted(NamedTuple):
    """Which entries of the log a page is of."""

    object_type: str | None = None
    object_id: str | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def append(connection: Connection, workspace: str, acts: Sequence[Act]) -> int:
    """Write acts into the log, in their order; gives the number of the last. The last thing that a transaction does."""
    if not acts:
        return 0
    head = await connection.fetchrow(LOCK_HEAD, workspace)
    assert head is not None  # noqa: S101 -- the statement gives a row
    at = await connection.fetchval(NOW)
    previous, entries = head["hash"], []
    for seq, act in enumerate(acts, head["seq"] + 1):
        entry = _link(workspace, seq, at, act, previous)
        entries.append(entry)
        previous = entry.hash
    columns = zip(*(each[:14] for each in entries), strict=True)
    await connection.execute(INSERT_ENTRIES, workspace, *map(list, columns))
    detailed = [(each.seq, each.salt, each.details) for each in entries if each.details is not None]
    if detailed:
        await connection.execute(INSERT_DETAILS, workspace, *map(list, zip(*detailed, strict=True)))
    last = entries[-1]
    await connection.execute(MOVE_HEAD, workspace, last.seq, last.hash)
    return last.seq


async def page(
    connection: Connection, workspace: str, wanted: Wanted, *, before: int | None, limit: int, visible: str | None = None
) -> list[Entry]:
    """Entries, the latest first, before a number; `visible`: only those of records that this user owns or follows."""
    return [_entry_of(row) for row in await connection.fetch(PAGE, workspace, before, *wanted, limit, visible)]


async def after(connection: Connection, workspace: str, seq: int, limit: int, *, visible: str | None = None) -> list[Entry]:
    """Entries in their order, after a number: numbers are given under the lock of the head, so none appears behind a reader."""
    return [_entry_of(row) for row in await connection.fetch(AFTER, workspace, seq, limit, visible)]


async def head(connection: Connection, workspace: str) -> tuple[int, bytes]:
    """Number and hash of the last entry."""
    row = await connection.fetchrow(HEAD, workspace)
    return (row["seq"], row["hash"]) if row is not None else (0, START)


async def chain(connection: Connection, workspace: str, *, chunk: int = 5_000) -> AsyncIterator[Entry]:
    """Every entry in its order."""
    seq = 0
    while entries := await after(connection, workspace, seq, chunk):
        for each in entries:
            yield each
        seq = entries[-1].seq


async def forget_details(connection: Connection, workspace: str, contacts: Sequence[object], documents: Sequence[object] = ()) -> None:
    """Delete what the log says of these contacts and documents beyond that something was done (S103)."""
    await connection.execute(FORGET_DETAILS, workspace, [str(each) for each in contacts], [str(each) for each in documents])


def hash_of(workspace: str, entry: Entry) -> bytes:
    """What an entry's hash must be: over its workspace, its fields but the hash itself, and the hash before it."""
    told = [workspace, entry.seq, entry.at.isoformat(), *entry[2:11], entry.details_digest.hex() if entry.details_digest else None]
    return sha256(entry.previous + _encode(told)).digest()


def digest_of(salt: bytes, details: str) -> bytes:
    """What an entry's digest of its details must be. Salted, so that details that went cannot be guessed."""
    return sha256(salt + details.encode()).digest()


def _link(workspace: str, seq: int, at: datetime, act: Act, previous: bytes) -> Entry:
    salt, text, digest = None, None, None
    if act.changes or act.reason:
        details = Details(act.reason, [dict(each) for each in act.changes])
        salt, text = secrets.token_bytes(16), _encode(details).decode()
        digest = digest_of(salt, text)
    origin = act.origin
    entry = Entry(
        seq, at, act.actor, act.action, act.object_type, act.object_id, act.object_version, act.act_id, origin.address, origin.user_agent,
        origin.request_id, digest, previous, b"", salt, text,
    )  # fmt: skip
    return entry._replace(hash=hash_of(workspace, entry))


def _entry_of(row: Row) -> Entry:
    return Entry(*row.values())
