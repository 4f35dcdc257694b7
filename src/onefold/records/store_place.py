"""Where the store lives: which server, which of its databases. A restored dump notices by it that it is a copy (decision 0045).

A copy of the server's files, or a standby that was promoted, is the same place: it cannot tell. Called before a role starts, and by
`onefold erasures reapply`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from onefold.records.incarnations import begin_incarnation
from onefold.records.numbers import BLOCK

if TYPE_CHECKING:
    from datetime import datetime

    from onefold.records.store import Connection

HERE: Final = (
    "(select system_identifier from pg_control_system()), (select oid::bigint from pg_database where datname = current_database())"
)
IS_MADE: Final = "select to_regclass('store_place') is not null"
MARK: Final = f"insert into store_place (system_identifier, database_oid) select {HERE} on conflict (one) do nothing"
IS_HOME: Final = f"select (system_identifier, database_oid) = ({HERE}) from store_place"
MOVE: Final = f"""
insert into store_place as p (system_identifier, database_oid, life) select {HERE}, 2
on conflict (one) do update set system_identifier = excluded.system_identifier, database_oid = excluded.database_oid,
  life = p.life + 1, since = clock_timestamp()
"""
AT_WORK: Final = """
select coalesce(array_agg(distinct application_name order by application_name), '{}') from pg_stat_activity
where datname = current_database() and application_name like 'onefold-%' and application_name <> 'onefold-cli'
"""
LAST_SIGN: Final = "select max(updated_at) from progress"

EPOCHS: Final = 1_000_000
"""By so many epochs, and so many numbers of tenures, each life is ahead of the one before, which went on after the dump."""
NUMBERS: Final = 100_000_000
RAISE: Final = "update progress set epoch = epoch + $1"
SKIP: Final = "select count(nextval('tenure_ids')) from generate_series(1, $1::integer)"


async def is_home(connection: Connection) -> bool:
    """Whether the store is where it lived when it was last used; a new one lives here from now on. True where it has no tables yet."""
    if not await connection.fetchval(IS_MADE):
        return True
    await connection.execute(MARK)
    found: bool = await connection.fetchval(IS_HOME)
    return found


async def at_work(connection: Connection) -> list[str]:
    """Which roles are connected."""
    found: list[str] = await connection.fetchval(AT_WORK)
    return found


async def last_sign(connection: Connection) -> datetime | None:
    """When somebody last worked on it, so that a dump is no older than that; None where nobody ever did."""
    found: datetime | None = await connection.fetchval(LAST_SIGN)
    return found


async def begin_life(connection: Connection) -> None:
    """Begin, in the open transaction, a new life of a store that was set back in time.

    What it says from now on counts before what the former life said of the same positions; tenures get numbers that it never gave; the
    index has no entry, and changes are told under a name of their own.
    """
    await connection.execute(RAISE, EPOCHS)
    await connection.fetchval(SKIP, NUMBERS // BLOCK)
    await begin_incarnation(connection)


async def settle(connection: Connection) -> None:
    """Say that the store lives here, and may be served."""
    await connection.execute(MOVE)
