"""What calls under an idempotency key were answered, kept for a day (security.md, S85). Called by the User API's door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from onefold.records.rows import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onefold.records.store import Connection

# Held until the transaction ends: whoever comes meanwhile with the same key learns that the first is still at work.
TAKE = "select pg_try_advisory_xact_lock(hashtextextended($1 || chr(31) || $2 || chr(31) || $3, 85))"
FIND = "select fingerprint, status, headers, body from idempotency_keys where workspace = $1 and actor = $2 and key = $3"
KEEP = """
insert into idempotency_keys (workspace, actor, key, fingerprint, status, headers, body, objects) values ($1, $2, $3, $4, $5, $6, $7, $8)
"""
FORGET = """
delete from idempotency_keys where ctid in (
  select ctid from idempotency_keys where workspace = $1 and created_at < now() - interval '1 day' limit 100)
"""
FORGET_OF = """
update idempotency_keys set status = 410, headers = '{}', body = '' where workspace = $1 and objects && $2::text[]
"""


class Key(NamedTuple):
    """Whose key it is, and what it says."""

    workspace: str
    actor: str
    key: str


class Kept(NamedTuple):
    """An answer, and a fingerprint of the call that it was given to."""

    fingerprint: bytes
    status: int
    headers: str
    body: bytes


async def look(connection: Connection, key: Key) -> Kept | Literal["busy"] | None:
    """What was answered under a key; `busy` while the first call under it is at work; None: it is the caller's from here on."""
    if not await connection.fetchval(TAKE, *key):
        return "busy"
    row = await connection.fetchrow(FIND, *key)
    return Kept(*row.values()) if row is not None else None


async def keep(connection: Connection, key: Key, kept: Kept, objects: Sequence[str]) -> None:
    """Keep an answer, and forget some that are older than a day."""
    await connection.execute(KEEP, *key, *kept, list(objects))
    await connection.execute(FORGET, key.workspace)


async def forget_answers(connection: Connection, workspace: str, objects: Sequence[object]) -> None:
    """Forget what answers say of erased contacts; their keys stay taken, and say that it is gone (S103)."""
    await connection.execute(FORGET_OF, workspace, [str(each) for each in objects])


def headers_text(headers: Mapping[str, str]) -> str:
    """Headers as they are kept."""
    return to_json(dict(headers))
