"""A replay: what was decided before is decided again, by the resolver's own code, while resolvers go on.

Its path, for one range: claim the range's progress under a new epoch → read the log → decide and emit as the resolver does, batch by
batch, the job's account in the same transaction → next range. State stays what it is, since an event decided again changes nothing
(R7), unless rules or state say otherwise by now; each position gets a line under an epoch above all it had. Every record of the range
has its line or its dead letter from before, so a replay writes no dead letters: it counts them.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from onefold.messages.topics import INTERACTIONS
from onefold.observe import ResolverMetrics
from onefold.ops.replay import Plan, begin
from onefold.records import jobs, replays
from onefold.topics.breaker import Breaker
from onefold.topics.ranges import Span, reading
from streams.resolver import Ownership, Resolver

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from onefold.bootstrap import Resolving, Role
    from onefold.ops.replay import Range
    from onefold.records.jobs import HeldJob, Job
    from onefold.records.progress import Claim
    from onefold.records.store import Connection
    from onefold.topics.ranges import TopicReader
    from streams.resolver import Resolved


class Account(msgspec.Struct, frozen=True):
    """What a replay did so far."""

    partition: int | None = None
    """At work on this one."""
    records: int = 0
    changed: int = 0
    """Versions of contacts that it made."""
    dead: dict[str, int] = {}
    """Records that cannot be handled, by error code. They had their line or letter before, and got no new one."""

    def plus(self, partition: int, resolved: Resolved) -> Account:
        """With one more batch."""
        dead = dict(self.dead)
        for item in resolved.done:
            if item.error is not None:
                dead[item.error.code] = dead.get(item.error.code, 0) + 1
        return Account(partition, self.records + len(resolved.done), self.changed + len(resolved.plan.changes), dead)


async def start(role: Role, parts: Resolving, todo: Plan, *, actor: str, reason: str | None, begun: Callable[[Job], None]) -> HeldJob:
    """Replay as a new job; gives it when it is done. Raises JobHeld where another replay is under way."""
    async with jobs.turn(parts.store, "replay") as turn:
        job = await begin(parts.store, todo, actor=actor, reason=reason)
        begun(job)
        held = await turn.take(job.job_id, role.worker)
        await Replay(role, parts, held).run()
        return held


async def resume(role: Role, parts: Resolving, job_id: UUID) -> HeldJob:
    """Go on with a replay that was interrupted. Raises JobNotFound, JobEnded, JobHeld."""
    async with jobs.turn(parts.store, "replay") as turn:
        held = await turn.take(job_id, role.worker)
        await Replay(role, parts, held).run()
        return held


class Replay:
    """Works through the ranges of one job, one after the other."""

    def __init__(self, role: Role, parts: Resolving, held: HeldJob) -> None:
        self._role = role
        self._store = parts.store
        self._held = held
        self._resolver = Resolver(role, replace(parts, dead_letters=None), ResolverMetrics(role.metrics))
        self._account = self._before = msgspec.convert(held.progress, Account)
        self._at: tuple[int, int] | None = None
        """Partition and offset where the batch began that `_account` holds and `_before` does not."""

    async def run(self) -> None:
        """Decide everything again that is left of the plan. Raises JobEnded when the job is cancelled, Fenced when another resumed it."""
        todo = msgspec.convert(self._held.job.plan, Plan)
        async with reading(self._role.kafka, INTERACTIONS) as reader:
            for each in todo.ranges:
                await self._replay(reader, each)
        async with self._store.begin() as connection:
            await self._held.finish(connection)

    async def _replay(self, reader: TopicReader, todo: Range) -> None:
        claim = await replays.claim(self._store, self._held.job.job_id, INTERACTIONS, todo.partition, self._role.worker)
        # Retention may have passed the beginning of the range since it was planned: there is nothing to decide there.
        first = max(claim.next_offset, (await reader.held())[todo.partition].first)
        # Nobody is called for dead letters that were dead before, or whose older line stands.
        ownership = Ownership(claim, asyncio.Event(), Breaker(in_a_row=sys.maxsize, share=1.0), beside=self._save)
        async for records in reader.read(todo.partition, Span(first, todo.end), self._role.settings.resolver.batch_size):
            await self._resolver.process(ownership, records)
        async with self._store.begin() as connection:
            await replays.finish(connection, ownership.claim, max(todo.end, claim.next_offset))

    async def _save(self, connection: Connection, claim: Claim, resolved: Resolved) -> None:
        """Store the account with the batch. A batch that begins where the previous one did takes its place: that one did not commit."""
        at = claim.key.partition, claim.next_offset
        if at != self._at:
            self._at, self._before = at, self._account
        self._account = self._before.plus(claim.key.partition, resolved)
        self._held.progress = msgspec.to_builtins(self._account)
        await self._held.save(connection)
