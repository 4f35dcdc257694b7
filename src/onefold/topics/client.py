"""How clients connect, how they are let go, and what their errors mean to us. Used by everything in this room."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiokafka import errors as kafka

from onefold.errors import ConfigurationError, Fenced, InvalidMessage, LogUnavailable, OnefoldError
from onefold.messages.topics import topic_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_FENCED: Final = (
    kafka.ProducerFenced,
    kafka.InvalidProducerEpoch,
    kafka.TransactionCoordinatorFenced,
    kafka.InvalidProducerIdMapping,
    kafka.InvalidTxnState,
)
_REFUSED: Final = (kafka.MessageSizeTooLargeError, kafka.RecordListTooLargeError, kafka.InvalidTimestampError)
_MISCONFIGURED: Final = (
    kafka.TopicAuthorizationFailedError,
    kafka.GroupAuthorizationFailedError,
    kafka.ClusterAuthorizationFailedError,
    kafka.TransactionalIdAuthorizationFailed,
    kafka.SaslAuthenticationFailed,
    kafka.SecurityDisabled,
    kafka.AuthenticationFailedError,
    kafka.AuthenticationMethodNotSupported,
    kafka.UnsupportedSaslMechanismError,
    kafka.IllegalSaslStateError,
    kafka.InvalidTransactionTimeout,
)
_CLOSE_SECONDS: Final = 3.0

FAILURES: Final = (kafka.KafkaError, kafka.IllegalOperation, kafka.ConsumerStoppedError, AssertionError, OSError, TimeoutError)
"""What aiokafka raises. It guards its own states with assertions: one that fails means that the client is of no more use."""


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Where the brokers are and how to speak to them."""

    servers: str
    """`host:port`, several separated by commas."""
    topic_prefix: str = ""
    """Goes before every topic's name: whoever calls this room says `interactions`, whatever the broker calls it."""
    client_id: str = "onefold"
    security_protocol: str = "PLAINTEXT"
    ssl_context: ssl.SSLContext | None = None
    sasl_mechanism: str = "PLAIN"
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    request_timeout_seconds: float = 20.0

    def topic(self, name: str) -> str:
        """The topic as the broker knows it."""
        return topic_name(self.topic_prefix, name)

    def plain(self, name: str) -> str:
        """What we call the topic that the broker knows by this name."""
        return name.removeprefix(self.topic_prefix)

    def options(self) -> dict[str, Any]:
        """Keyword arguments that all of aiokafka's clients take."""
        return {
            "bootstrap_servers": self.servers,
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
            "ssl_context": self.ssl_context,
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": self.sasl_password,
            "request_timeout_ms": int(self.request_timeout_seconds * 1000),
        }


def verifying(ca_file: Path | None) -> ssl.SSLContext:
    """What verifies brokers' certificates and names, by these authorities or the system's (S115). Raises ConfigurationError."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # which ssl.SSLError is, too
        raise ConfigurationError(f"The authorities of Kafka's brokers cannot be read from {ca_file}: {error.strerror or error}") from error


def translate(error: BaseException, doing: str) -> OnefoldError:
    """Say what a failure of aiokafka means.

    Fenced for a newer owner, InvalidMessage for a record that no broker will take, ConfigurationError for what nobody may do, else
    LogUnavailable.
    """
    text = f"{doing}: {type(error).__name__} {error}".rstrip()
    if isinstance(error, _FENCED):
        return Fenced(text)
    if isinstance(error, _REFUSED):
        return InvalidMessage(text, code="too_large")
    if isinstance(error, _MISCONFIGURED):
        return ConfigurationError(f"Kafka refuses: {text}. Check the credentials and ACLs of this role.")
    if isinstance(error, kafka.UnknownTopicOrPartitionError):
        return LogUnavailable(f"{text}. Does the topic exist? `onefold topics create` makes it.")
    if isinstance(error, TimeoutError):
        return LogUnavailable(f"{doing}: Kafka did not answer in time")
    return LogUnavailable(text)


@asynccontextmanager
async def translated(doing: str, timeout_seconds: float | None = None) -> AsyncIterator[None]:
    """Raise our errors for those of aiokafka, and LogUnavailable when the block takes longer than it may."""
    try:
        async with asyncio.timeout(timeout_seconds):
            yield
    except FAILURES as error:
        raise translate(error, doing) from error


async def let_go(client: Any) -> None:
    """Stop a producer or consumer, at once if it does not stop by itself: a producer flushes for ever while no broker answers."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await client.stop()
    except FAILURES:
        await _tear_down(client)
    _look_at_failures(client)


async def _tear_down(client: Any) -> None:
    """End what is left of a client that would not stop: its background task and its connections."""
    inner = getattr(client, "client", None) or getattr(client, "_client", None)
    task = getattr(getattr(client, "_sender", None), "sender_task", None)
    if task is not None:
        task.cancel()
    if inner is not None:
        with suppress(*FAILURES):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await inner.close()
    if task is not None:
        await asyncio.wait([task], timeout=_CLOSE_SECONDS)


def _look_at_failures(client: Any) -> None:
    """Look at what a dead producer's inner futures hold, which nobody awaits: asyncio would report each as forgotten."""
    accumulator, manager = getattr(client, "_message_accumulator", None), getattr(client, "_txn_manager", None)
    left = [batch for batches in accumulator._batches.values() for batch in batches] if accumulator is not None else []  # noqa: SLF001 - no other way
    futures = [each for batch in left for each in (batch.future, batch._drain_waiter)]  # noqa: SLF001 - no other way
    futures.append(getattr(manager, "_transaction_waiter", None))
    for future in futures:
        if future is not None and future.done() and not future.cancelled():
            future.exception()
