"""The servers that integration tests run against, and what keeps one test apart from the next.

URLs in the environment come first (ONEFOLD_POSTGRES__URL, ONEFOLD_POSTGRES__ADMIN_URL, ONEFOLD_REDIS__URL, ONEFOLD_KAFKA__SERVERS, all
four); then containers, if ONEFOLD_TEST_SERVICES=containers; else the embedded servers, in a folder that is thrown away.
Called by `tests/conftest.py`.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from onefold.local.servers import LocalServers
from onefold.local.valkey import DATABASES

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

T = TypeVar("T")

_VARIABLES = ("ONEFOLD_POSTGRES__URL", "ONEFOLD_POSTGRES__ADMIN_URL", "ONEFOLD_REDIS__URL", "ONEFOLD_KAFKA__SERVERS")
_POSTGRES = {"fsync": "off"}
"""Only a power cut could tell: what a killed server wrote, the kernel keeps. Dropping a test's database waited 0.2 s for the disk."""


_KAFKA = "log.cleaner.backoff.ms=1000\n"
"""Between looks for what to compact: 15 s otherwise."""


@dataclass(frozen=True)
class Services:
    """Where the servers are. `local` only where we started them: faults (kill, stop, restart) are made through it."""

    postgres_url: str
    postgres_admin_url: str
    redis_url: str
    kafka_servers: str
    local: LocalServers | None = None


@dataclass(frozen=True)
class Database:
    """A migrated database of one test."""

    name: str
    app_url: str
    admin_url: str


@contextmanager
def running_services(folder: Path) -> Iterator[Services]:
    """The servers, for as long as the block runs."""
    given = [os.environ.get(name) for name in _VARIABLES]
    if any(given):
        missing = [name for name, value in zip(_VARIABLES, given, strict=True) if not value]
        if missing:
            raise RuntimeError(f"Tests against servers of yours need {', '.join(missing)} too.")
        yield Services(str(given[0]), str(given[1]), str(given[2]), str(given[3]))
    elif os.environ.get("ONEFOLD_TEST_SERVICES") == "containers":
        yield from _containers()
    else:
        with LocalServers(folder, postgres_settings=_POSTGRES, kafka_properties=_KAFKA) as local:
            yield Services(local.postgres_url, local.postgres_admin_url, local.redis_url, local.kafka_servers, local)


def _containers() -> Iterator[Services]:
    """Testcontainers; never run where this was written, for want of a container engine."""
    from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415 - an engine is looked for at import
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415
    from testcontainers.community.redis import RedisContainer  # noqa: PLC0415

    with ExitStack() as stack:
        kafka = stack.enter_context(KafkaContainer("apache/kafka:4.1.0"))
        redis = stack.enter_context(RedisContainer("valkey/valkey:9"))
        postgres = stack.enter_context(PostgresContainer("postgres:18", username="onefold_owner", dbname="onefold", driver=None))
        owner = postgres.get_connection_url()
        run_async(_execute(owner, "create role onefold_app login password 'onefold_app'"))
        address = f"{redis.get_container_host_ip()}:{redis.get_exposed_port(6379)}"
        yield Services(_as_user(owner, "onefold_app"), owner, f"redis://{address}/0", kafka.get_bootstrap_server())


def make_template(services: Services) -> str:
    """A migrated database that tests clone; gives its name."""
    from onefold.records.migrate import upgrade  # noqa: PLC0415 - only where a database is asked for

    name = f"template_{uuid.uuid4().hex[:12]}"
    run_async(_execute(services.postgres_admin_url, f'create database "{name}"'))
    run_async(upgrade(_in_database(services.postgres_admin_url, name)))
    return name


@contextmanager
def cloned_database(services: Services, template: str | None) -> Iterator[Database]:
    """A clone of the template, or an empty database; dropped afterwards, whoever is still connected."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    run_async(_execute(services.postgres_admin_url, f'create database "{name}"' + (f' template "{template}"' if template else "")))
    try:
        yield Database(name, _in_database(services.postgres_url, name), _in_database(services.postgres_admin_url, name))
    finally:
        drop_database(services, name)


def drop_database(services: Services, name: str) -> None:
    """Drop it, whoever is connected. Connections of workers, whom its owner may not end, have some seconds to be gone."""
    run_async(_drop(services.postgres_admin_url, name))


async def _drop(url: str, name: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                return await _execute(url, f'drop database if exists "{name}" with (force)')
            except (asyncpg.InsufficientPrivilegeError, asyncpg.ObjectInUseError):
                await asyncio.sleep(0.2)


@contextmanager
def own_topics(services: Services) -> Iterator[str]:
    """A prefix for topic names; topics that begin with it are deleted afterwards."""
    prefix = f"t{uuid.uuid4().hex[:10]}."
    try:
        yield prefix
    finally:
        run_async(_delete_topics(services.kafka_servers, prefix))


@contextmanager
def own_redis(services: Services, number: int) -> Iterator[str]:
    """A numbered database of Valkey; of a server that is not ours, the URL as it was given."""
    if services.local is None:
        yield services.redis_url
        return
    yield urlunsplit(urlsplit(services.redis_url)._replace(path=f"/{1 + number % (DATABASES - 1)}"))


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run to its end in a thread with a loop of its own: fixtures that are not async serve tests of both kinds."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _delete_topics(servers: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        mine = [name for name in await admin.list_topics() if name.startswith(prefix)]
        if mine:
            await admin.delete_topics(mine)
    finally:
        await admin.close()


def _in_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _as_user(url: str, user: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{user}@{parts.hostname}:{parts.port}"))
