"""Rows of visitors' sessions and passwords. Whether one is in force is derived from who holds its identifier now.

No merge, eviction, removal or erasure has to know of sessions: each changes the tenure that a session stands on, and so ends it. Called
by `onefold.visitors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onefold.records.challenges import IS_KNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from onefold.identity.identifiers import IdentifierKey
    from onefold.records.store import Connection

# An address; or what a provider calls somebody, while the workspace lets contacts sign in by it.
_SIGNS_IN = """(i.semantic_type in ('email', 'phone') or i.semantic_type = 'oauth' and exists (
  select from contact_issuers c where c.issuer = split_part(i.normalised, '|', 1) and c.workspace = i.workspace and c.is_enabled))"""
# Of the same contact, through the same tenure, which is still proved.
_HOLDS = f"i.held_until is null and i.is_validated and i.contact_id = s.contact_id and {_SIGNS_IN}"
# Some of those that are over go on the way. Where a password opens it, the password is held meanwhile: whoever sets another one waits, and
# finds the session among those that end with the old one.
BEGIN = """
with old as (delete from contact_sessions where ctid in (
  select ctid from contact_sessions where workspace = $1 and expires_at < clock_timestamp() limit 100 for update skip locked))
insert into contact_sessions (workspace, session_id, contact_id, tenure_id, token_hash, method, expires_at)
select $1, $2, i.contact_id, i.tenure_id, $4, $5, clock_timestamp() + $6::interval
from identifiers i where i.identifier_key = $3 and i.workspace = $1 and i.held_until is null and i.is_validated
  and ($7::text is null or exists (
    select from contact_passwords p where p.contact_id = i.contact_id and p.workspace = $1 and p.password_hash = $7 for share))
returning contact_id, expires_at
"""
_IN_FORCE = f"""
select s.session_id, s.contact_id, s.tenure_id, i.identifier_key, i.semantic_type, i.identifier, i.normalised, s.method, s.began_at,
  s.expires_at, s.last_used_at < clock_timestamp() - interval '1 minute' as is_stale
from contact_sessions s join identifiers i on i.tenure_id = s.tenure_id and i.workspace = s.workspace
where s.{{which}} = $2 and s.workspace = $1 and s.expires_at > clock_timestamp()
  and s.last_used_at > clock_timestamp() - $3::interval and {_HOLDS}
"""
ENTER = _IN_FORCE.format(which="token_hash")
BY_ID = _IN_FORCE.format(which="session_id")
TOUCH = "update contact_sessions set last_used_at = clock_timestamp() where session_id = $2 and workspace = $1"
END = "delete from contact_sessions where session_id = $2 and workspace = $1"
END_ALL = "delete from contact_sessions where contact_id = $2 and workspace = $1 and session_id is distinct from $3"
CARRY_OVER = """
update contact_sessions s set contact_id = i.contact_id, tenure_id = i.tenure_id from identifiers i
where s.session_id = $2 and s.workspace = $1
  and i.identifier_key = $3 and i.workspace = $1 and i.held_until is null and i.is_validated
"""
FORGET = "delete from contact_sessions where contact_id = any($2::uuid[]) and workspace = $1"
FORGET_HASHES = "delete from contact_passwords where contact_id = any($2::uuid[]) and workspace = $1"
SET_HASH = """
insert into contact_passwords (workspace, contact_id, password_hash) values ($1, $2, $3)
on conflict (contact_id, workspace) do update set password_hash = excluded.password_hash, set_at = clock_timestamp()
"""
SET_HASH_ANEW = "update contact_passwords set password_hash = $4 where contact_id = $2 and workspace = $1 and password_hash = $3"
# The password of whoever holds the identifier validated: recovery and sign-in use nothing else (S43). One row, whether anybody does or not.
SIGN_IN = f"""
select (select rules_version from incarnation) as rules_version, ({IS_KNOWN}) as is_known_here, p.contact_id, p.password_hash
from (select) as one left join (
  identifiers i join contact_passwords p on p.contact_id = i.contact_id and p.workspace = i.workspace
) on i.identifier_key = $2 and i.workspace = $1 and i.held_until is null and i.is_validated
"""
HASH_OF = "select password_hash from contact_passwords where contact_id = $2 and workspace = $1"
PROVED_KEYS = f"""
select i.identifier_key from identifiers i
where i.contact_id = $2 and i.workspace = $1 and i.held_until is null and i.is_validated and {_SIGNS_IN}
order by i.validated_at, i.identifier_key
"""
HOLDER = """
select contact_id from identifiers where identifier_key = $2 and workspace = $1 and held_until is null and is_validated
"""
PROVED = """
select semantic_type, normalised from identifiers
where contact_id = $2 and workspace = $1 and held_until is null and is_validated and semantic_type in ('email', 'phone')
order by semantic_type, normalised
"""


class SessionRow(NamedTuple):
    """A session that is in force, and the identifier that it stands on."""

    session_id: UUID
    contact_id: UUID
    tenure_id: int
    identifier_key: IdentifierKey
    semantic_type: str
    identifier: str
    normalised: str
    method: str
    began_at: datetime
    expires_at: datetime
    is_stale: bool
    """Whether its last use was noted more than a minute ago."""


class Begun(NamedTuple):
    """A session that has begun."""

    contact_id: UUID
    expires_at: datetime


class NewSession(NamedTuple):
    """What is stored of a new one."""

    workspace: str
    session_id: UUID
    identifier_key: IdentifierKey
    token_hash: bytes
    method: str
    life: timedelta
    password_hash: str | None = None
    """Of the password that opens it, which must still be the one."""


class Stored(NamedTuple):
    """A password, and whose it is."""

    contact_id: UUID
    password_hash: str


class SignIn(NamedTuple):
    """What a sign-in by an identifier has to know."""

    rules_version: int
    """Of everybody's rules together, as `RulesCache` learns it."""
    is_known_here: bool
    """Whether the identifier was proved in that browser before."""
    stored: Stored | None
    """The password of whoever holds it validated."""


async def begin(connection: Connection, new: NewSession) -> Begun | None:
    """Begin a session of whoever holds the identifier validated; None where nobody does, or not with that password."""
    row = await connection.fetchrow(BEGIN, *new)
    return Begun(*row.values()) if row is not None else None


async def enter(connection: Connection, workspace: str, token_hash: bytes, idle: timedelta) -> SessionRow | None:
    """The session of a token, if it is in force; its use is noted."""
    row = await connection.fetchrow(ENTER, workspace, token_hash, idle)
    if row is None:
        return None
    found = SessionRow(*row.values())
    if found.is_stale:
        await connection.execute(TOUCH, workspace, found.session_id)
    return found


async def by_id(connection: Connection, workspace: str, session_id: UUID, idle: timedelta) -> SessionRow | None:
    """A session, if it is in force."""
    row = await connection.fetchrow(BY_ID, workspace, session_id, idle)
    return SessionRow(*row.values()) if row is not None else None


async def carry_over(connection: Connection, workspace: str, session_id: UUID, key: IdentifierKey) -> None:
    """Let a session stand on another proved identifier: its own was changed, or its contact absorbed by what its owner did."""
    await connection.execute(CARRY_OVER, workspace, session_id, key)


async def end(connection: Connection, workspace: str, session_id: UUID) -> None:
    """End one session."""
    await connection.execute(END, workspace, session_id)


async def end_all(connection: Connection, workspace: str, contact_id: UUID, *, but: UUID | None = None) -> None:
    """End all sessions of a contact, but one."""
    await connection.execute(END_ALL, workspace, contact_id, but)


async def forget_contacts(connection: Connection, workspace: str, contacts: Sequence[UUID]) -> None:
    """Take sessions and passwords of these out (S103)."""
    await connection.execute(FORGET, workspace, list(contacts))
    await connection.execute(FORGET_HASHES, workspace, list(contacts))


async def set_password(connection: Connection, workspace: str, contact_id: UUID, password_hash: str) -> None:
    """Give a contact a password, in place of the one that it has."""
    await connection.execute(SET_HASH, workspace, contact_id, password_hash)


async def set_hash_anew(connection: Connection, workspace: str, stored: Stored, password_hash: str) -> bool:
    """Put another hash of the same password in place of the one that is stored; False where that is another one by now."""
    return bool(await connection.execute(SET_HASH_ANEW, workspace, *stored, password_hash) == "UPDATE 1")


async def forget_password(connection: Connection, workspace: str, contact_id: UUID) -> None:
    """Let a contact have none."""
    await connection.execute(FORGET_HASHES, workspace, [contact_id])


async def sign_in(connection: Connection, workspace: str, key: IdentifierKey, browser_hash: bytes) -> SignIn:
    """What is known of an identifier by which somebody signs in, in a browser."""
    row = await connection.fetchrow(SIGN_IN, workspace, key, browser_hash)
    assert row is not None  # noqa: S101 -- the statement gives a row
    stored = Stored(row["contact_id"], row["password_hash"]) if row["contact_id"] is not None else None
    return SignIn(row["rules_version"], row["is_known_here"], stored)


async def password_of(connection: Connection, workspace: str, contact_id: UUID) -> str | None:
    """The password of a contact."""
    found: str | None = await connection.fetchval(HASH_OF, workspace, contact_id)
    return found


async def holder_of(connection: Connection, workspace: str, key: IdentifierKey) -> UUID | None:
    """Who holds an identifier validated."""
    found: UUID | None = await connection.fetchval(HOLDER, workspace, key)
    return found


async def proved_addresses(connection: Connection, workspace: str, contact_id: UUID) -> list[tuple[str, str]]:
    """Type and normalised value of every address that a contact holds validated."""
    return [(row["semantic_type"], row["normalised"]) for row in await connection.fetch(PROVED, workspace, contact_id)]


async def proved_keys(connection: Connection, workspace: str, contact_id: UUID) -> list[IdentifierKey]:
    """Keys of all by which a contact can sign in, the first proved first: those addresses, and subjects of providers."""
    return [row["identifier_key"] for row in await connection.fetch(PROVED_KEYS, workspace, contact_id)]
