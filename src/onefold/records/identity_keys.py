"""Rows of the keys that verify identity tokens. Holds public halves only; what makes a key good is `onefold.access.identity_keys`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import asyncpg

from onefold.records.keys import WorkspaceNotFound

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from onefold.records.store import Connection

_COLUMNS: Final = "key_id, workspace, title, public_key, created_at, not_before, expires_at, revoked_at"
_INSERT: Final = f"""
insert into identity_keys (workspace, key_id, title, public_key, not_before, expires_at)
values ($1, $2, $3, $4, coalesce($5, now()), $6) returning {_COLUMNS}
"""
_LIST: Final = f"select {_COLUMNS} from identity_keys where workspace = $1 order by created_at, key_id"
_LIVE: Final = f"""
select {_COLUMNS} from identity_keys
where workspace = $1 and revoked_at is null and (expires_at is null or expires_at > now()) order by created_at, key_id
"""
_REVOKE: Final = f"""
update identity_keys set revoked_at = coalesce(revoked_at, now()) where workspace = $1 and key_id = $2 returning {_COLUMNS}
"""


class IdentityKeyRow(NamedTuple):
    """One key, as an operator may see it. Nothing of it is secret."""

    key_id: uuid.UUID
    workspace: str
    title: str
    public_key: str
    created_at: datetime
    not_before: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NewIdentityKey(NamedTuple):
    """A key to store. Without `not_before` it counts from now on."""

    workspace: str
    key_id: uuid.UUID
    title: str
    public_key: str
    not_before: datetime | None
    expires_at: datetime | None


async def insert_identity_key(tx: Connection, key: NewIdentityKey) -> IdentityKeyRow:
    """Store a key. Raises WorkspaceNotFound."""
    try:
        [row] = await tx.fetch(_INSERT, *key)
    except asyncpg.ForeignKeyViolationError as error:
        raise WorkspaceNotFound(f"no workspace is called {key.workspace!r}; `onefold setup` makes one") from error
    return IdentityKeyRow(**dict(row))


async def list_identity_keys(tx: Connection, workspace: str) -> list[IdentityKeyRow]:
    """All keys of a workspace, the revoked ones too, oldest first."""
    return [IdentityKeyRow(**dict(row)) for row in await tx.fetch(_LIST, workspace)]


async def live_identity_keys(tx: Connection, workspace: str) -> list[IdentityKeyRow]:
    """The keys that are neither revoked nor expired by the database's clock; those that are still to begin, too."""
    return [IdentityKeyRow(**dict(row)) for row in await tx.fetch(_LIVE, workspace)]


async def revoke_identity_key(tx: Connection, workspace: str, key_id: uuid.UUID) -> IdentityKeyRow | None:
    """End a key; a second time changes nothing. None if the workspace has no such key."""
    row = await tx.fetchrow(_REVOKE, workspace, key_id)
    return IdentityKeyRow(**dict(row)) if row is not None else None
