"""Random interleavings on real Postgres and Valkey: no entry that is judged valid ever names a contact that leads to somebody else.

Two workers hand devices over, merge people, read and write entries back, roll back and are late, a step at a time in a seeded order;
a third one looks the index up at any time and holds what it found against what a later fence reads.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import pytest

from onefold.identity.assurance import Assurance
from onefold.records.store import RACES, Moved
from tests.integration.index.workers import HOURLY, worker
from tests.support.worlds import event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from onefold.identity.interaction import Interaction
    from onefold.index.resolution_index import Hints
    from onefold.records.store import Store
    from tests.integration.index.workers import Worker

STEPS = 400
LOST = (*RACES, Moved, asyncpg.LockNotAvailableError)
HOLDERS = "select identifier_key, contact_id from identifiers where held_until is null"
ROOTS = "select contact_id, root from contacts"


@dataclass
class Actor:
    """A worker in the middle of its batch: what it does next when it is its turn."""

    worker: Worker
    dice: random.Random
    story: Callable[[], Interaction]
    next: Callable[[], Awaitable[None]] = field(init=False)

    def __post_init__(self) -> None:
        self.next = self._fence

    async def _fence(self) -> None:
        await self.worker.fence()
        await self.worker.connection.execute("set local lock_timeout = '10ms'")
        self.next = self._resolve

    async def _resolve(self) -> None:
        try:
            await self.worker.resolve(self.story())
        except LOST:  # the other one holds the lock, and is not going to move while we wait
            await self.worker.roll_back()
            self.next = self._fence
        else:
            self.next = self._commit if self.dice.random() < 0.9 else self._roll_back

    async def _commit(self) -> None:
        await self.worker.commit()
        self.next = self._write_back

    async def _roll_back(self) -> None:
        await self.worker.roll_back()
        self.next = self._fence

    async def _write_back(self) -> None:
        await self.worker.write_back()
        self.next = self._fence


@dataclass
class Watcher:
    """Looks all identifiers up, and later judges what it found."""

    worker: Worker
    everything: Iterable[Interaction]
    held: Hints | None = None
    trusted: int = 0
    doubted: int = 0
    """Of entries that would have been wrong."""

    async def next(self) -> None:
        """Look up, or judge what was looked up."""
        if self.held is None:
            self.held = await self.worker.look_up(*self.everything)
            return
        valid = await self.worker.valid(self.held)
        connection = self.worker.connection
        await connection.execute("select set_config('onefold.workspaces', 'acme', true)")
        holders = {row["identifier_key"]: row["contact_id"] for row in await connection.fetch(HOLDERS)}
        roots = {row["contact_id"]: row["root"] for row in await connection.fetch(ROOTS)}
        await self.worker.commit()
        for naming, voucher in self.held.found:
            (identifier,) = naming.identifiers
            leads_right = roots.get(UUID(voucher.contact.decode())) == holders[identifier.key]
            assert leads_right or naming not in valid, f"an entry of {identifier.key.hex()}, {voucher.marks}, is trusted, and wrong"
            self.trusted += naming in valid
            self.doubted += not leads_right
        self.held = None


def stories(dice: random.Random, mark: str) -> Callable[[], Interaction]:
    """Devices and a few people, time going on; now and then an older event."""
    minutes = count()

    def story() -> Interaction:
        identifiers = [f"device_id:{mark}d{number}" for number in dice.sample(range(3), dice.choice([1, 1, 2]))]
        if dice.random() < 0.6:
            identifiers.append(f"user_id:{mark}u{dice.randrange(3)}")
        late = dice.randrange(20) if dice.random() < 0.2 else 0
        return event(*identifiers, assurance=Assurance.ASSERTED, minutes=next(minutes) - late, rules=HOURLY)

    return story


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(4))
async def test_an_entry_judged_valid_never_names_a_contact_that_leads_to_somebody_else(store: Store, redis_url: str, seed: int) -> None:
    """I5, F17; mutant no-separation-check."""
    dice, mark = random.Random(seed), f"s{seed}"
    story = stories(dice, mark)
    everything = [event(f"device_id:{mark}d{number}") for number in range(3)] + [event(f"user_id:{mark}u{number}") for number in range(3)]
    async with (
        worker(store, redis_url, 0) as one,
        worker(store, redis_url, 1) as other,
        worker(store, redis_url, 2) as third,
    ):
        actors, watcher = [Actor(one, dice, story), Actor(other, dice, story)], Watcher(third, everything)
        turns: list[Actor | Watcher] = [*actors, *actors, watcher]
        for _ in range(STEPS):
            await dice.choice(turns).next()
        for actor in actors:
            while actor.next != actor._fence:
                await actor.next()
    assert watcher.trusted > 20
    assert watcher.doubted > 5, "else there was nothing to doubt"
