"""The sender of webhooks: claims what is due, posts it, says what became of it (decision 0039).

Its path: which webhooks have something due → claim some of each, as far as its bounds reach → post each, signed → settle. A delivery
that does not arrive is tried again, later and later; a receiver that does not answer at all is left alone for a while, and asked with one
delivery at a time until one arrives; a webhook where nothing arrives for days is disabled. Who is killed between post and settle leaves
the delivery to whoever claims it next, so that it arrives twice, under one id. Called by `webhooks`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

from onefold.errors import InvalidMessage, TemporaryError
from onefold.failpoints import reach
from onefold.messages.webhooks import signed_headers
from onefold.outbound.client import Call, CallFailed
from onefold.records import log as journal
from onefold.records import webhook_deliveries as deliveries
from onefold.records.store import RACES
from onefold.records.webhooks import live_secrets
from onefold.records.workspaces import list_workspaces

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    from onefold.observe import Log, WebhooksMetrics
    from onefold.outbound.client import Outbound
    from onefold.records.store import Connection, Store
    from onefold.records.webhook_deliveries import Claimed, Ready
    from onefold.settings import WebhooksSettings
    from onefold.workspace.webhook_secrets import SigningSecrets

ACTOR: Final = "webhooks-worker"
DELIVERED, REFUSED, GONE = "delivered", "refused", "gone"
MOST_ATTEMPTS: Final = 13
"""With the pauses below the last one is 17 to 23 hours after the first."""
_FIRST_PAUSE: Final = 10.0
_LONGEST_PAUSE: Final = 4 * 3_600.0
_FIRST_REST: Final = 2.0
_LONGEST_REST: Final = 600.0
_SPARE_SECONDS: Final = 20.0
"""What a lease has on top of the longest call, for a database that is slow to hear of its end."""
_POLL_SECONDS: Final = 0.5
_MEASURE_SECONDS: Final = 10.0
_MANY: Final = 1_000
"""Deliveries that wait, from which on it matters how Postgres looks for them."""
_PRUNE_SECONDS: Final = 600.0
_PRUNE_ROWS: Final = 2_000


def pause_after(attempts: int, dice: random.Random) -> timedelta | None:
    """How long a delivery waits that did not arrive in so many attempts; None: it has failed. Three times as long each time."""
    if attempts >= MOST_ATTEMPTS:
        return None
    longest = min(_FIRST_PAUSE * 3 ** (attempts - 1), _LONGEST_PAUSE)
    return timedelta(seconds=longest * dice.uniform(0.75, 1.0))


def rest_after(failures: int, dice: random.Random) -> timedelta:
    """How long a receiver is left alone that has not answered so many times in a row before."""
    return timedelta(seconds=min(_FIRST_REST * 2 ** min(failures, 20), _LONGEST_REST) * dice.uniform(0.5, 1.0))


class Limits(NamedTuple):
    """How far a sender goes."""

    at_once: int = 50
    per_workspace: int = 20
    per_webhook: int = 5
    seconds: float = 15.0
    disable_after: timedelta = timedelta(hours=72)
    kept: timedelta = timedelta(days=14)

    @classmethod
    def of(cls, settings: WebhooksSettings) -> Limits:
        """As the installation says."""
        return cls(
            settings.at_once,
            settings.at_once_per_workspace,
            settings.at_once_per_webhook,
            settings.timeout_seconds,
            timedelta(hours=settings.disable_after_hours),
            timedelta(days=settings.retention_days),
        )


class Outcome(NamedTuple):
    """What became of an attempt."""

    result: str
    """delivered, or in one word why not."""
    status: int | None = None
    says: str | None = None

    @property
    def is_silence(self) -> bool:
        """Whether the receiver is not well, rather than against this one delivery."""
        return self.result not in {DELIVERED, REFUSED, GONE}


def judged(status: int) -> Outcome:
    """What an answer means: only 2xx says that the delivery was taken, and nobody is followed elsewhere (S87)."""
    if 200 <= status < 300:  # noqa: PLR2004 -- as HTTP numbers its answers, here and below
        return Outcome(DELIVERED, status)
    if 300 <= status < 400:  # noqa: PLR2004
        return Outcome("redirected", status, f"the receiver answered {status}: redirects are not followed")
    if status == HTTPStatus.GONE:
        return Outcome(GONE, status, "the receiver answered 410 Gone")
    is_against_it = 400 <= status < 500 and status not in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}  # noqa: PLR2004
    return Outcome(REFUSED if is_against_it else "failed", status, f"the receiver answered {status}")


class _Letter(NamedTuple):
    """A delivery, where it goes, and what it is signed with."""

    webhook: Ready
    secrets: Sequence[bytes]
    delivery: Claimed


@dataclass(slots=True)
class _Underway:
    """What is being sent now."""

    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    by_workspace: Counter[str] = field(default_factory=Counter)
    by_webhook: Counter[UUID] = field(default_factory=Counter)
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something has ended."""

    def room(self, webhook: Ready, limits: Limits) -> int:
        """How many more deliveries of this webhook may be sent."""
        each = 1 if webhook.is_failing else limits.per_webhook
        return min(
            each - self.by_webhook[webhook.webhook_id],
            limits.per_workspace - self.by_workspace[webhook.workspace],
            limits.at_once - len(self.tasks),
        )

    def add(self, task: asyncio.Task[None], webhook: Ready) -> None:
        self.tasks.add(task)
        self.by_workspace[webhook.workspace] += 1
        self.by_webhook[webhook.webhook_id] += 1
        task.add_done_callback(lambda _: self._remove(task, webhook))

    def _remove(self, task: asyncio.Task[None], webhook: Ready) -> None:
        self.tasks.discard(task)
        self.by_workspace -= Counter({webhook.workspace: 1})
        self.by_webhook -= Counter({webhook.webhook_id: 1})
        self.freed.set()


class Sender:
    """Sends what is due."""

    def __init__(
        self, store: Store, outbound: Outbound, secrets: SigningSecrets, limits: Limits, *, dice: random.Random | None = None
    ) -> None:
        self._store = store
        self._outbound = outbound
        self._secrets = secrets
        self._limits = limits
        self._dice = dice or random.Random()  # noqa: S311 -- jitter
        self._lease = timedelta(seconds=limits.seconds + _SPARE_SECONDS)
        self._underway = _Underway()

    async def run(self, metrics: WebhooksMetrics, log: Log, stopping: asyncio.Event) -> None:
        """Send until told to stop; what is under way is finished."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_every(_MEASURE_SECONDS, stopping, lambda: self.measure(metrics), log))
            tasks.create_task(_every(_PRUNE_SECONDS, stopping, lambda: self.prune(metrics, log), log))
            while not stopping.is_set():
                begun = 0
                self._underway.freed.clear()
                try:
                    begun = await self.send_some(tasks, metrics, log)
                except TemporaryError as error:
                    metrics.waits.labels(error.code).inc()
                    log.warning("sender_waits", code=error.code, reason=str(error))
                except Exception:  # whatever it is, what is due must go out
                    metrics.waits.labels("unknown").inc()
                    log.exception("sender_failed")
                if not begun:  # nothing is due, or there is no room until something is freed
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._underway.freed.wait(), _POLL_SECONDS)

    async def send_some(self, tasks: asyncio.TaskGroup, metrics: WebhooksMetrics, log: Log) -> int:
        """Begin to send what is due, as far as there is room; gives how many."""
        async with self._store.connection() as connection:
            workspaces = await list_workspaces(connection)
        async with self._store.transaction(workspaces) as connection:
            found = await deliveries.ready(connection, workspaces)
        self._dice.shuffle(found)
        begun = 0
        for webhook in found:
            room = self._underway.room(webhook, self._limits)
            if room <= 0:
                continue
            async with self._store.transaction([webhook.workspace]) as connection:
                secrets = await self._live_secrets(connection, webhook)
                claimed = await deliveries.claim(connection, webhook, room, self._lease)
            for each in claimed:
                self._underway.add(tasks.create_task(self._send(_Letter(webhook, secrets, each), metrics, log)), webhook)
            begun += len(claimed)
        return begun

    async def _live_secrets(self, connection: Connection, webhook: Ready) -> list[bytes]:
        rows = await live_secrets(connection, [webhook.workspace], [webhook.webhook_id])
        return [secret for row in rows if (secret := self._secrets.derive(webhook.workspace, row)) is not None]

    async def _send(self, letter: _Letter, metrics: WebhooksMetrics, log: Log) -> None:
        """One attempt, to its end. Where that cannot be recorded, the delivery is anybody's again when its lease is over."""
        log = log.bind(workspace=letter.webhook.workspace, webhook=str(letter.webhook.webhook_id), event_id=letter.delivery.event_id)
        try:
            with metrics.attempt_seconds.time():
                outcome = await self._post(letter)
            await reach("webhooks.posted")
            metrics.attempts.labels(outcome.result).inc()
            await self._settle(letter.delivery, outcome, metrics, log)
        except TemporaryError as error:
            metrics.waits.labels(error.code).inc()
            log.warning("delivery_not_settled", code=error.code, reason=str(error))
        except Exception:
            metrics.waits.labels("unknown").inc()
            log.exception("delivery_failed_unexpectedly")

    async def _post(self, letter: _Letter) -> Outcome:
        if not letter.secrets:
            return Outcome("unsigned", says="no secret is left to sign with: rotate it; its operator looks at ONEFOLD_WEBHOOKS__SECRETS")
        body, sent_at = letter.delivery.body, int(time.time())
        signed = signed_headers(letter.secrets, letter.delivery.event_id, sent_at, body)
        call = Call("POST", letter.webhook.url, {"Content-Type": "application/json", **signed}, body)
        try:
            answer = await self._outbound.call(call, seconds=self._limits.seconds, most_bytes=0)
        except (CallFailed, InvalidMessage) as error:
            return Outcome(error.code, says=str(error))
        return judged(answer.status)

    async def _settle(self, delivery: Claimed, outcome: Outcome, metrics: WebhooksMetrics, log: Log) -> None:
        async with self._store.transaction([delivery.workspace]) as connection:
            if outcome.result == DELIVERED:
                await deliveries.arrived(connection, delivery, outcome.status or 0)
                return
            pause = pause_after(delivery.attempts, self._dice)
            await deliveries.not_arrived(connection, delivery, outcome.status, outcome.says or outcome.result, pause)
            disabled_because = await self._fail(connection, delivery, outcome)
        log.info("delivery_not_taken", result=outcome.result, status=outcome.status, attempts=delivery.attempts)
        if pause is None:
            metrics.given_up.inc()
            log.warning("delivery_given_up", attempts=delivery.attempts)
        if disabled_because is not None:
            metrics.disabled.inc()
            log.error("webhook_disabled", reason=disabled_because)

    async def _fail(self, connection: Connection, delivery: Claimed, outcome: Outcome) -> str | None:
        """Count a failure of the webhook itself; gives why it was disabled, if it was."""
        rest = rest_after(await deliveries.failures(connection, delivery), self._dice) if outcome.is_silence else None
        is_hopeless = await deliveries.failing(connection, delivery, rest, self._limits.disable_after)
        because = f"nothing has arrived there for {self._limits.disable_after.total_seconds() / 3600:g} hours" if is_hopeless else None
        if outcome.result == GONE:
            because = "the receiver answered 410 Gone"
        if because is None or not await deliveries.disable(connection, delivery.workspace, delivery.webhook_id, because):
            return None
        act = journal.Act(ACTOR, "disabled", "webhooks", str(delivery.webhook_id), reason=because)
        await journal.append(connection, delivery.workspace, [act])
        return because

    async def measure(self, metrics: WebhooksMetrics) -> None:
        """Say how much waits."""
        async with self._store.connection() as connection:
            workspaces = await list_workspaces(connection)
        async with self._store.transaction(workspaces) as connection:
            count, age = await deliveries.waiting(connection, workspaces)
            if count >= _MANY:
                await deliveries.know_yourself(connection, count)
        metrics.waiting.set(count)
        metrics.waiting_age.set(age)

    async def prune(self, metrics: WebhooksMetrics, log: Log) -> None:
        """Delete what ended long ago."""
        async with self._store.connection() as connection:
            workspaces = await list_workspaces(connection)
        for workspace in workspaces:
            pruned = _PRUNE_ROWS
            while pruned >= _PRUNE_ROWS:
                async with self._store.transaction([workspace]) as connection:
                    pruned, given_up = await deliveries.prune(connection, workspace, self._limits.kept, _PRUNE_ROWS)
                if given_up:
                    metrics.given_up.inc(given_up)
                    log.warning("deliveries_of_disabled_webhooks_given_up", workspace=workspace, deliveries=given_up)


async def _every(seconds: float, stopping: asyncio.Event, act: Callable[[], Awaitable[None]], log: Log) -> None:
    """Do something once in a while, until told to stop; what fails for a while is done the next time."""
    while not stopping.is_set():
        try:
            await act()
        except (TemporaryError, *RACES) as error:
            log.warning("upkeep_waits", reason=str(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), seconds)
