"""Webhooks on a store, and what writes and sends what is due to them, for tests."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import structlog

from onefold.messages.topics import CONTACTS_CHANGED
from onefold.observe import Metrics, WebhooksMetrics
from onefold.outbound.addresses import public_or
from onefold.outbound.client import Outbound
from onefold.records import webhook_deliveries
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.workspace import webhooks
from onefold.workspace.webhook_secrets import SigningSecrets
from onefold.workspace.webhooks import Rules, Wish
from streams.app import Message
from streams.posting import Limits, Sender
from streams.webhooks import Notices
from tests.support.worlds import EXACT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from uuid import UUID

    from onefold.outbound.client import Resolve
    from onefold.records.store import Store
    from onefold.records.webhook_deliveries import Delivery
    from onefold.records.webhooks import WebhookRow

SECRETS = SigningSecrets({1: b"w" * 32})
HERE = ip_network("127.0.0.1/32")
# Without the last error, so that an attempt which is under way is told from the one before.
SOON = "update webhook_deliveries set next_attempt_at = clock_timestamp(), last_error = null where state = 'waiting'"
RESTED = "update webhooks set paused_until = null"


@dataclass
class Post:
    """A store with webhooks, and what sends them."""

    store: Store
    limits: Limits = field(default_factory=lambda: Limits(seconds=0.5))
    metrics: WebhooksMetrics = field(default_factory=lambda: WebhooksMetrics(Metrics()))

    async def webhook(self, url: str, workspace: str = "acme", **wish: Any) -> tuple[WebhookRow, str]:
        """A webhook there, and its secret."""
        async with self.store.transaction([workspace]) as connection:
            return await webhooks.create_webhook(connection, workspace, Wish("T", url, **wish), Rules(SECRETS, allows_http=True))

    async def ping(self, webhook: WebhookRow) -> Delivery:
        """Something that is due there."""
        async with self.store.transaction([webhook.workspace]) as connection:
            return await webhooks.ping(connection, webhook)

    async def resolve(self, *story: Any) -> list[Message]:
        """Let contacts change; gives the messages that tell it, and takes them out of the outbox."""
        async with self.store.transaction(["acme"]) as connection:
            resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=1_000)
            await resolution.resolve(connection, list(story), {"acme": EXACT}, "test")
        return await self.told()

    async def told(self) -> list[Message]:
        """What waits for the relay, tombstones too."""
        async with self.store.begin() as connection:
            rows = await connection.fetch("delete from outbox where topic = $1 returning id, key, payload", CONTACTS_CHANGED)
        return [
            Message(row["id"], row["key"], row["payload"], timestamp_ms=4_000_000_000_000)
            for row in sorted(rows, key=lambda row: row["id"])
        ]

    async def notice(self, messages: Sequence[Message]) -> None:
        """What the stream does with a batch."""
        await Notices(self.store, CONTACTS_CHANGED, self.metrics, structlog.get_logger()).settle(messages)

    @asynccontextmanager
    async def sending(self, *networks: str, resolve: Resolve | None = None, workers: int = 1) -> AsyncIterator[None]:
        """Senders for as long as the block runs; whatever is under way at its end is finished."""
        may_reach = public_or([ip_network(each) for each in networks] or [HERE])
        outbound = Outbound(may_reach, resolve=resolve) if resolve is not None else Outbound(may_reach)
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(workers):
                sender = Sender(self.store, outbound, SECRETS, self.limits)
                tasks.create_task(sender.run(self.metrics, structlog.get_logger(), stopping))
            try:
                yield
            finally:
                stopping.set()

    async def deliveries(self, webhook: WebhookRow) -> list[Delivery]:
        """The oldest first."""
        async with self.store.transaction([webhook.workspace]) as connection:
            found = await webhook_deliveries.page(connection, webhook.workspace, webhook.webhook_id, before=None, state=None, limit=100)
        return found[::-1]

    async def settled(self, webhook: WebhookRow, *expected: tuple[str, int]) -> list[Delivery]:
        """Wait until deliveries have these states after so many attempts; says how they are if they never do."""
        found: list[Delivery] = []
        try:
            async with asyncio.timeout(10):
                while [(each.state, each.attempts) for each in found] != list(expected) or _is_open(found):
                    await asyncio.sleep(0.03)
                    found = await self.deliveries(webhook)
        except TimeoutError:
            raise AssertionError(found) from None
        return found

    async def later(self) -> None:
        """Time passes: whoever waits for another attempt has waited."""
        async with self.store.transaction(["acme", "other"]) as connection:
            await connection.execute(SOON)
            await connection.execute(RESTED)

    async def set(self, assignment: str, webhook_id: UUID) -> None:
        """Let a column of a webhook say something else."""
        async with self.store.transaction(["acme"]) as connection:
            await connection.execute(f"update webhooks set {assignment} where webhook_id = $1", webhook_id)  # noqa: S608 -- a test's


def _is_open(found: Sequence[Delivery]) -> bool:
    """Whether an attempt is under way: counted already, and nothing recorded."""
    return any(each.state == "waiting" and each.attempts and each.last_error is None for each in found)
