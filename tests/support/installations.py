"""An installation of the test's own on real servers: settings, topics, a workspace, and resolvers in this process or as their own."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import httpx

from onefold import bootstrap
from onefold.local.ports import pick
from onefold.messages.codec import encode
from onefold.messages.interactions import InteractionMessage, WireIdentifier, WireProof, interaction_key
from onefold.messages.times import time_text
from onefold.messages.topics import INTERACTIONS
from onefold.observe import Health
from onefold.records.store import Store
from onefold.settings import Settings
from onefold.topics.admin import ensure_topics
from onefold.topics.ends import end_offsets
from onefold.topics.producer import IdempotentProducer
from streams import resolver
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from onefold.bootstrap import Role
    from onefold.identity.interaction import Interaction
    from onefold.identity.rules import Policy
    from tests.support.servers import Database, Services

PROGRESS = "select partition, next_offset from progress where consumer = 'resolver' and topic = $1"
GROUPS = """
select array_agg(semantic_type || ':' || normalised order by semantic_type, normalised) as members from identifiers
where held_until is null group by contact_id
"""


@dataclass(frozen=True)
class Installation:
    """Where everything of one test is."""

    environment: Mapping[str, str]
    role: Role
    store: Store

    async def produce(self, interactions: Sequence[Interaction]) -> None:
        """Append interactions, in order, keyed as the collector keys them."""
        async with IdempotentProducer(self.role.kafka) as producer:
            await producer.send_many(INTERACTIONS, [record_of(each) for each in interactions])

    async def produce_raw(self, records: Sequence[tuple[bytes | None, bytes | None]]) -> None:
        """Append records as they are."""
        async with IdempotentProducer(self.role.kafka) as producer:
            await producer.send_many(INTERACTIONS, list(records))

    async def settled(self, *, within_seconds: float = 60.0) -> None:
        """Wait until progress is at the end of every partition."""
        ends = await end_offsets(self.role.kafka, INTERACTIONS)
        async with asyncio.timeout(within_seconds):
            while True:
                async with self.store.connection() as connection:
                    done = {row["partition"]: row["next_offset"] for row in await connection.fetch(PROGRESS, INTERACTIONS)}
                if all(done.get(partition, 0) >= end for partition, end in ends.items()):
                    return
                await asyncio.sleep(0.05)

    async def groups(self) -> list[list[str]]:
        """The open identifiers by contact, in a canonical form."""
        async with self.store.transaction(["acme"]) as connection:
            return sorted(sorted(row["members"]) for row in await connection.fetch(GROUPS))

    @asynccontextmanager
    async def resolvers(self, count: int, *, batch_size: int = 500) -> AsyncIterator[Sequence[Role]]:
        """Resolvers in this process, one member of the group each; gives their roles, whose metrics can be read."""
        stopping = asyncio.Event()
        roles = [self._role(number, batch_size) for number in range(count)]
        running = [asyncio.create_task(resolver.run(each, Health("resolver", each.metrics.registry), stopping)) for each in roles]
        try:
            yield roles
            for task in running:
                if task.done():
                    task.result()
        finally:
            stopping.set()
            await asyncio.gather(*running)

    async def start_process(self, role: str, *armed: str, log: str = "", **more: str) -> asyncio.subprocess.Process:
        """One role of ours as a process of its own command; `armed` are failpoints (`tests/support/armed.py`), `log` is where its log goes."""
        module = ["tests.support.armed", *armed, "--"] if armed else ["onefold"]
        environment = {**os.environ, **self.environment, **more}
        with _appending(log) as said:
            return await asyncio.create_subprocess_exec(sys.executable, "-m", *module, role, env=environment, stderr=said)

    @asynccontextmanager
    async def running(self, role: str, *armed: str, log: str = "", **more: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """The same for as long as the block runs; whoever is still there at its end must end well."""
        port = pick(set())
        process = await self.start_process(role, *armed, log=log, **{"ONEFOLD_HEALTH__PORT": str(port), **more})
        try:
            await _ready(process, port)
            yield process
        except BaseException:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 60) == 0

    async def command(self, *words: str) -> tuple[int, str]:
        """Run a command of ours to its end; gives exit code and standard output."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "onefold", *words, env={**os.environ, **self.environment}, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    def _role(self, number: int, batch_size: int) -> Role:
        settings = self.role.settings
        mine = settings.model_copy(update={"resolver": settings.resolver.model_copy(update={"batch_size": batch_size})})
        return bootstrap.begin(f"resolver-{number}", mine)


def _appending(log: str) -> BinaryIO:
    return Path(log or os.devnull).open("ab")


async def _ready(process: asyncio.subprocess.Process, port: int) -> None:
    """Wait until a role says that it is ready, or has died."""
    async with httpx.AsyncClient() as client, asyncio.timeout(60):
        while process.returncode is None:
            with suppress(httpx.HTTPError):
                if (await client.get(f"http://127.0.0.1:{port}/ready")).status_code == HTTPStatus.OK:
                    return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def installation(
    services: Services,
    database: Database,
    prefix: str,
    redis_url: str,
    *,
    partitions: int = 4,
    recency_seconds: int = 0,
    idle_in_transaction_ms: int = 3_000,
    policy: Policy | None = None,
) -> AsyncIterator[Installation]:
    """Topics, a workspace and settings of the test's own."""
    environment = {
        "ONEFOLD_POSTGRES__URL": database.app_url,
        "ONEFOLD_POSTGRES__ADMIN_URL": database.admin_url,
        "ONEFOLD_REDIS__URL": redis_url,
        "ONEFOLD_KAFKA__SERVERS": services.kafka_servers,
        "ONEFOLD_KAFKA__TOPIC_PREFIX": prefix,
        "ONEFOLD_KAFKA__PARTITIONS": str(partitions),
        "ONEFOLD_KAFKA__SESSION_TIMEOUT_MS": "6000",
        "ONEFOLD_POSTGRES__IDLE_IN_TRANSACTION_MS": str(idle_in_transaction_ms),
        "ONEFOLD_INDEX__SECRET": secrets.token_hex(32),
        "ONEFOLD_WEBHOOKS__SECRETS": json.dumps({"1": secrets.token_hex(32)}),
        "ONEFOLD_VALIDATION__SECRET": secrets.token_hex(32),
        "ONEFOLD_RESOLVER__RECENCY_SECONDS": str(recency_seconds),
        "ONEFOLD_LOGS__LEVEL": "error",
    }
    role = bootstrap.begin("test", settings_of(environment))
    await ensure_topics(role.kafka, partitions=partitions)
    store = await Store.connect(database.app_url)
    try:
        await add_workspace(store, "acme", policy=policy)
        yield Installation(environment, role, store)
    finally:
        await store.close()


def settings_of(environment: Mapping[str, str]) -> Settings:
    """Settings from these variables alone."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        return Settings.load()
    finally:
        os.environ.clear()
        os.environ.update(before)


def record_of(interaction: Interaction) -> tuple[bytes, bytes]:
    """Key and value of an interaction as a server would produce it."""
    proved = next((each for each in interaction.identifiers if interaction.proof is not None and each.key == interaction.proof.key), None)
    message = InteractionMessage(
        event_id=interaction.event_id,
        workspace=interaction.workspace,
        type=interaction.type,
        channel=interaction.channel,
        assurance=interaction.assurance.word,  # type: ignore[arg-type]  # one of the three
        proof=WireProof(proved.semantic_type, proved.identifier, "otp") if proved is not None else None,
        occurred_at=time_text(interaction.at),
        identifiers=[WireIdentifier(each.semantic_type, each.identifier, each.slug) for each in interaction.identifiers],
        traits={**interaction.fields, **interaction.attributes} or None,
    )
    return interaction_key(message), encode(message)
