"""Bring the database's tables up to date: alembic revisions, each a `.sql` file beside a few lines of Python.

Called by `onefold setup` and `onefold db`, as the database's owner. One at a time, by an advisory lock; no statement waits long for a
lock that others hold, so that nothing queues up behind a migration (F31).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

T = TypeVar("T")

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK_NUMBER = 0x0F01D
LOCK_TIMEOUT = "5s"


async def upgrade(admin_url: str) -> list[str]:
    """Run what has not run yet; gives the revisions that did, oldest first."""
    return await _with_connection(admin_url, _upgrade)


async def current(admin_url: str) -> str | None:
    """The revision that the database is at, None for an empty one."""
    return await _with_connection(admin_url, lambda connection: MigrationContext.configure(connection).get_current_revision())


def head() -> str:
    """The revision that this build needs."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    if found is None:
        raise AssertionError("the package holds no migrations")
    return found


async def _with_connection(admin_url: str, work: Callable[[Connection], T]) -> T:
    engine = _engine(admin_url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> list[str]:
    connection.exec_driver_sql("select pg_advisory_lock($1)", (LOCK_NUMBER,))
    connection.exec_driver_sql(f"set lock_timeout = '{LOCK_TIMEOUT}'")
    connection.commit()
    try:
        before = MigrationContext.configure(connection).get_current_revision()
        connection.commit()
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.exec_driver_sql("grant select on alembic_version to onefold_app")
        connection.commit()
        script = ScriptDirectory.from_config(config)
        return [each.revision for each in reversed(list(script.iterate_revisions("head", before or "base")))]
    finally:
        connection.rollback()
        connection.exec_driver_sql("select pg_advisory_unlock($1)", (LOCK_NUMBER,))
        connection.commit()


def _engine(url: str) -> AsyncEngine:
    _, _, rest = url.partition("://")
    return create_async_engine(f"postgresql+asyncpg://{rest}", poolclass=NullPool)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
