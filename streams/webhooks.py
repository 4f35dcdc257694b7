"""Webhooks: who is to be told what, as contacts change and enter and leave segments (decision 0039).

Its path, for one batch of a topic: take → decode → in one transaction: read the webhooks that listen, leave out what erased people were,
write what is due → acknowledge. A message that is delivered again finds what it made due. Sending is another loop of the same role
(`posting`), so a receiver that is slow or dead holds up neither this stream nor another receiver.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from onefold import bootstrap
from onefold.errors import PermanentError
from onefold.failpoints import reach
from onefold.messages.codec import decode
from onefold.messages.contacts import ContactChange
from onefold.messages.segments import SegmentMembership
from onefold.messages.times import from_milliseconds
from onefold.messages.topics import CONTACTS_CHANGED, MAX_WRAPPED_BYTES, SEGMENTS_MEMBERSHIP, WEBHOOKS_GROUP
from onefold.messages.webhooks import KIND_OF_TOPIC, webhook_body
from onefold.observe import WebhooksMetrics
from onefold.records import webhook_deliveries
from onefold.records.buried import bury
from onefold.records.webhook_deliveries import Due
from onefold.records.webhooks import WebhookRow, listening
from onefold.workspace.webhooks import due_to
from streams.app import Message, make_app, patiently, settle_each, stop
from streams.posting import Limits, Sender

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Mapping, Sequence
    from uuid import UUID

    from onefold.bootstrap import Role
    from onefold.errors import OnefoldError
    from onefold.observe import Health, Log
    from onefold.records.store import Connection, Store

    Read = ContactChange | SegmentMembership

MOST_MESSAGES, WITHIN_SECONDS = 200, 0.05
STRUCTS: Mapping[str, type[Read]] = {CONTACTS_CHANGED: ContactChange, SEGMENTS_MEMBERSHIP: SegmentMembership}


class Decoded(NamedTuple):
    """A message, as it came and as it reads."""

    message: Message
    read: Read

    @property
    def version(self) -> int:
        """Of the contact."""
        return self.read.version if isinstance(self.read, ContactChange) else self.read.contact_version

    def due_to(self, webhook: WebhookRow, kind: str) -> Due:
        """What this makes due to a webhook."""
        read, body = self.read, webhook_body(kind, self.read.at, self.message.value or b"null")
        return Due(read.workspace, uuid4(), webhook.webhook_id, read.event_id, kind, read.contact_id, self.version, body)


class Notices:
    """Writes what is due, of one topic. Knows nothing of Faust."""

    def __init__(self, store: Store, topic: str, metrics: WebhooksMetrics, log: Log) -> None:
        self._store = store
        self._topic = topic
        self._kind = KIND_OF_TOPIC[topic]
        self._metrics = metrics
        self._log = log

    async def follow(self, batches: AsyncIterable[Sequence[Any]], acknowledge: Any) -> None:
        """Settle batch after batch of Faust's events; acknowledge what was committed."""
        await settle_each(batches, acknowledge, self.settle, "webhooks.committed")

    async def settle(self, messages: Sequence[Message]) -> None:
        """One batch, to its end: nothing is raised but cancellation."""
        await patiently(lambda: self._settle(messages), self._metrics.waits, self._log)

    async def _settle(self, messages: Sequence[Message]) -> None:
        decoded, dead = self._decode(messages)
        workspaces = {each.read.workspace for each in decoded}
        async with self._store.transaction(workspaces) as connection:
            for message, error in dead:
                await bury(connection, message.letter(self._topic, error), message.key, message.value or b"", message.headers)
            new = await self._write(connection, workspaces, decoded)
        self._metrics.due.labels(self._kind).inc(new)
        self._metrics.dead.labels(self._topic).inc(len(dead))

    async def _write(self, connection: Connection, workspaces: set[str], decoded: Sequence[Decoded]) -> int:
        webhooks = await listening(connection, workspaces)
        wanted = [(each, to) for each in decoded for to in due_to(webhooks, each.read, from_milliseconds(each.message.timestamp_ms))]
        if not wanted:
            return 0
        await webhook_deliveries.begin(connection)
        erased = await webhook_deliveries.erased_among(connection, workspaces, {each.read.contact_id for each, _ in wanted})
        await reach("webhooks.looked_up")
        due = [each.due_to(webhook, self._kind) for each, webhook in wanted if not _says_who_is_gone(each.read, erased)]
        return await webhook_deliveries.insert_due(connection, due)

    def _decode(self, messages: Sequence[Message]) -> tuple[list[Decoded], list[tuple[Message, OnefoldError]]]:
        """What the messages say, and what is none. A tombstone says nothing: the change before it told that the person was erased."""
        decoded: list[Decoded] = []
        dead: list[tuple[Message, OnefoldError]] = []
        for message in messages:
            if message.value is None:
                continue
            try:
                decoded.append(Decoded(message, decode(message.value, STRUCTS[self._topic], max_bytes=MAX_WRAPPED_BYTES)))
            except PermanentError as error:
                self._log.error("message_unreadable", topic=self._topic, offset=message.offset, code=error.code, reason=str(error))
                dead.append((message, error))
        return decoded, dead


def _says_who_is_gone(read: Read, erased: set[UUID]) -> bool:
    """Whether this is an old change of an erased person, which still lies on its topic: their last one, and what they left, is told."""
    return read.contact_id in erased and isinstance(read, ContactChange) and "erased_at" not in read.changes


async def run(role: Role, health: Health, stopping: asyncio.Event) -> None:
    """Write what is due, and send it, until told to stop; what was not committed comes again."""
    metrics = WebhooksMetrics(role.metrics)
    with tempfile.TemporaryDirectory(prefix="onefold-webhooks-") as folder:
        async with bootstrap.store(role) as store:
            app = make_app(role, WEBHOOKS_GROUP, Path(folder))
            for topic in STRUCTS:
                _follow(app, role, Notices(store, topic, metrics, role.log), topic)
            sender = Sender(store, bootstrap.outbound(role), bootstrap.webhook_rules(role).secrets, Limits.of(role.settings.webhooks))
            await app.start()
            health.ready("start")
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(sender.run(metrics, role.log, stopping))
                    await health.tick_until(stopping)
            finally:
                await stop(app, role.log)


def _follow(app: Any, role: Role, notices: Notices, topic: str) -> None:
    async def follow(stream: Any) -> None:
        await notices.follow(stream.noack_take(MOST_MESSAGES, within=WITHIN_SECONDS), stream.ack)

    app.agent(app.topic(role.kafka.topic(topic), key_type=bytes, value_type=bytes), name=topic)(follow)
