"""Outreach: from what is asked for on `outreach.requested` to mails and texts (decision 0041).

Its path, for one batch: take → decode → in one transaction: keep what is not known yet → acknowledge. Sending is another loop of the same
role (`delivering`), so that a provider that is slow or dead holds up neither this stream nor another channel. What cannot be read is
dropped with a count, since a dead letter would keep a code, or a link, for months.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onefold import bootstrap
from onefold.errors import PermanentError
from onefold.messages.outreach import read
from onefold.messages.topics import OUTREACH_GROUP, OUTREACH_REQUESTED
from onefold.observe import OutreachMetrics
from onefold.records import outreach
from streams.app import Message, make_app, patiently, settle_each, stop
from streams.delivering import Delivering, Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Sequence

    from onefold.bootstrap import Role
    from onefold.messages.outreach import OutreachRequested
    from onefold.observe import Health, Log
    from onefold.records.store import Store

MOST_MESSAGES, WITHIN_SECONDS = 200, 0.05


class Requests:
    """Keeps what is asked for. Knows nothing of Faust."""

    def __init__(self, store: Store, metrics: OutreachMetrics, log: Log) -> None:
        self._store = store
        self._metrics = metrics
        self._log = log

    async def follow(self, batches: AsyncIterable[Sequence[Any]], acknowledge: Any) -> None:
        """Keep batch after batch of Faust's events; acknowledge what was committed."""
        await settle_each(batches, acknowledge, self.settle, "outreach.committed")

    async def settle(self, messages: Sequence[Message]) -> None:
        """One batch, to its end: nothing is raised but cancellation."""
        await patiently(lambda: self._settle(messages), self._metrics.waits, self._log)

    async def _settle(self, messages: Sequence[Message]) -> None:
        wanted = self._decode(messages)
        new = 0
        if wanted:
            async with self._store.transaction({each.workspace for each in wanted}) as connection:
                new = await outreach.insert_due(connection, wanted)
        self._metrics.requested.labels("new").inc(new)
        self._metrics.requested.labels("dropped").inc(len(wanted) - new)
        self._metrics.requested.labels("unreadable").inc(len(messages) - len(wanted))

    def _decode(self, messages: Sequence[Message]) -> list[OutreachRequested]:
        found: list[OutreachRequested] = []
        for message in messages:
            try:
                found.append(read(message.value))
            except PermanentError as error:  # what it says is not repeated: it may hold a code
                self._log.error("message_unreadable", offset=message.offset, partition=message.partition, code=error.code)
        return found


async def run(role: Role, health: Health, stopping: asyncio.Event) -> None:
    """Keep what is asked for, and send it, until told to stop; what was not committed comes again."""
    metrics = OutreachMetrics(role.metrics)
    senders = bootstrap.outreach_senders(role)
    with tempfile.TemporaryDirectory(prefix="onefold-outreach-") as folder:
        async with bootstrap.store(role) as store:
            requests = Requests(store, metrics, role.log)
            app = make_app(role, OUTREACH_GROUP, Path(folder))

            async def follow(stream: Any) -> None:
                await requests.follow(stream.noack_take(MOST_MESSAGES, within=WITHIN_SECONDS), stream.ack)

            app.agent(app.topic(role.kafka.topic(OUTREACH_REQUESTED), key_type=bytes, value_type=bytes), name="outreach")(follow)
            delivering = Delivering(store, senders, Limits.of(role.settings.outreach), metrics, role.log)
            await app.start()
            health.ready("start")
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(delivering.run(stopping))
                    await health.tick_until(stopping)
            finally:
                await stop(app, role.log)
