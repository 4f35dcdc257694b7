"""A story that went through everything, resolvers, relay and segments, and `onefold check` as operators call it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from typer.testing import CliRunner

from onefold.cli.main import app
from onefold.messages.topics import INTERACTIONS_RESOLVED
from onefold.records import timeline_checks
from onefold.topics.ends import end_offsets
from onefold.workspace import segments as use_cases
from tests.support.installations import Installation, installation
from tests.support.stories import random_story
from tests.support.worlds import event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from tests.support.servers import Database, Services

PRO = {"field": "attributes.unbound.plan", "operator": "equals", "value": "pro"}
ALL_CHECKED = ("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I11", "I12", "I13", "I15", "I16", "I17")
QUIET = """
select not exists (select from outbox) and (select count(*) from memberships where is_member) = (
  select count(*) from contacts where merged_into is null and attributes #>> '{unbound,plan}' = 'pro')
"""


@asynccontextmanager
async def told_story(services: Services, database: Database, prefix: str, redis_url: str) -> AsyncIterator[Installation]:
    """An installation in which a story with merges, hand-overs, dead letters and segments was told to its end. Nothing runs any more."""
    async with installation(services, database, prefix, redis_url, partitions=2) as mine:
        async with mine.store.transaction(["acme"]) as connection:
            segment = await use_cases.create(connection, "acme", "pro", "Pro", PRO)
        await use_cases.fill(mine.store, segment)
        async with mine.resolvers(2, batch_size=9), following(mine):
            await mine.produce(random_story(5, length=150))
            await mine.produce_raw([(b"acme:x", b"no json"), (b"acme:y", b"{}"), (b"acme:x", None)])
            await mine.produce([event(f"anonymous_token:late{n}", attributes={"plan": "pro"}, minutes=n) for n in range(6)])
            await mine.settled()
            await quiet(mine)
        yield mine


@asynccontextmanager
async def following(mine: Installation) -> AsyncIterator[None]:
    """A relay, a segments worker and a timeline, as processes of their own."""
    async with mine.running("relay"), mine.running("segments-worker"), mine.running("timeline"):
        yield


async def quiet(mine: Installation, *, within_seconds: float = 90.0) -> None:
    """Wait until every change is told and evaluated."""
    async with asyncio.timeout(within_seconds):
        while True:
            async with mine.store.transaction(["acme"]) as connection:
                if await connection.fetchval(QUIET) and await _is_kept(mine):
                    return
            await asyncio.sleep(0.1)


async def _is_kept(mine: Installation) -> bool:
    """Whether the timeline has passed every line."""
    passed = await timeline_checks.passed(mine.store)
    return all(passed.get(partition, 0) >= end for partition, end in (await end_offsets(mine.role.kafka, INTERACTIONS_RESOLVED)).items())


@dataclass(frozen=True, slots=True)
class Report:
    """What the command said."""

    code: int
    findings: Sequence[Mapping[str, Any]]

    @property
    def differing(self) -> set[str]:
        """Invariants that do not hold."""
        return {each["invariant"] for each in self.findings if not each["clean"]}

    def what(self, invariant: str) -> str:
        """Everything that is said of one invariant, in one text."""
        (finding,) = [each for each in self.findings if each["invariant"] == invariant]
        return "\n".join(f"{each['where']}: {each['what']}" for each in finding["differences"])


async def check(environment: Mapping[str, str], *arguments: str, again_after: float = 0.2) -> Report:
    """`onefold check --json …`, the command itself, in this process."""
    command = ["check", "--json", f"--look-again-after={again_after}", *arguments]
    with logs_kept():
        result = await asyncio.to_thread(CliRunner().invoke, app, command, env=dict(environment))
    if result.exit_code not in {0, 3}:
        raise AssertionError(result.output) from result.exception
    return Report(result.exit_code, msgspec.json.decode(result.stdout))


@contextmanager
def logs_kept() -> Iterator[None]:
    """Set logs up as they were: a command sets them up for its own standard error, which the runner closes after it."""
    configured, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    try:
        yield
    finally:
        structlog.configure(**configured)
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)


async def check_process(environment: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
    """`onefold check …` as operators call it, in a process of its own; gives its exit code and what it says on both streams."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "onefold",
        "check",
        *arguments,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
