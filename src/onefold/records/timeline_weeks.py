"""Parts of the timeline: made before they are needed, dropped when retention has passed them.

A part holds one week of event time, Monday to Sunday in UTC. Daily ones would be 400 of each table by default, and a page that looks
through a contact's years opens every one of them; weekly ones keep an event for at most a week longer than asked.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg

from onefold.errors import StoreUnavailable
from onefold.messages.times import to_milliseconds
from onefold.records.timeline import monday_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from onefold.records.store import Store

MAKE = "select make_timeline_weeks($1::date[])"
DROP = "select drop_timeline_weeks($1::date)"
FORGET = "select forget_timeline_events($1::timestamptz, $2)"

AHEAD = timedelta(days=14)
CHUNK = 5_000
GRACE = timedelta(days=1)
"""Between refusing an old event and dropping its week: whatever was admitted before has been written by then."""


class Weeks:
    """The weeks that this process knows to be there."""

    def __init__(self, store: Store, retention: timedelta) -> None:
        self._store = store
        self._retention = retention
        self._known: set[date] = set()

    def oldest(self, now: datetime) -> int:
        """The event time, in milliseconds since 1970, before which nothing is kept."""
        return to_milliseconds(now - self._retention)

    async def make(self, mondays: Iterable[date]) -> None:
        """Make the parts of these weeks that are not there. Raises StoreUnavailable."""
        missing = sorted(set(mondays) - self._known)
        if missing:
            try:
                async with self._store.connection() as connection:
                    await connection.execute(MAKE, missing)
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
                raise StoreUnavailable(f"others keep the timeline locked, so its next weeks cannot be made: {error}") from error
            self._known.update(missing)

    async def make_ahead(self, now: datetime) -> None:
        """Make this week's part and those to come, so that no batch has to."""
        await self.make(monday_of(to_milliseconds(now + timedelta(days=days))) for days in range(0, AHEAD.days + 1, 7))

    async def forget(self, now: datetime) -> tuple[int, int]:
        """Drop what is older than retention; gives the parts dropped and the event keys deleted. Can be broken off and repeated."""
        before = datetime.fromtimestamp(self.oldest(now) / 1000, UTC) - GRACE
        self._known = {monday for monday in self._known if monday >= before.date() - timedelta(days=7)}
        async with self._store.connection() as connection:
            parts = await connection.fetchval(DROP, before.date())
            forgotten = 0
            while (chunk := await connection.fetchval(FORGET, before - timedelta(days=7), CHUNK)) > 0:
                forgotten += chunk
        return parts, forgotten
