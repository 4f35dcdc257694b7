"""The only place that connects things: from settings to stores, indexes, producers and what each role works with.

Entry points (commands, tests that start a role) call it once and pass on what it made. Nothing connects at import.
"""

from __future__ import annotations

import gc
import os
import re
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING

from onefold.errors import ConfigurationError
from onefold.index.lookup import Index
from onefold.index.resolution_index import ResolutionIndex
from onefold.index.upkeep import IndexUpkeep
from onefold.local.mailbox import Mailbox
from onefold.logs import set_up_logs
from onefold.observe import IndexMetrics, Log, Metrics
from onefold.outbound.addresses import anywhere, public_or
from onefold.outbound.client import Outbound, split_url
from onefold.outreach.mail import Writes
from onefold.outreach.mail_folder import FolderSender
from onefold.outreach.sms_gateway import GatewaySender
from onefold.outreach.smtp import Server, SmtpSender, is_this_machine
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.records.rules import RulesCache
from onefold.records.shards import shard_count
from onefold.records.store import Store
from onefold.topics.client import KafkaConnection, verifying
from onefold.topics.dead_letters import DeadLetters
from onefold.topics.producer import IdempotentProducer
from onefold.workspace.webhook_secrets import SigningSecrets
from onefold.workspace.webhooks import Rules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from onefold.messages.outreach import Channel
    from onefold.outreach.sending import Sender
    from onefold.settings import Kafka, OutreachSettings, Settings


@dataclass(frozen=True, slots=True)
class Role:
    """A process of ours: which role it plays, under which settings, and how it is observed."""

    name: str
    settings: Settings
    log: Log
    metrics: Metrics

    @property
    def worker(self) -> str:
        """Which process this is, for rows and logs that name it."""
        return f"{self.name}@{socket.gethostname()}:{os.getpid()}"

    @property
    def kafka(self) -> KafkaConnection:
        """How to reach the log."""
        return kafka_connection(self.settings.kafka, self.name)


def kafka_connection(kafka: Kafka, role: str) -> KafkaConnection:
    """How this role reaches the log under these settings. Raises ConfigurationError."""
    return KafkaConnection(
        kafka.servers,
        kafka.topic_prefix,
        client_id=f"onefold-{role}",
        security_protocol=kafka.security_protocol,
        ssl_context=verifying(kafka.ca_file) if kafka.security_protocol.endswith("SSL") else None,
        sasl_mechanism=kafka.sasl_mechanism,
        sasl_username=kafka.username,
        sasl_password=kafka.password.get_secret_value() if kafka.password is not None else None,
    )


GARBAGE_THRESHOLDS = (25_000, 20, 50)
"""Python's own (700, 10, 10) look through all that a worker keeps many times a second, and find nothing: records hold no cycles. With
these the hot path is half as fast again, and a look takes 11 ms; at 200,000 it would take 120 ms (docs/performance.md)."""


def calm_garbage_collector() -> None:
    """Leave what is loaded now alone, and look for cycles more seldom. Once a process, when it has loaded its code."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def begin(name: str, settings: Settings) -> Role:
    """Set a process up: its logs and its metrics."""
    return Role(name, settings, set_up_logs(settings.logs.level, settings.logs.format, role=name), Metrics())


@asynccontextmanager
async def store(role: Role, *, pool_size: int | None = None) -> AsyncIterator[Store]:
    """The system of record. Raises StoreUnavailable, ConfigurationError."""
    settings = role.settings.postgres
    opened = await Store.connect(
        settings.url.get_secret_value(),
        pool_size=pool_size or settings.pool_size,
        application_name=f"onefold-{role.name}",
        idle_in_transaction_ms=settings.idle_in_transaction_ms,
        transaction_ms=settings.transaction_ms,
    )
    try:
        yield opened
    finally:
        await opened.close()


def webhook_rules(role: Role) -> Rules:
    """What the installation says of webhooks."""
    settings = role.settings.webhooks
    secrets = {version: bytes.fromhex(secret.get_secret_value()) for version, secret in settings.secrets.items()}
    return Rules(SigningSecrets(secrets), allows_http=bool(settings.allowed_networks))


def outbound(role: Role) -> Outbound:
    """Calls to addresses that workspaces chose: public ones, and those that the installation allows (S87)."""
    return Outbound(public_or(role.settings.webhooks.allowed_networks))


def outreach_senders(role: Role) -> dict[Channel, Sender]:
    """The ways to send that the installation has. Raises ConfigurationError."""
    settings = role.settings.outreach
    found: dict[Channel, Sender] = {}
    if settings.smtp_host is not None:
        if settings.sender is None:
            raise ConfigurationError("ONEFOLD_OUTREACH__SENDER is missing: the address that mail comes from, such as no-reply@example.com")
        password = settings.smtp_password.get_secret_value() if settings.smtp_password is not None else None
        where = (settings.smtp_host, settings.smtp_port, settings.smtp_security, settings.smtp_username, password)
        found["email"] = SmtpSender(Server(*where, settings.timeout_seconds), Writes(settings.sender, settings.reply_to))
    if settings.sms_folder is not None:
        if role.settings.profile == "production":
            raise ConfigurationError("ONEFOLD_OUTREACH__SMS_FOLDER is for development: in production texts go to ONEFOLD_OUTREACH__SMS_URL")
        found["sms"] = FolderSender(Mailbox(settings.sms_folder))
    elif settings.sms_url is not None:
        found["sms"] = _gateway(settings)
    return found


def _gateway(settings: OutreachSettings) -> GatewaySender:
    secret, url = settings.sms_secret, str(settings.sms_url)
    if secret is None or not re.fullmatch("[0-9a-fA-F]{64}", secret.get_secret_value()):
        raise ConfigurationError("ONEFOLD_OUTREACH__SMS_SECRET must have 64 hexadecimal digits, such as from openssl rand -hex 32")
    parts = split_url(url)
    if parts is None or (parts.scheme != "https" and not is_this_machine(str(parts.hostname))):
        raise ConfigurationError("ONEFOLD_OUTREACH__SMS_URL must be an https URL, or on this machine")
    return GatewaySender(Outbound(anywhere), url, bytes.fromhex(secret.get_secret_value()), seconds=settings.timeout_seconds)


@asynccontextmanager
async def index(role: Role, failed: Callable[[str], None] = lambda _: None) -> AsyncIterator[Index]:
    """The index's Redis; `failed` is told when it cannot be used. Never raises: without it everything works, slower."""
    settings = role.settings.redis
    opened = Index(settings.url.get_secret_value(), timeout_ms=settings.timeout_ms, failed=failed)
    try:
        yield opened
    finally:
        await opened.close()


@asynccontextmanager
async def index_upkeep(role: Role) -> AsyncIterator[IndexUpkeep]:
    """The index's Redis for those who look after it: failures are seen."""
    opened = IndexUpkeep(role.settings.redis.url.get_secret_value())
    try:
        yield opened
    finally:
        await opened.close()


@dataclass(frozen=True, slots=True)
class Resolving:
    """What a resolver works with."""

    store: Store
    index: ResolutionIndex
    producer: IdempotentProducer
    dead_letters: DeadLetters | None
    """None for a replay: whatever it meets had its line or its letter before."""
    rules: RulesCache
    resolution: Resolution


@asynccontextmanager
async def resolving(role: Role) -> AsyncIterator[Resolving]:
    """Everything that a resolver works with, connected."""
    settings = role.settings
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(store(role))
        metrics = IndexMetrics(role.metrics)
        hints = await stack.enter_async_context(index(role, metrics.failed))
        producer = await stack.enter_async_context(IdempotentProducer(role.kafka))
        dead_letters = await stack.enter_async_context(DeadLetters(role.kafka, code_version=version("onefold")))
        yield Resolving(
            store=opened,
            index=ResolutionIndex(hints, settings.index_secret, metrics.looked_up),
            producer=producer,
            dead_letters=dead_letters,
            rules=RulesCache(opened, timedelta(seconds=settings.resolver.recency_seconds)),
            resolution=Resolution(shards=await shard_count(opened), numbers=TenureNumbers(), budget=settings.resolver.tenure_budget),
        )
