"""Rows of write keys. Knows hashes only; what a key is made of is `onefold.access.keys`, which calls this."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from onefold.errors import Refused

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from onefold.records.store import Connection

_INSERT = """
insert into keys (workspace, key_id, kind, title, hash, shown, expires_at, requires_identity) values ($1, $2, $3, $4, $5, $6, $7, $8)
returning key_id, workspace, kind, title, shown, created_at, expires_at, revoked_at, last_used_at, requires_identity
"""
_LIST = """
select key_id, workspace, kind, title, shown, created_at, expires_at, revoked_at, last_used_at, requires_identity
from keys where workspace = $1 order by created_at, key_id
"""
_REVOKE = """
update keys set revoked_at = coalesce(revoked_at, now()) where workspace = $1 and key_id = $2
returning key_id, workspace, kind, title, shown, created_at, expires_at, revoked_at, last_used_at, requires_identity
"""
_FIND = "select key_id, workspace, kind, title, scopes, requires_identity from find_write_key($1)"


class WorkspaceNotFound(Refused):
    """No workspace has the slug that was named."""

    code = "workspace_not_found"


class KeyRow(NamedTuple):
    """One write key, as an operator may see it."""

    key_id: uuid.UUID
    workspace: str
    kind: str
    title: str
    shown: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    requires_identity: bool


class FoundKey(NamedTuple):
    """A live key, as the collector needs it."""

    key_id: uuid.UUID
    workspace: str
    kind: str
    title: str
    scopes: list[str]
    requires_identity: bool


class NewKey(NamedTuple):
    """A key to store."""

    workspace: str
    key_id: uuid.UUID
    kind: str
    title: str
    hash: bytes
    shown: str
    expires_at: datetime | None
    requires_identity: bool


async def insert_key(tx: Connection, key: NewKey) -> KeyRow:
    """Store a key. Raises WorkspaceNotFound."""
    try:
        [row] = await tx.fetch(_INSERT, *key)
    except asyncpg.ForeignKeyViolationError as error:
        raise WorkspaceNotFound(f"no workspace is called {key.workspace!r}; `onefold setup` makes one") from error
    return KeyRow(**dict(row))


async def list_keys(tx: Connection, workspace: str) -> list[KeyRow]:
    """All keys of a workspace, the revoked ones too, oldest first."""
    return [KeyRow(**dict(row)) for row in await tx.fetch(_LIST, workspace)]


async def revoke_key(tx: Connection, workspace: str, key_id: uuid.UUID) -> KeyRow | None:
    """End a key; a second time changes nothing. None if the workspace has no such key."""
    row = await tx.fetchrow(_REVOKE, workspace, key_id)
    return KeyRow(**dict(row)) if row is not None else None


async def find_key(connection: Connection, key_hash: bytes) -> FoundKey | None:
    """The live key with this hash, of whatever workspace, and a note that it was used."""
    row = await connection.fetchrow(_FIND, key_hash)
    return FoundKey(**dict(row)) if row is not None else None
