"""Walk all open tenures of all workspaces, by primary key in chunks, from a place that can be stored; as fast as one was told to."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from onefold.records.open_tenures import open_after
from onefold.records.workspaces import list_workspaces

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from onefold.records.open_tenures import Chunk
    from onefold.records.store import Store

CHUNK = 2_000
LONGEST_CHUNK_SECONDS = 5.0
WORKSPACES_AT_ONCE = 250
"""Row-level security holds each row against the list of named workspaces, one by one: so many of them share one walk of the table."""


class Place(NamedTuple):
    """How far a walk is: in the workspaces after the one and through the other, at this tenure."""

    after_workspace: str = ""
    through_workspace: str | None = None
    """None: the workspaces that are walked next are chosen when the walk goes on."""
    after_tenure: int = -1


START = Place()


class Pace:
    """Holds a pass back to so many identifiers a second; without a rate it is not held back."""

    def __init__(self, per_second: float | None = None) -> None:
        self._per_second = per_second
        self._due = 0.0

    @property
    def chunk(self) -> int:
        """How many to take at once, so that no single chunk takes long."""
        return CHUNK if self._per_second is None else max(1, min(CHUNK, int(self._per_second * LONGEST_CHUNK_SECONDS)))

    async def took(self, count: int) -> None:
        """Wait until the next chunk is due."""
        if self._per_second is None:
            return
        now = time.monotonic()
        self._due = max(self._due, now) + count / self._per_second
        await asyncio.sleep(self._due - now)


async def walk(store: Store, pace: Pace, place: Place = START) -> AsyncIterator[tuple[Place, Chunk]]:
    """Chunks of open tenures, each of a snapshot of its own, with the place behind it.

    Sees every tenure that is open from beginning to end, once. Of what is opened meanwhile it may see some: who opens a tenure tells
    the index.
    """
    async with store.connection() as connection:
        slugs = await list_workspaces(connection)
    while remaining := [slug for slug in slugs if slug > place.after_workspace]:
        through = place.through_workspace or remaining[:WORKSPACES_AT_ONCE][-1]
        group = [slug for slug in remaining if slug <= through]
        place = place._replace(through_workspace=through)
        is_last = False
        while not is_last:
            asked = pace.chunk
            async with store.transaction(group) as connection:
                chunk = await open_after(connection, place.after_tenure, asked)
            is_last = len(chunk.tenures) < asked
            if chunk.tenures:
                place = place._replace(after_tenure=chunk.tenures[-1].tenure_id)
                yield place, chunk
                await pace.took(len(chunk.tenures))
        place = Place(through)
