"""Rows of links by which users choose another password. How they are made and used is `onefold.access.resets`, which calls this.

Life and use are judged by the database's clock, in the statement that acts on them. What replaces a password ends every link to another
one: that is `records.users.set_password`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

    from onefold.records.store import Connection

END = "update password_resets set ended_at = clock_timestamp() where user_id = $2 and workspace = $1 and ended_at is null"
INSERT = """
insert into password_resets (workspace, reset_id, user_id, hash, expires_at)
select workspace, gen_random_uuid(), user_id, $3, clock_timestamp() + $4 from users where user_id = $2 and workspace = $1
"""
FORGET_OLD = "delete from password_resets where workspace = $1 and expires_at < clock_timestamp() - interval '1 day'"
# Counted before anything is compared or hashed: of a hundred at once, no more pass than may.
COUNT_USE = """
update password_resets set attempts = attempts + 1
where hash = $2 and workspace = $1 and ended_at is null and expires_at > clock_timestamp() and attempts < $3
returning reset_id, user_id
"""
USE = """
update password_resets set ended_at = clock_timestamp()
where reset_id = $2 and workspace = $1 and ended_at is null and expires_at > clock_timestamp() returning true
"""


class Opened(NamedTuple):
    """A link that somebody has followed."""

    reset_id: UUID
    user_id: UUID


async def begin(connection: Connection, workspace: str, user_id: UUID, token_hash: bytes, life: timedelta) -> None:
    """Keep what a link is known by; for a user that there is not, nothing. Earlier ones go on: a stranger may have asked for this one."""
    await connection.execute(INSERT, workspace, user_id, token_hash, life)
    await connection.execute(FORGET_OLD, workspace)


async def count_use(connection: Connection, workspace: str, token_hash: bytes, most: int) -> Opened | None:
    """Count one more use of a link; None where there is none such, or it was used, replaced, tried too often, or is too old."""
    row = await connection.fetchrow(COUNT_USE, workspace, token_hash, most)
    return Opened(*row.values()) if row is not None else None


async def use_up(connection: Connection, workspace: str, reset_id: UUID) -> bool:
    """Use a link up; False for whoever comes second, even at the same time."""
    return bool(await connection.fetchval(USE, workspace, reset_id))


async def end_all(connection: Connection, workspace: str, user_id: UUID) -> None:
    """Let no link of a user count any more."""
    await connection.execute(END, workspace, user_id)
