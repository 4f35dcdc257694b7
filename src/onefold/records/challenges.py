"""Rows of codes and links by which visitors prove an address. How they are made and used is `onefold.visitors`, which calls this.

Life, attempts and uses are judged by the database's clock and in the statement that acts on them: of a hundred at once, no more pass than
may (security.md, S4 to S6). Rows of one identifier are locked in one order, so that two proofs wait for one another and not for each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from onefold.records.rows import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from onefold.identity.identifiers import IdentifierKey
    from onefold.records.store import Connection

_COLUMNS = (
    "challenge_id, workspace, purpose, semantic_type, identifier, identifier_key, method, browser_hash, code_hash, language,"
    " anonymous_token, held, redirect_url, site, used_at"
)
INSERT = """
insert into challenges (workspace, challenge_id, purpose, semantic_type, identifier, identifier_key, method, browser_hash, code_hash,
  link_hash, language, anonymous_token, held, most_attempts, most_visits, redirect_url, site, created_at, code_expires_at, expires_at)
select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, t.now, t.now + $18, t.now + $19
from (select clock_timestamp() as now) as t
returning expires_at
"""
# Asked for again in the same browser: a stranger who asks elsewhere ends nothing of the owner's (S8, S36).
REPLACE = """
update challenges set ended_at = clock_timestamp(), held = '{}' where workspace = $1 and challenge_id in (
  select challenge_id from challenges
  where identifier_key = $2 and workspace = $1 and purpose = $3 and browser_hash = $4 and ended_at is null
  order by challenge_id for update)
"""
TO_REPEAT = f"""
select {_COLUMNS} from challenges
where challenge_id = $2 and workspace = $1 and browser_hash = $3 and ended_at is null and used_at is null
  and created_at > clock_timestamp() - interval '1 hour'
"""
_COUNTS = """
update challenges set attempts = attempts + 1
where {which} and workspace = $1 and ended_at is null and attempts < most_attempts and {lives}
"""
COUNT_CODE = (
    _COUNTS.format(which="challenge_id = $2 and browser_hash = $3", lives="code_expires_at > clock_timestamp() and used_at is null")
    + f"returning {_COLUMNS}"
)
COUNT_CODE_OF_LINK = (
    _COUNTS.format(which="link_hash = $2", lives="expires_at > clock_timestamp() and used_at is null") + f"returning {_COLUMNS}"
)
OPEN_LINK = (
    f"select {_COLUMNS} from challenges where link_hash = $2 and workspace = $1 and ended_at is null and expires_at > clock_timestamp()"
)
READ = f"select {_COLUMNS} from challenges where challenge_id = $2 and workspace = $1"
LOCK_OPEN = """
select challenge_id from challenges where identifier_key = $2 and workspace = $1 and ended_at is null order by challenge_id for update
"""
USE_CODE = """
update challenges set used_at = clock_timestamp(), ended_at = clock_timestamp(), held = '{}', used_by = $3
where challenge_id = $2 and workspace = $1 and ended_at is null and used_at is null and expires_at > clock_timestamp() returning true
"""
# A link that may be used again lives on, without what it held and without its code.
USE_LINK = """
update challenges set visits = visits + 1, used_at = coalesce(used_at, clock_timestamp()), held = '{}', used_by = coalesce(used_by, $3),
  ended_at = case when visits + 1 >= most_visits then clock_timestamp() end
where challenge_id = $2 and workspace = $1 and ended_at is null and expires_at > clock_timestamp() returning true
"""
# Of the same purpose, and of any other browser whatever its purpose: what it holds was set without proof (S7, S41). What a change of
# address left behind holds no such thing, and is its owner's way back (S56).
END_OTHERS = """
update challenges set ended_at = clock_timestamp(), held = '{}'
where identifier_key = $2 and workspace = $1 and ended_at is null and challenge_id <> $3
  and (purpose = $4 or browser_hash <> $5 and purpose <> 'take_back')
"""
END_ALL = "update challenges set ended_at = clock_timestamp(), held = '{}' where challenge_id = any($2::uuid[]) and workspace = $1"
KNOW_BROWSER = """
insert into known_browsers (workspace, identifier_key, browser_hash) values ($1, $2, $3)
on conflict (identifier_key, browser_hash, workspace) do update set proved_at = clock_timestamp()
"""
IS_KNOWN = "select exists (select from known_browsers where identifier_key = $2 and browser_hash = $3 and workspace = $1)"
IS_VALIDATED = """
select exists (select from identifiers where identifier_key = $2 and workspace = $1 and held_until is null and is_validated)
"""
# What a link brought in the browser that had asked, to be had there once, and soon.
COLLECT = f"""
update challenges set collected_at = clock_timestamp()
where challenge_id = $2 and workspace = $1 and browser_hash = $3 and used_by = $3 and method = 'magic_link' and collected_at is null
  and used_at > clock_timestamp() - interval '10 minutes'
returning {_COLUMNS}
"""
# The latest ones tell how many of those who ask come back with what they were sent; the newest may still come.
LATEST = """
select count(*) as sent, count(*) filter (where used_at is not null) as used from (
  select used_at from challenges
  where workspace = $1 and semantic_type = $2
    and created_at between clock_timestamp() - interval '1 hour' and clock_timestamp() - interval '2 minutes'
  order by created_at desc limit $3) as latest
"""
FORGET_OLD = """
delete from challenges where ctid in (
  select ctid from challenges where workspace = $1 and expires_at < clock_timestamp() - interval '1 day' limit 100 for update skip locked)
"""


FORGET = "delete from challenges where identifier_key = any($2::bytea[]) and workspace = $1 returning challenge_id"
FORGET_BROWSERS = "delete from known_browsers where identifier_key = any($2::bytea[]) and workspace = $1"


class Challenge(NamedTuple):
    """A row, as far as its use needs it."""

    challenge_id: UUID
    workspace: str
    purpose: str
    semantic_type: str
    identifier: str
    identifier_key: IdentifierKey
    method: str
    browser_hash: bytes
    code_hash: bytes
    language: str | None
    anonymous_token: str | None
    held: Mapping[str, Any]
    redirect_url: str | None
    site: str | None
    used_at: datetime | None


class NewChallenge(NamedTuple):
    """What is stored of a new one."""

    workspace: str
    challenge_id: UUID
    purpose: str
    semantic_type: str
    identifier: str
    identifier_key: IdentifierKey
    method: str
    browser_hash: bytes
    code_hash: bytes
    link_hash: bytes | None
    language: str | None
    anonymous_token: str | None
    held: Mapping[str, Any]
    most_attempts: int
    most_visits: int | None
    redirect_url: str | None
    site: str | None
    code_life: timedelta
    life: timedelta


class Latest(NamedTuple):
    """How the last hour's challenges went."""

    sent: int
    used: int


async def begin(connection: Connection, new: NewChallenge) -> datetime:
    """Keep a challenge in place of the one that was asked for before in the same browser; gives when it ends."""
    await connection.execute(REPLACE, new.workspace, new.identifier_key, new.purpose, new.browser_hash)
    values = new._replace(held=to_json(dict(new.held)))  # type: ignore[arg-type]  # as it is written
    expires_at: datetime = await connection.fetchval(INSERT, *values)
    await connection.execute(FORGET_OLD, new.workspace)
    return expires_at


async def to_repeat(connection: Connection, workspace: str, challenge_id: UUID, browser_hash: bytes) -> Challenge | None:
    """One whose message may be sent anew: not used, not ended, and not older than an hour."""
    return _read(await connection.fetchrow(TO_REPEAT, workspace, challenge_id, browser_hash))


async def count_code(connection: Connection, workspace: str, challenge_id: UUID, browser_hash: bytes) -> Challenge | None:
    """Count an attempt at a code; None where there is none that may be tried in this browser."""
    return _read(await connection.fetchrow(COUNT_CODE, workspace, challenge_id, browser_hash))


async def count_code_of_link(connection: Connection, workspace: str, link_hash: bytes) -> Challenge | None:
    """Count an attempt at the code that came with a link."""
    return _read(await connection.fetchrow(COUNT_CODE_OF_LINK, workspace, link_hash))


async def open_link(connection: Connection, workspace: str, link_hash: bytes) -> Challenge | None:
    """The challenge of a link that lives. Changes nothing."""
    return _read(await connection.fetchrow(OPEN_LINK, workspace, link_hash))


async def use(connection: Connection, challenge: Challenge, browser_hash: bytes, *, by_link: bool) -> Challenge | None:
    """Use a challenge up, and end what its proof in that browser overtakes; gives it as it was when it was used.

    None for whoever comes second, even at the same time.
    """
    workspace, key = challenge.workspace, challenge.identifier_key
    await connection.fetch(LOCK_OPEN, workspace, key)
    present = _read(await connection.fetchrow(READ, workspace, challenge.challenge_id))
    statement = USE_LINK if by_link else USE_CODE
    if present is None or not await connection.fetchval(statement, workspace, challenge.challenge_id, browser_hash):
        return None
    await connection.execute(END_OTHERS, workspace, key, challenge.challenge_id, challenge.purpose, browser_hash)
    return present


async def collect(connection: Connection, workspace: str, challenge_id: UUID, browser_hash: bytes) -> Challenge | None:
    """One whose link was used in the browser that had asked, a first time; None where it was not, or was collected."""
    return _read(await connection.fetchrow(COLLECT, workspace, challenge_id, browser_hash))


async def end(connection: Connection, workspace: str, challenges: Sequence[UUID]) -> None:
    """Let these challenges count no more."""
    await connection.execute(END_ALL, workspace, list(challenges))


async def know_browser(connection: Connection, workspace: str, key: IdentifierKey, browser_hash: bytes) -> None:
    """Remember that an identifier was proved in a browser."""
    await connection.execute(KNOW_BROWSER, workspace, key, browser_hash)


async def is_known(connection: Connection, workspace: str, key: IdentifierKey, browser_hash: bytes) -> bool:
    """Whether the identifier was proved in that browser before."""
    found: bool = await connection.fetchval(IS_KNOWN, workspace, key, browser_hash)
    return found


async def is_validated(connection: Connection, workspace: str, key: IdentifierKey) -> bool:
    """Whether somebody holds the identifier validated."""
    found: bool = await connection.fetchval(IS_VALIDATED, workspace, key)
    return found


async def latest(connection: Connection, workspace: str, semantic_type: str, most: int) -> Latest:
    """How the latest challenges of the last hour went, the newest left out."""
    (row,) = await connection.fetch(LATEST, workspace, semantic_type, most)
    return Latest(*row.values())


async def forget_identifiers(connection: Connection, workspace: str, keys: Sequence[IdentifierKey]) -> list[UUID]:
    """Take out every code and link that went to these addresses, and where they were proved; gives the ids of the former (S103)."""
    gone = [row["challenge_id"] for row in await connection.fetch(FORGET, workspace, list(keys))]
    await connection.execute(FORGET_BROWSERS, workspace, list(keys))
    return gone


def _read(row: Any) -> Challenge | None:
    if row is None:
        return None
    found = Challenge(*row.values())
    return found._replace(held=msgspec.json.decode(row["held"]))
