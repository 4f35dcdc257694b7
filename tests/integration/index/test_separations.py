"""When an entry may be trusted, on real Postgres and Valkey, one step at a time (architecture, section 3)."""

from __future__ import annotations

import asyncio
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from onefold.identity.assurance import Assurance
from tests.integration.index.workers import HOURLY, Worker, worker
from tests.support.worlds import event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from onefold.identity.interaction import Interaction
    from onefold.records.store import Store

ASSERTED = Assurance.ASSERTED
HOLDER = "select contact_id from identifiers where identifier_key = $1 and held_until is null"


def first(device: str) -> Interaction:
    """Somebody uses a device."""
    return event(f"device_id:{device}", f"user_id:{device}-one", assurance=ASSERTED, minutes=0, rules=HOURLY)


def hand_over(device: str) -> Interaction:
    """Somebody else uses it."""
    return event(f"device_id:{device}", f"user_id:{device}-two", assurance=ASSERTED, minutes=2, rules=HOURLY)


def seen(device: str, minutes: int = 1) -> Interaction:
    """The device alone: changes nothing."""
    return event(f"device_id:{device}", assurance=ASSERTED, minutes=minutes, rules=HOURLY)


async def holder(store: Store, interaction: Interaction) -> UUID:
    async with store.transaction(["acme"]) as connection:
        found: UUID = await connection.fetchval(HOLDER, interaction.identifiers[0].key)
    return found


def interleavings(one: int, other: int) -> Iterator[list[bool]]:
    """Every order of so many steps of one and of another; True stands for a step of the first."""
    for places in combinations(range(one + other), one):
        yield [place in places for place in range(one + other)]


@pytest.mark.asyncio
async def test_in_every_interleaving_an_entry_is_trusted_only_if_its_writer_saw_the_separation(store: Store, redis_url: str) -> None:
    """Mutants no-separation-check, separation-check-off-by-one.

    A writer fences, reads, commits and writes its entry; a separation takes its id, writes and commits: 35 orders. An entry that names
    the former holder is never trusted; one whose writer began after the separation had committed is.
    """
    trusted, stale = 0, 0
    orders = list(interleavings(4, 3))
    async with (
        worker(store, redis_url, 0) as writer,
        worker(store, redis_url, 1) as separator,
        worker(store, redis_url, 2) as reader,
    ):
        await separator.play(*(first(f"d{number}") for number in range(len(orders))))
        for number, order in enumerate(orders):
            device = f"d{number}"
            xid = await _interleave(order, writer, separator, device)
            hints = await reader.look_up(seen(device))
            ((naming, voucher),) = hints.found
            is_trusted = naming in await reader.valid(hints)
            await reader.commit()
            is_stale = voucher.contact != str(await holder(store, seen(device))).encode()
            ((_, xmin),) = voucher.marks
            assert is_trusted == (xmin > xid), order
            assert not (is_trusted and is_stale), order
            assert is_stale == _read_before_the_commit(order), order
            trusted, stale = trusted + is_trusted, stale + is_stale
    assert trusted >= 1
    assert stale == sum(_read_before_the_commit(order) for order in orders) > 10


async def _interleave(order: list[bool], writer: Worker, separator: Worker, device: str) -> int:
    """Take the steps in this order; gives the transaction id of the separation."""
    xids: list[int] = []

    async def take_xid() -> None:
        xids.append(await separator.begin())

    writing = iter([writer.fence, lambda: writer.resolve(seen(device)), writer.commit, writer.write_back])
    separating = iter([take_xid, lambda: separator.resolve(hand_over(device)), separator.commit])
    for is_writers in order:
        await next(writing if is_writers else separating)()
    assert not writer.plan.writes
    assert len(separator.plan.separated) == 1
    return xids[0]


def _read_before_the_commit(order: list[bool]) -> bool:
    """Whether the writer's second step came before the separation's third."""
    writers = [place for place, is_writers in enumerate(order) if is_writers]
    return writers[1] < max(place for place, is_writers in enumerate(order) if not is_writers)


@pytest.mark.asyncio
async def test_the_entry_of_the_very_transaction_that_separates_is_a_miss_until_it_is_read_again(store: Store, redis_url: str) -> None:
    """It names the right holder, but its xmin is not above its own transaction's id: conservative, never wrong."""
    async with worker(store, redis_url, 0) as writer, worker(store, redis_url, 1) as reader:
        await writer.play(first("d"))
        await writer.play(hand_over("d"))
        assert not await _is_trusted(store, reader)
        async with asyncio.timeout(60):
            while not await _is_trusted(store, reader):
                await reader.play(seen("d", 3))  # again, if some other transaction of the server was older than the separation


async def _is_trusted(store: Store, reader: Worker) -> bool:
    """Whether the index vouches for the device's entry, which names its present holder."""
    hints = await reader.look_up(seen("d", 3))
    ((naming, voucher),) = hints.found
    assert voucher.contact == str(await holder(store, seen("d"))).encode()
    found = await reader.valid(hints)
    await reader.commit()
    return naming in found


@pytest.mark.asyncio
async def test_a_separation_that_commits_late_with_a_lower_xid_is_not_missed(store: Store, redis_url: str) -> None:
    """Mutant separations-after-the-greatest-seen: xids are not commit order either."""
    async with (
        worker(store, redis_url, 0) as early,
        worker(store, redis_url, 1) as late,
        worker(store, redis_url, 2) as reader,
    ):
        await early.play(first("slow"), first("fast"))
        await early.play(seen("slow"), seen("fast"))
        lower = await late.begin()
        await late.resolve(hand_over("slow"))
        higher = await early.begin()
        await early.resolve(hand_over("fast"))
        await early.commit()
        assert lower < higher
        assert await _named(reader) == {"slow"}, "the other one has not committed"
        await late.commit()
        assert await _named(reader) == set()


async def _named(reader: Worker) -> set[str]:
    """Which of the two devices the index vouches for now; it has entries of both."""
    hints = await reader.look_up(seen("slow"), seen("fast"))
    assert len(hints.found) == 2
    found = await reader.valid(hints)
    await reader.commit()
    return {device for device in ("slow", "fast") if reader.naming(seen(device)) in found}


@pytest.mark.asyncio
async def test_after_a_restore_no_separation_is_missed_though_several_fences_were_under_way(store: Store, redis_url: str) -> None:
    """F29; mutant gap-after-a-restore: the restored store counts from lower xids; what a fence of the old life asked for says little about the new one."""
    async with (
        worker(store, redis_url, 0) as separator,
        worker(store, redis_url, 1) as reader,
        worker(store, redis_url, 2) as neighbour,
    ):
        neighbour.index = reader.index  # another partition of the same worker
        none = await reader.look_up()
        reader.index._life.since_xmin = 1 << 40  # as far as the life came that was lost
        async with store.connection() as connection:
            await connection.execute("update incarnation set incarnation_id = gen_random_uuid()")
        await separator.valid(none)
        await separator.commit()
        await separator.play(first("d"))
        dump = await separator.look_up(seen("d"))
        await separator.play(hand_over("d"))
        await reader.fence()
        await neighbour.fence()
        for each in (reader, neighbour):
            present = each.present
            each.index.valid(none, present.incarnation, present.since_xmin, present.xmin, present.separations)
            await each.commit()
        hints = await reader.look_up(seen("d"))
        stale = hints._replace(found=dump.found)
        assert len(stale.found) == 1
        assert not await reader.valid(stale)
        await reader.commit()
