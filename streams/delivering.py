"""The sender of messages: claims what is due, sends it, says what became of it (decision 0041).

Its path, for each channel by itself: settle what nobody will send any more → claim some of what is due, as far as its bounds reach → put
each into words → send; just before the other side may act, mark that → settle. None of it is in a transaction with another part. What is
not taken is tried again, later and later, until it expires. Called by `outreach`.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from onefold.errors import InvalidMessage, TemporaryError
from onefold.failpoints import reach
from onefold.messages.outreach import CHANNELS
from onefold.observe import where
from onefold.outreach.rendering import render
from onefold.outreach.sending import Attempt, Fate
from onefold.records import outreach
from onefold.records.workspaces import list_workspaces

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from onefold.messages.outreach import Channel
    from onefold.observe import Log, OutreachMetrics
    from onefold.outreach.sending import Sender
    from onefold.records.outreach import Claimed
    from onefold.records.store import Store
    from onefold.settings import OutreachSettings

_FIRST_PAUSE: Final = 2.0
_LONGEST_PAUSE: Final = 900.0
_SPARE_SECONDS: Final = 20.0
"""What a lease has on top of the longest attempt, for a database that is slow to hear of its end."""
_POLL_SECONDS: Final = 0.25
_UPKEEP_SECONDS: Final = 5.0


def pause_after(attempts: int, dice: random.Random) -> timedelta:
    """How long a message waits that was not taken in so many attempts: twice as long each time, at random times."""
    longest = min(_FIRST_PAUSE * 2 ** min(attempts - 1, 20), _LONGEST_PAUSE)
    return timedelta(seconds=longest * dice.uniform(0.5, 1.0))


class Limits(NamedTuple):
    """How far sending goes."""

    at_once: int = 10
    seconds: float = 30.0
    kept: timedelta = timedelta(days=30)

    @classmethod
    def of(cls, settings: OutreachSettings) -> Limits:
        """As the installation says."""
        return cls(settings.at_once, settings.timeout_seconds, timedelta(days=settings.retention_days))


class Delivering:
    """Sends what is due, each channel by its own sender."""

    def __init__(
        self,
        store: Store,
        senders: Mapping[Channel, Sender],
        limits: Limits,
        metrics: OutreachMetrics,
        log: Log,
        *,
        dice: random.Random | None = None,
    ) -> None:
        self._store = store
        self._senders = senders
        self._limits = limits
        self._metrics = metrics
        self._log = log
        self._dice = dice or random.Random()  # noqa: S311 -- jitter
        # An attempt introduces itself, then hands over: each within the limit.
        self._lease = timedelta(seconds=2 * limits.seconds + _SPARE_SECONDS)

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until told to stop; what is under way is finished."""
        for channel in CHANNELS:
            if channel not in self._senders:
                self._log.warning("outreach_channel_without_sender", channel=channel)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._every(_UPKEEP_SECONDS, stopping, self.upkeep))
            for channel in self._senders:
                tasks.create_task(self._work(channel, stopping))

    async def _work(self, channel: Channel, stopping: asyncio.Event) -> None:
        """One channel: as many at once as it may."""
        underway: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as tasks:
            while not stopping.is_set():
                claimed: list[Claimed] = []
                with suppress(TemporaryError):  # counted where it came up; Postgres is waited for
                    claimed = await self._claim(channel, self._limits.at_once - len(underway))
                for each in claimed:
                    task = tasks.create_task(self._send(channel, each))
                    underway.add(task)
                    task.add_done_callback(underway.discard)
                if not claimed:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stopping.wait(), _POLL_SECONDS)

    async def _claim(self, channel: Channel, room: int) -> list[Claimed]:
        if room <= 0:
            return []
        try:
            workspaces = await self._workspaces()
            async with self._store.transaction(workspaces) as connection:
                return await outreach.claim(connection, workspaces, channel, room, self._lease)
        except TemporaryError as error:
            self._waits(error)
            raise

    async def _workspaces(self) -> list[str]:
        async with self._store.connection() as connection:
            return await list_workspaces(connection)

    async def _send(self, channel: Channel, claimed: Claimed) -> None:
        """One attempt, to its end. Where that cannot be recorded, the claim ends by itself: untouched, or unclear."""
        log = self._log.bind(workspace=claimed.workspace, message_id=str(claimed.message_id), channel=channel)
        try:
            await reach("outreach.claimed")
            with self._metrics.attempt_seconds.time():
                attempt = await self._attempt(channel, claimed)
            await reach("outreach.answered")
            self._metrics.attempts.labels(channel, attempt.fate.value).inc()
            await self._settle(channel, claimed, attempt)
            if attempt.fate is not Fate.SENT:
                log.warning("message_not_sent", fate=attempt.fate.value, why=attempt.why, attempts=claimed.attempts)
        except TemporaryError as error:
            self._waits(error)
        except Exception as error:  # noqa: BLE001 -- one message's failure must not end the others
            self._metrics.waits.labels("unknown").inc()
            log.error("attempt_failed", error=type(error).__name__, where=where(error))  # noqa: TRY400 -- what it says may hold a code (S97)

    async def _attempt(self, channel: Channel, claimed: Claimed) -> Attempt:
        try:
            words = render(claimed.message)
        except InvalidMessage as error:
            return Attempt(Fate.FAILED, error.code)

        async def hand_over() -> bool:
            async with self._store.transaction([claimed.workspace]) as connection:
                may = await outreach.hand_over(connection, claimed)
            await reach("outreach.handed_over")
            return may

        return await self._senders[channel].send(claimed.message, words, hand_over)

    async def _settle(self, channel: Channel, claimed: Claimed, attempt: Attempt) -> None:
        async with self._store.transaction([claimed.workspace]) as connection:
            if attempt.fate is Fate.AGAIN:
                await outreach.try_again(connection, claimed, pause_after(claimed.attempts, self._dice), attempt.why or "refused")
            elif attempt.fate is not Fate.LAPSED:  # what lapsed is settled by whoever has it now, or as expired
                await outreach.settle(connection, claimed, attempt.fate.value, attempt.why)
        if attempt.fate not in {Fate.AGAIN, Fate.LAPSED}:
            self._metrics.settled.labels(channel, attempt.fate.value).inc()

    async def upkeep(self) -> None:
        """Settle what nobody will send, forget what was settled long ago, and say how much waits."""
        workspaces = await self._workspaces()
        async with self._store.transaction(workspaces) as connection:
            for (channel, state), count in (await outreach.give_up(connection, workspaces)).items():
                self._metrics.settled.labels(channel, state).inc(count)
        async with self._store.transaction(workspaces) as connection:
            await outreach.prune(connection, workspaces, self._limits.kept)
            found = await outreach.backlog(connection, workspaces)
        self._metrics.waiting.set(found.messages)
        self._metrics.waiting_age.set(found.age_seconds)

    async def _every(self, seconds: float, stopping: asyncio.Event, act: Callable[[], Awaitable[None]]) -> None:
        while not stopping.is_set():
            try:
                await act()
            except TemporaryError as error:
                self._waits(error)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), seconds)

    def _waits(self, error: TemporaryError) -> None:
        self._metrics.waits.labels(error.code).inc()
        self._log.warning("outreach_waits", code=error.code, reason=str(error))
