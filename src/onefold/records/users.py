"""Rows of users, and how a call's credential leads to one. What a user may do is `onefold.access`, which calls this."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from onefold.errors import AlreadyExists
from onefold.records import password_resets, sign_in_links

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from onefold.records.store import Connection

_COLUMNS = (
    "workspace, user_id, email, given_name, last_name, roles, password_hash, must_reset, is_enabled, version, created_at, updated_at,"
    " archived_at"
)
INSERT = f"""
insert into users (workspace, user_id, email, given_name, last_name, roles, password_hash, must_reset)
values ($1, $2, $3, $4, $5, $6, $7, $8)
returning {_COLUMNS}
"""
BY_ID = f"select {_COLUMNS} from users where user_id = $2 and workspace = $1"
LOCKED_BY_ID = f"{BY_ID} for no key update"
BY_EMAIL = f"select {_COLUMNS} from users where workspace = $1 and email = $2 and archived_at is null"
PAGE = f"""
select {_COLUMNS} from users
where workspace = $1 and ($2::timestamptz is null or (created_at, user_id) > ($2, $3::uuid))
  and ($4::text is null or $4 = any(roles)) and (archived_at is not null) = $5 and ($6::text[] is null or not (roles && $6))
order by created_at, user_id limit $7
"""
UPDATE = f"""
update users set email = $3, given_name = $4, last_name = $5, roles = $6, is_enabled = $7, archived_at = $8, version = version + 1,
  updated_at = now()
where user_id = $2 and workspace = $1 returning {_COLUMNS}
"""
STORE_CREDENTIAL = """
update users set password_hash = $3, must_reset = $4, version = version + case when $5 then 1 else 0 end, updated_at = now()
where user_id = $2 and workspace = $1
"""
LOCK_ADMINS = """
select user_id from users where workspace = $1 and 'super_admin' = any(roles) and is_enabled and archived_at is null
order by user_id for no key update
"""
BEGIN_SESSION = """
insert into sessions (workspace, session_id, user_id, hash, ends_at, address, user_agent) values ($1, $2, $3, $4, now() + $5, $6, $7)
"""
END_SESSION = "update sessions set ended_at = now() where session_id = $2 and workspace = $1 and ended_at is null"
END_SESSIONS = """
update sessions set ended_at = now() where user_id = $2 and workspace = $1 and ended_at is null and session_id is distinct from $3
"""
FORGET_ENDED = "delete from sessions where workspace = $1 and ends_at < now() - interval '30 days'"
LIST_SESSIONS = """
select session_id, created_at, last_used_at, ends_at, address, user_agent from sessions
where user_id = $2 and workspace = $1 and ended_at is null and ends_at > now() order by created_at desc
"""
KNOWN_ADDRESSES = """
select s.address from users u join sessions s on s.user_id = u.user_id and s.workspace = u.workspace
where u.workspace = $1 and u.email = $2 and u.archived_at is null and s.address is not null
group by s.address order by max(s.created_at) desc limit 50
"""
ENTER_BY_SESSION = "select workspace, user_id, roles, session_id, must_reset from enter_by_session($1, $2)"
ENTER_BY_KEY = "select workspace, user_id, roles, key_id, allowed_urls, allowed_addresses from enter_by_key($1)"


class UserRow(NamedTuple):
    """A user of one workspace."""

    workspace: str
    user_id: UUID
    email: str
    given_name: str | None
    last_name: str | None
    roles: list[str]
    password_hash: str | None
    must_reset: bool
    is_enabled: bool
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class SessionRow(NamedTuple):
    """A session that goes on, as its user may see it."""

    session_id: UUID
    created_at: datetime
    last_used_at: datetime
    ends_at: datetime
    address: str | None
    user_agent: str | None


class EnteredBySession(NamedTuple):
    """Who a session is of. The transaction names their workspace now."""

    workspace: str
    user_id: UUID
    roles: list[str]
    session_id: UUID
    must_reset: bool


class EnteredByKey(NamedTuple):
    """Whose a service key is, and from where it may be used. The transaction names their workspace now."""

    workspace: str
    user_id: UUID
    roles: list[str]
    key_id: UUID
    allowed_urls: list[str]
    allowed_addresses: list[str]


class NewUser(NamedTuple):
    """A user to store."""

    workspace: str
    user_id: UUID
    email: str
    given_name: str | None
    last_name: str | None
    roles: Sequence[str]
    password_hash: str | None
    must_reset: bool


class Begun(NamedTuple):
    """A session to store: who signed in, the hash of its token, for how long, and from where."""

    workspace: str
    session_id: UUID
    user_id: UUID
    hash: bytes
    life: timedelta
    address: str | None
    user_agent: str | None


async def insert_user(connection: Connection, user: NewUser) -> UserRow:
    """Store a user. Raises AlreadyExists where the workspace has one of this e-mail."""
    try:
        async with connection.transaction():
            row = await connection.fetchrow(INSERT, *user)
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists(f"workspace {user.workspace} has a user {user.email} already") from error
    assert row is not None  # noqa: S101 -- the statement gives a row
    return UserRow(*row.values())


async def user_by_id(connection: Connection, workspace: str, user_id: UUID, *, will_write: bool = False) -> UserRow | None:
    """A user; locked, where something is to be written."""
    row = await connection.fetchrow(LOCKED_BY_ID if will_write else BY_ID, workspace, user_id)
    return UserRow(*row.values()) if row is not None else None


async def user_by_email(connection: Connection, workspace: str, email: str) -> UserRow | None:
    """The user who signs in with this e-mail."""
    row = await connection.fetchrow(BY_EMAIL, workspace, email)
    return UserRow(*row.values()) if row is not None else None


async def list_users(
    connection: Connection,
    workspace: str,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
    role: str | None = None,
    archived: bool = False,
    without_roles: Sequence[str] | None = None,
) -> list[UserRow]:
    """Users, the oldest first, after a place."""
    created_at, user_id = after or (None, None)
    rows = await connection.fetch(PAGE, workspace, created_at, user_id, role, archived, without_roles, limit)
    return [UserRow(*row.values()) for row in rows]


async def update_user(connection: Connection, user: UserRow) -> UserRow:
    """Store what a user is now, as one version more. Raises AlreadyExists where another has the e-mail."""
    try:
        async with connection.transaction():
            row = await connection.fetchrow(
                UPDATE,
                user.workspace,
                user.user_id,
                user.email,
                user.given_name,
                user.last_name,
                user.roles,
                user.is_enabled,
                user.archived_at,
            )
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists(f"workspace {user.workspace} has a user {user.email} already") from error
    assert row is not None  # noqa: S101 -- it is locked by the caller
    return UserRow(*row.values())


async def set_password(connection: Connection, user: UserRow, password_hash: str | None, *, must_reset: bool, is_change: bool) -> None:
    """Store what a password is compared with. `is_change`: not merely the same one hashed anew; then no earlier link counts."""
    if is_change:
        await password_resets.end_all(connection, user.workspace, user.user_id)
        await sign_in_links.end_all(connection, user.workspace, user.user_id)
    await connection.execute(STORE_CREDENTIAL, user.workspace, user.user_id, password_hash, must_reset, is_change)


async def lock_admins(connection: Connection, workspace: str) -> list[UUID]:
    """The Super Admins who can sign in, locked in their order, so that two who demote each other wait for one another."""
    return [row["user_id"] for row in await connection.fetch(LOCK_ADMINS, workspace)]


async def begin_session(connection: Connection, session: Begun) -> None:
    """Store a session, and forget those that ended long ago."""
    await connection.execute(BEGIN_SESSION, *session)
    await connection.execute(FORGET_ENDED, session.workspace)


async def end_session(connection: Connection, workspace: str, session_id: UUID) -> None:
    """End one session; a second time changes nothing."""
    await connection.execute(END_SESSION, workspace, session_id)


async def end_sessions(connection: Connection, workspace: str, user_id: UUID, *, but: UUID | None = None) -> None:
    """End a user's sessions, all but one."""
    await connection.execute(END_SESSIONS, workspace, user_id, but)


async def list_sessions(connection: Connection, workspace: str, user_id: UUID) -> list[SessionRow]:
    """A user's sessions that go on, the latest first."""
    return [SessionRow(*row.values()) for row in await connection.fetch(LIST_SESSIONS, workspace, user_id)]


async def known_addresses(connection: Connection, workspace: str, email: str) -> list[str]:
    """From where the user of this e-mail signed in within the last month, the latest first; for nobody's e-mail nowhere."""
    return [row["address"] for row in await connection.fetch(KNOWN_ADDRESSES, workspace, email)]


async def enter_by_session(connection: Connection, token_hash: bytes, idle: timedelta) -> EnteredBySession | None:
    """Who a session's token is of, unless it ended; the transaction names their workspace from here on."""
    row = await connection.fetchrow(ENTER_BY_SESSION, token_hash, idle)
    return EnteredBySession(*row.values()) if row is not None else None


async def enter_by_key(connection: Connection, key_hash: bytes) -> EnteredByKey | None:
    """Whose a service key is, unless it ended; the transaction names their workspace from here on."""
    row = await connection.fetchrow(ENTER_BY_KEY, key_hash)
    return EnteredByKey(*row.values()) if row is not None else None
