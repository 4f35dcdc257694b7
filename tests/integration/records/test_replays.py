"""A replay's epochs exceed all that were given out for a partition, and fence whatever replay was there before; never a resolver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from onefold.errors import Fenced
from onefold.messages.topics import INTERACTIONS
from onefold.ops import replay
from onefold.ops.replay import Plan, Range
from onefold.records import progress, replays
from onefold.records.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from onefold.records.progress import Claim
    from tests.support.servers import Database

LIVE = progress.PartitionKey("resolver", INTERACTIONS, 3)


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    opened = await Store.connect(database.app_url)
    yield opened
    await opened.close()


async def begun(store: Store) -> UUID:
    job = await replay.begin(store, Plan([Range(3, 2, 9)], []), actor="tests", reason=None)
    return job.job_id


async def fenced_in(store: Store, claim: Claim, next_offset: int) -> None:
    """A transaction under this claim."""
    async with store.begin() as connection:
        await progress.fence(connection, claim, next_offset, 0)


@pytest.mark.asyncio
async def test_a_replays_epoch_exceeds_all_others_and_fences_no_resolver(store: Store) -> None:
    """I16: lines of the range lose to the replay's; the resolver goes on under the epoch that it has."""
    await progress.claim(store, LIVE, "resolver")
    live = await progress.claim(store, LIVE, "resolver")
    await fenced_in(store, live, 9)
    first = await replays.claim(store, await begun(store), INTERACTIONS, 3, "replay")
    assert (first.epoch, first.next_offset, first.generation) == (live.epoch + 1, 2, live.generation)
    renewed = await progress.renew(store, first)
    second = await replays.claim(store, await begun(store), INTERACTIONS, 3, "replay")
    assert second.epoch > renewed.epoch
    await fenced_in(store, live, 12)
    assert await replays.decided(store, INTERACTIONS) == {3: 12}


@pytest.mark.asyncio
async def test_a_replay_that_was_left_behind_cannot_go_on_under_what_it_had(store: Store) -> None:
    """I16, F7: whoever claims for a replay fences every other, also of another job, until it is resumed under a newer epoch."""
    await fenced_in(store, await progress.claim(store, LIVE, "resolver"), 9)
    abandoned = await begun(store)
    zombie = await replays.claim(store, abandoned, INTERACTIONS, 3, "zombie")
    later = await replays.claim(store, await begun(store), INTERACTIONS, 3, "later")
    with pytest.raises(Fenced):
        await fenced_in(store, zombie, 5)
    with pytest.raises(Fenced):
        await progress.renew(store, zombie)
    await fenced_in(store, later, 9)
    assert (await replays.claim(store, abandoned, INTERACTIONS, 3, "resumed")).epoch > later.epoch


@pytest.mark.asyncio
async def test_a_replay_begins_a_new_incarnation_of_the_index(store: Store) -> None:
    async with store.connection() as connection:
        before = await connection.fetchval("select incarnation_id from incarnation")
        await begun(store)
        assert await connection.fetchval("select incarnation_id from incarnation") != before
