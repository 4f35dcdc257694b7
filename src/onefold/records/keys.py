"""Rows of write keys. Knows hashes only; what a key is made of is `onefold.access.keys`, which calls this."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from onefold.errors import Refused

if TYPE_CHECKING:
    import uuid
    from datetime import datetime, timedelta

    from onefold.records.store import Connection

_COLUMNS = (
    "key_id, workspace, kind, title, shown, created_at, expires_at, revoked_at, last_used_at, requires_identity, description, allowed_urls,"
    " allowed_addresses, is_enabled, user_id"
)
_INSERT = f"""
insert into keys (workspace, key_id, kind, title, hash, shown, expires_at, requires_identity, description, allowed_urls, allowed_addresses,
  user_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
returning {_COLUMNS}
"""
_LIST = f"select {_COLUMNS} from keys where workspace = $1 order by created_at, key_id"
_GET = f"select {_COLUMNS} from keys where workspace = $1 and key_id = $2"
_REVOKE = f"""
update keys set revoked_at = coalesce(revoked_at, now()) where workspace = $1 and key_id = $2
returning {_COLUMNS}
"""
_UPDATE = f"""
update keys set title = $3, description = $4, allowed_urls = $5, allowed_addresses = $6, is_enabled = $7
where workspace = $1 and key_id = $2 returning {_COLUMNS}
"""
_END = f"""
update keys set expires_at = least(expires_at, now() + $3) where workspace = $1 and key_id = $2
returning {_COLUMNS}
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
    description: str | None
    allowed_urls: list[str]
    allowed_addresses: list[str]
    is_enabled: bool
    user_id: uuid.UUID | None
    """Whose it is: of service keys only."""


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
    description: str | None
    allowed_urls: list[str]
    allowed_addresses: list[str]
    user_id: uuid.UUID | None


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


async def get_key(tx: Connection, workspace: str, key_id: uuid.UUID) -> KeyRow | None:
    """One key of a workspace."""
    row = await tx.fetchrow(_GET, workspace, key_id)
    return KeyRow(**dict(row)) if row is not None else None


async def update_key(tx: Connection, key: KeyRow) -> KeyRow | None:
    """Store what may change of a key."""
    row = await tx.fetchrow(
        _UPDATE, key.workspace, key.key_id, key.title, key.description, key.allowed_urls, key.allowed_addresses, key.is_enabled
    )
    return KeyRow(**dict(row)) if row is not None else None


async def end_key(tx: Connection, workspace: str, key_id: uuid.UUID, after: timedelta) -> KeyRow | None:
    """Let a key expire after a while, if it does not before."""
    row = await tx.fetchrow(_END, workspace, key_id, after)
    return KeyRow(**dict(row)) if row is not None else None


async def revoke_key(tx: Connection, workspace: str, key_id: uuid.UUID) -> KeyRow | None:
    """End a key; a second time changes nothing. None if the workspace has no such key."""
    row = await tx.fetchrow(_REVOKE, workspace, key_id)
    return KeyRow(**dict(row)) if row is not None else None


async def find_key(connection: Connection, key_hash: bytes) -> FoundKey | None:
    """The live key with this hash, of whatever workspace, and a note that it was used."""
    row = await connection.fetchrow(_FIND, key_hash)
    return FoundKey(**dict(row)) if row is not None else None
