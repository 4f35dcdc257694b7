"""The fence: who may store progress, and change anything at all, through a partition (architecture, section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from onefold.errors import Fenced
from onefold.records.progress import PartitionKey, claim, fence, next_offset, renew
from onefold.records.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from onefold.records.progress import Claim
    from tests.support.servers import Database

PARTITION = PartitionKey("resolver", "interactions", 0)


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    store = await Store.connect(database.app_url)
    yield store
    await store.close()


async def advance(store: Store, owned: Claim, to: int) -> None:
    async with store.begin() as connection:
        await fence(connection, owned, to, 0)


@pytest.mark.asyncio
async def test_whoever_has_an_older_epoch_stores_nothing_and_takes_no_new_one(store: Store) -> None:
    """I16; mutants no-epoch-check, renewed-by-a-zombie."""
    zombie = await claim(store, PARTITION, "zombie")
    await advance(store, zombie, 5)
    successor = await claim(store, PARTITION, "successor")
    assert (successor.epoch, successor.next_offset) == (zombie.epoch + 1, 5)
    with pytest.raises(Fenced):
        await advance(store, zombie, 9)
    with pytest.raises(Fenced):
        await renew(store, zombie)
    assert await next_offset(store, PARTITION) == 5
    await advance(store, successor, 7)
    assert (await renew(store, successor)).epoch == successor.epoch + 1


@pytest.mark.asyncio
async def test_progress_never_goes_back(store: Store) -> None:
    """I15: a batch that was decided before is fenced like a zombie's."""
    owned = await claim(store, PARTITION, "worker")
    await advance(store, owned, 10)
    with pytest.raises(Fenced):
        await advance(store, owned, 9)
    assert await next_offset(store, PARTITION) == 10
