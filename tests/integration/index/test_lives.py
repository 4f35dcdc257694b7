"""A worker between two incarnations: partitions that see the change at different moments share one view of the index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from msgspec.structs import replace

from onefold.identity.contact import TenureId
from onefold.identity.separation import bucket
from onefold.index.lookup import Index
from onefold.index.naming import Namings
from onefold.index.resolution_index import ResolutionIndex
from tests.support.namings import naming_of
from tests.support.worlds import EXACT, World, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from onefold.identity.contact import Tenure
    from onefold.index.naming import Naming

SECRET = bytes(range(32))
VISIT = event("anonymous_token:t", "email:p@example.com")
NAMINGS = Namings()


@pytest_asyncio.fixture
async def index(redis_url: str) -> AsyncIterator[Index]:
    opened = Index(redis_url, timeout_ms=10_000)
    yield opened
    await opened.close()


def visit() -> Naming:
    return naming_of(VISIT, EXACT, NAMINGS)


def tenures() -> list[Tenure]:
    world = World()
    world.play(VISIT)
    return list(world.tenures.values())


async def begun(index: Index, incarnation: str) -> ResolutionIndex:
    """A worker that knows the incarnation and has learnt everything up to transaction 1."""
    mine = ResolutionIndex(index, SECRET)
    for _ in range(2):
        mine.valid(await mine.look_up([visit()]), incarnation, mine.since_xmin, 1, [])
    return mine


@pytest.mark.asyncio
async def test_a_new_incarnation_makes_every_entry_a_miss_and_late_writes_of_the_old_one_too(index: Index) -> None:
    """The worker notices in its fence, even where it looked up before; what others wrote under the new one is found afterwards."""
    mine, others = await begun(index, "one:1"), await begun(index, "two:1")
    await mine.write_back(tenures(), "one:1", 5)
    hints = await mine.look_up([visit()])
    assert visit() in mine.valid(hints, "one:1", 1, 6, [])
    assert mine.valid(hints, "two:1", 6, 7, []) == {}
    await mine.write_back(tenures(), "one:1", 7)
    assert (await mine.look_up([visit()])).found == []
    await others.write_back([replace(each, tenure_id=TenureId(9)) for each in tenures()], "two:1", 7)
    found = mine.valid(await mine.look_up([visit()]), "two:1", 0, 8, [])
    assert found[visit()].tenure_id == 9


@pytest.mark.asyncio
async def test_what_was_looked_up_before_the_incarnation_changed_twice_is_no_hint_any_more(index: Index) -> None:
    """A slow partition's fence saw the old incarnation last: the separations learnt before are forgotten, so must the hints be."""
    mine = await begun(index, "two:1")
    await mine.write_back(tenures(), "two:1", 5)
    key = tenures()[0].key
    separated = (6, bucket("acme", key))
    assert visit() not in mine.valid(await mine.look_up([visit()]), "two:1", 1, 10, [separated])
    looked_up, since_xmin = await mine.look_up([visit()]), mine.since_xmin
    assert since_xmin == 10
    mine.valid(await mine.look_up([visit()]), "one:1", 10, 11, [])
    mine.valid(await mine.look_up([visit()]), "two:1", 0, 12, [separated])
    assert mine.valid(looked_up, "two:1", since_xmin, 13, []) == {}
    assert mine.since_xmin == 0
    assert visit() not in mine.valid(await mine.look_up([visit()]), "two:1", 0, 14, [separated])
