"""Rows of links by which users sign in. How they are made and used is `onefold.access.sign_in_links`, which calls this.

Life, attempts and uses are judged by the database's clock, in the statement that acts on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

    from onefold.records.store import Connection

# Asked for again in the same browser: a stranger who asks elsewhere ends nothing of the user's (S8, S36).
REPLACE = """
update sign_in_links set ended_at = clock_timestamp() where user_id = $2 and workspace = $1 and browser_hash = $3 and ended_at is null
"""
INSERT = """
insert into sign_in_links (workspace, link_id, user_id, hash, browser_hash, code_hash, redirect_url, most_visits, created_at, expires_at)
select u.workspace, gen_random_uuid(), u.user_id, $3, $4, $5, $6, $7, t.now, t.now + $8
from users u, (select clock_timestamp() as now) as t where u.user_id = $2 and u.workspace = $1
"""
FORGET_OLD = """
delete from sign_in_links where ctid in (
  select ctid from sign_in_links where workspace = $1 and expires_at < clock_timestamp() - interval '1 day'
  limit 100 for update skip locked)
"""
_LIVES = "ended_at is null and expires_at > clock_timestamp()"
_COLUMNS = "link_id, user_id, browser_hash, code_hash"
OPEN = f"select {_COLUMNS} from sign_in_links where hash = $2 and workspace = $1 and {_LIVES}"
# Counted before anything is compared: of a hundred at once, no more pass than may.
COUNT_CODE = f"""
update sign_in_links set attempts = attempts + 1 where link_id = $2 and workspace = $1 and {_LIVES} and attempts < $3 returning true
"""
USE = f"""
update sign_in_links set visits = visits + 1, ended_at = case when visits + 1 >= most_visits then clock_timestamp() end
where link_id = $2 and workspace = $1 and {_LIVES} returning redirect_url
"""
END_OTHERS = """
update sign_in_links set ended_at = clock_timestamp()
where user_id = $2 and workspace = $1 and ended_at is null and link_id is distinct from $3
"""


class NewLink(NamedTuple):
    """What is stored of a new one."""

    workspace: str
    user_id: UUID
    hash: bytes
    browser_hash: bytes
    code_hash: bytes
    redirect_url: str
    most_visits: int | None
    life: timedelta


class OpenLink(NamedTuple):
    """A link that lives."""

    link_id: UUID
    user_id: UUID
    browser_hash: bytes
    code_hash: bytes


async def begin(connection: Connection, new: NewLink) -> None:
    """Keep a link, in place of the one that was asked for before in the same browser; for a user that there is not, nothing."""
    await connection.execute(REPLACE, new.workspace, new.user_id, new.browser_hash)
    await connection.execute(INSERT, *new)
    await connection.execute(FORGET_OLD, new.workspace)


async def open_link(connection: Connection, workspace: str, token_hash: bytes) -> OpenLink | None:
    """A link that lives. Changes nothing."""
    row = await connection.fetchrow(OPEN, workspace, token_hash)
    return OpenLink(*row.values()) if row is not None else None


async def count_code(connection: Connection, workspace: str, link_id: UUID, most: int) -> bool:
    """Count a try of a link's code; False where there were enough."""
    return bool(await connection.fetchval(COUNT_CODE, workspace, link_id, most))


async def use(connection: Connection, workspace: str, link: OpenLink) -> str | None:
    """Use a link, and end the user's others; gives where it leads. None for whoever comes too late, even at the same time."""
    redirect_url: str | None = await connection.fetchval(USE, workspace, link.link_id)
    if redirect_url is not None:
        await connection.execute(END_OTHERS, workspace, link.user_id, link.link_id)
    return redirect_url


async def end_all(connection: Connection, workspace: str, user_id: UUID) -> None:
    """Let no link of a user count any more."""
    await connection.execute(END_OTHERS, workspace, user_id, None)
