"""Fixtures for every test that needs a real server. Unit tests use none of them.

services       once a session: where Kafka, Valkey and Postgres are (embedded, yours, or containers)
database       a migrated database of the test's own; app_url, admin_url
empty_database the same, without a table
topic_prefix   goes before every topic name
redis_url      a numbered database of Valkey of the test's own
"""

from __future__ import annotations

import os
import signal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import settings

from tests.support.servers import Database, Services, cloned_database, drop_database, make_template, own_redis, own_topics, running_services

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTHING_SET = Path(__file__).parent / "support" / "nothing_set.env"
_redis_numbers = count()
# How long an example takes says how busy the machine is, and pytest's own time-out ends what hangs.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure() -> None:
    """Let a local stack of this checkout (`./dev demo`, `./dev up`) say nothing to tests: what they set is all that is set.

    And let Ctrl-C count again where a shell started us in the background: what is ignored stays so in every process that tests start.
    """
    os.environ.setdefault("ONEFOLD_ENV_FILE", str(NOTHING_SET))
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """What a role that ran in this process set of the log is not set for the next test."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Where the servers are. Started with the first test that asks."""
    with running_services(tmp_path_factory.mktemp("servers")) as running:
        yield running


@pytest.fixture(scope="session")
def migrated_template(services: Services) -> Iterator[str]:
    """The name of the migrated database that `database` clones."""
    name = make_template(services)
    yield name
    drop_database(services, name)


@pytest.fixture
def database(services: Services, migrated_template: str) -> Iterator[Database]:
    """A migrated database of the test's own."""
    with cloned_database(services, migrated_template) as mine:
        yield mine


@pytest.fixture
def empty_database(services: Services) -> Iterator[Database]:
    """A database without a table, of the test's own."""
    with cloned_database(services, None) as mine:
        yield mine


@pytest.fixture
def topic_prefix(services: Services) -> Iterator[str]:
    """What the test's topics begin with; they are deleted afterwards."""
    with own_topics(services) as prefix:
        yield prefix


@pytest.fixture
def redis_url(services: Services) -> Iterator[str]:
    """A database of Valkey of the test's own, empty at first."""
    with own_redis(services, next(_redis_numbers)) as url:
        yield url
