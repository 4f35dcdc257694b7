"""What Faust's agents share: the app, made in a factory (raw bytes in, no tables, no web server, no topics of its own), and the messages.

Faust acknowledges a message whose handler raised; agents here take `noack_take` batches, acknowledge after their commit, and never let
an exception out (docs/decisions/0003).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import faust

from onefold.errors import TemporaryError
from onefold.failpoints import reach
from onefold.messages.dead_letters import DeadLetter
from onefold.messages.times import from_milliseconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from prometheus_client import Counter

    from onefold.bootstrap import Role
    from onefold.errors import OnefoldError
    from onefold.messages.dead_letters import Headers
    from onefold.observe import Log
    from onefold.topics.client import KafkaConnection

    Settle: TypeAlias = Callable[[Sequence["Message"]], Awaitable[None]]
    """Brings one batch to its end, committed."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 10.0
LONGEST_STOP_SECONDS: Final = 20.0
"""Below the 30 s that a role is given to drain; Faust was once seen to wait for ever."""


class Message(NamedTuple):
    """A record of a topic, as it came."""

    offset: int
    key: bytes | None
    value: bytes | None
    partition: int = 0
    timestamp_ms: int = 0
    headers: Headers = ()

    @classmethod
    def of(cls, message: Any) -> Message:
        """Faust's message, whose time counts in seconds."""
        headers = message.headers or ()
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        return cls(message.offset, message.key, message.value, message.partition, round(message.timestamp * 1000), tuple(pairs))

    def letter(self, topic: str, error: OnefoldError) -> DeadLetter:
        """What is said of it where it is buried."""
        return DeadLetter(
            reason=str(error),
            error_class=type(error).__name__,
            error_code=error.code,
            attempts=1,
            origin_topic=topic,
            origin_partition=self.partition,
            origin_offset=self.offset,
            origin_timestamp=from_milliseconds(self.timestamp_ms),
            code_version=version("onefold"),
        )


def make_app(role: Role, group: str, folder: Path) -> faust.App:
    """An app for one consumer group. `folder` is where Faust wants to keep its own files; nothing of worth lies there."""
    kafka = role.settings.kafka
    return faust.App(
        kafka.topic_prefix + group,
        broker="kafka://" + kafka.servers.replace(",", ";kafka://"),
        broker_credentials=_credentials(role.kafka),
        broker_session_timeout=kafka.session_timeout_ms / 1000,
        broker_heartbeat_interval=max(0.3, kafka.session_timeout_ms / 4000),
        broker_commit_every=1_000,
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        store="memory://",
        datadir=str(folder),
        key_serializer="raw",
        value_serializer="raw",
        loghandlers=[],
    )


def _credentials(connection: KafkaConnection) -> faust.auth.Credentials | None:
    """What Faust shows to brokers, and verifies them by: the same as every other client of ours."""
    if connection.security_protocol.startswith("SASL_"):
        return faust.SASLCredentials(
            username=connection.sasl_username,
            password=connection.sasl_password,
            ssl_context=connection.ssl_context,
            mechanism=connection.sasl_mechanism,
        )
    return faust.SSLCredentials(connection.ssl_context) if connection.ssl_context is not None else None


async def settle_each(batches: AsyncIterable[Sequence[Any]], acknowledge: Any, settle: Settle, committed: str) -> None:
    """Settle batch after batch of Faust's events; acknowledge what was committed, once the failpoint of that name is passed."""
    async for events in batches:
        await settle([Message.of(event.message) for event in events])
        await reach(committed)
        for event in events:
            await acknowledge(event)


async def patiently(once: Callable[[], Awaitable[None]], waits: Counter, log: Log) -> None:
    """Settle one batch, to its end: waits for Postgres while it is away. The envelope: nothing is raised but cancellation."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            await once()
        except TemporaryError as error:
            waits.labels(error.code).inc()
            log.warning("batch_waits", code=error.code, reason=str(error), seconds=pause)
        except Exception as error:
            waits.labels("unknown").inc()
            log.exception("batch_failed", error=type(error).__name__, seconds=pause)
        else:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


async def stop(app: faust.App, log: Log) -> None:
    """Stop the app, and go on if it does not: what was not acknowledged comes again."""
    try:
        async with asyncio.timeout(LONGEST_STOP_SECONDS):
            await app.stop()
    except TimeoutError:
        log.warning("faust_stop_unfinished", seconds=LONGEST_STOP_SECONDS)
