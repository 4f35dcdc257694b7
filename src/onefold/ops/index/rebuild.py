"""Make the index anew: begin an incarnation, of which no entry exists, and fill it in the background while resolvers run.

With the transaction that begins it every old entry is a miss; from there on traffic fills the index by itself, and this job fills what
traffic does not ask for. It is a job: killed or interrupted, it goes on where it was.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onefold.errors import JobHeld
from onefold.failpoints import reach
from onefold.index.life import Life
from onefold.ops.index.sweep import sweep
from onefold.ops.index.walk import START, Pace, Place, walk
from onefold.records import jobs
from onefold.records.incarnations import begin_incarnation, present
from onefold.records.open_tenures import estimate_open

if TYPE_CHECKING:
    from collections.abc import Callable

    from onefold.index.upkeep import IndexUpkeep
    from onefold.records.jobs import HeldJob, Job
    from onefold.records.open_tenures import Chunk
    from onefold.records.store import Store

SAVE_SECONDS = 5.0
MOST_ENDED = 32
"""Incarnations whose entries are swept at once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rebuild would do."""

    replaces: str
    identifiers: int | None
    """To be filled, as Postgres estimates."""


async def plan(store: Store) -> Plan:
    """What a rebuild would do now."""
    async with store.connection() as connection:
        return Plan((await present(connection)).name, await estimate_open(connection))


async def begin(store: Store, *, actor: str, reason: str | None) -> Job:
    """Begin a new incarnation and the job that fills it, in one transaction. Raises JobHeld where a rebuild is unfinished."""
    async with store.begin() as connection:
        begun = await begin_incarnation(connection)
        # Holding incarnation's row, so nobody can begin another rebuild between looking and creating.
        earlier = await jobs.of_kind(connection, "index-rebuild")
        unfinished = next((job for job in earlier if job.state == "running"), None)
        if unfinished is not None:
            raise JobHeld(
                f"rebuild {unfinished.job_id} is unfinished: go on with `onefold index rebuild --resume {unfinished.job_id}`, or end it"
                f" with `onefold jobs cancel {unfinished.job_id}`"
            )
        ended = [*begun.replaced, *(name for job in earlier if job.state != "done" for name in job.plan["replaces"])]
        of = {"incarnation": begun.name, "replaces": list(dict.fromkeys(ended))[:MOST_ENDED]}
        return await jobs.create(connection, "index-rebuild", of, actor=actor, reason=reason)


class Rebuild:
    """A rebuild under way. `told` is given the job's progress after every step."""

    def __init__(
        self, store: Store, index: IndexUpkeep, secret: bytes, held: HeldJob, *, pace: Pace, told: Callable[[dict[str, Any]], None]
    ) -> None:
        self._store, self._index, self._secret, self._held, self._pace, self._told = store, index, secret, held, pace, told
        self._progress = held.progress
        self._saved_at = 0.0

    async def run(self) -> None:
        """Fill, sweep, and end the job. Raises IndexUnavailable, StoreUnavailable, JobEnded; the job can be resumed after the first two."""
        self._progress.setdefault("stage", "fill")
        while self._progress["stage"] == "fill":
            await self._fill()
        ended = [*self._held.job.plan["replaces"], *self._progress.get("overtaken", ())]
        async for removed in sweep(self._index, self._secret, ended, self._pace):
            self._progress["removed"] = self._progress.get("removed", 0) + removed
            if time.monotonic() >= self._saved_at + SAVE_SECONDS:
                await self._save()
        self._progress["stage"] = "done"
        async with self._store.connection() as connection:
            await self._held.finish(connection)
        self._told(self._progress)

    async def _fill(self) -> None:
        """From the stored place to the end; from the start again where another incarnation began meanwhile."""
        progress = self._progress
        incarnation = progress.setdefault("incarnation", self._held.job.plan["incarnation"])
        life = Life(self._secret, incarnation)
        async for place, chunk in walk(self._store, self._pace, Place(*progress.get("place", START))):
            if chunk.incarnation != incarnation:
                break
            await reach("rebuild.read")
            written = await self._write(life, chunk)
            await reach("rebuild.written")
            progress.update(place=place, written=progress.get("written", 0) + written)
            await self._save()
        async with self._store.connection() as connection:
            now = (await present(connection)).name
        if now == incarnation:
            progress["stage"] = "sweep"
        else:
            progress.update(incarnation=now, place=START, written=0, overtaken=[*progress.get("overtaken", ()), incarnation])
        await self._save()

    async def _write(self, life: Life, chunk: Chunk) -> int:
        """The entries of a chunk, with the xmin of its own snapshot: what was separated since is doubted, however late this is written."""
        values = {}
        for tenure in chunk.tenures:
            key = life.key(tenure.workspace, tenure.key)
            value = life.value(key, tenure, chunk.xmin)
            if value is not None:
                values[key] = value
        await self._index.write(values)
        return len(values)

    async def _save(self) -> None:
        async with self._store.connection() as connection:
            await self._held.save(connection)
        self._saved_at = time.monotonic()
        self._told(self._progress)
