"""The timeline's rows: each event once, whatever comes, in whatever order (architecture, section 5)."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from onefold.errors import InvalidMessage
from onefold.messages.times import to_milliseconds
from onefold.records.store import Store
from onefold.records.timeline import DAY_MS, REMOVE, Entry, event_key, monday_of, store_entries
from onefold.records.timeline_pages import PAGE, timeline_page
from onefold.records.timeline_weeks import Weeks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.support.servers import Database

CONTACT = str(UUID(int=7))
NOW = to_milliseconds(datetime(2026, 11, 1, 9, 0, tzinfo=UTC))
ROWS = 'select event_id, tenure_id, "offset", epoch from timeline order by event_id'
COUNTS = "select tenure_id, day, type, name, events from timeline_days order by 1, 2, 3, 4"


def entry(event_id: str = "e1", *, offset: int = 5, epoch: int = 1, tenure: int | None = 1, days: float = 0) -> Entry:
    at_ms = NOW + int(days * DAY_MS)
    return Entry(
        event_key("acme", event_id),
        "acme",
        1,
        0,
        offset,
        epoch,
        at_ms,
        tenure,
        event_id,
        CONTACT if tenure is not None else None,
        "page",
        "web",
        "Pricing",
        "seen",
        None,
        None,
    )


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    store = await Store.connect(database.app_url)
    await Weeks(store, timedelta(days=400)).make({monday_of(NOW + days * DAY_MS) for days in (-7, 0, 7)})
    yield store
    await store.close()


async def put(store: Store, *batches: Sequence[Entry]) -> None:
    for batch in batches:
        async with store.begin() as connection:
            await store_entries(connection, batch)


async def state(store: Store) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    async with store.transaction(["acme"]) as connection:
        rows, counts = await connection.fetch(ROWS), await connection.fetch(COUNTS)
        return [tuple(row) for row in rows], [tuple(row) for row in counts]


@pytest.mark.asyncio
async def test_lines_in_any_order_and_number_leave_the_same_rows_and_counts(store: Store) -> None:
    """I2: the first position of an event, and of that position the greatest epoch; repeats, replays and zombies change nothing."""
    lines = [
        entry(epoch=1, tenure=1),
        entry(epoch=3, tenure=2),
        entry(offset=9, epoch=4, tenure=3, days=7),
        entry("e2", offset=6, tenure=2),
    ]
    expected = ([("e1", 2, 5, 3), ("e2", 2, 6, 1)], [(2, datetime(2026, 11, 1, tzinfo=UTC).date(), "page", "Pricing", 2)])
    for order in itertools.permutations(lines):
        await put(store, *[[each] for each in order], order)
        assert await state(store) == expected
        async with store.transaction(["acme"]) as connection:
            await connection.execute("delete from timeline; delete from timeline_days; delete from timeline_events")
        await put(store, order, order[:2])
        assert await state(store) == expected


@pytest.mark.asyncio
async def test_what_resolved_to_nobody_is_known_and_on_no_timeline(store: Store) -> None:
    """I1: until a greater epoch says otherwise."""
    await put(store, [entry(tenure=None)])
    assert await state(store) == ([], [])
    await put(store, [entry(tenure=4, epoch=2)])
    assert (await state(store))[0] == [("e1", 4, 5, 2)]


@pytest.mark.asyncio
async def test_another_workspace_sees_nothing(store: Store) -> None:
    """S90: the parts themselves are not even readable."""
    await put(store, [entry()])
    async with store.transaction(["other"]) as connection:
        assert await connection.fetch(ROWS) == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select * from timeline_20261026")


@pytest.mark.asyncio
async def test_retention_drops_weeks_and_forgets_their_events_and_spares_the_rest(store: Store) -> None:
    """S102. By the real clock, since the database refuses to drop what is younger than a week."""
    now = datetime.now(UTC)
    today = (to_milliseconds(now) - NOW) / DAY_MS
    weeks = Weeks(store, timedelta(days=30))
    recent, ancient = entry("e2", offset=6, days=today), entry("e1", days=today - 60)
    await weeks.make({monday_of(recent.at_ms), monday_of(ancient.at_ms)})
    await put(store, [recent, ancient])
    parts, forgotten = await weeks.forget(now)
    assert parts >= 2
    assert forgotten == 1
    assert (await state(store))[0] == [("e2", 1, 6, 1)]
    await weeks.make({monday_of(ancient.at_ms)})
    assert await weeks.forget(now) == (2, 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("cursor", ["", "AA", "é", "a", "f_________8", "not a cursor at all"])
async def test_a_cursor_that_is_none_is_refused(store: Store, cursor: str) -> None:
    async with store.transaction(["acme"]) as connection:
        with pytest.raises(InvalidMessage, match="is no cursor"):
            await timeline_page(connection, "acme", UUID(int=7), limit=1, cursor=cursor)


@pytest.mark.asyncio
async def test_a_page_and_a_correction_find_their_rows_by_the_tenure(store: Store) -> None:
    """Pitfalls, Postgres 18: the index serves them under row-level security, in every week."""
    await put(store, [entry(f"e{number}", offset=number, tenure=number % 500) for number in range(20_000)])
    async with store.transaction(["acme"]) as connection:
        for statement, values in (
            (PAGE, (UUID(int=7), "acme", datetime(2027, 1, 1, tzinfo=UTC), b"", 51)),
            (REMOVE, ([event_key("acme", "e1")], [1], [datetime(2026, 11, 1, 9, 0, tzinfo=UTC)])),
        ):
            plan = "\n".join(row[0] for row in await connection.fetch(f"explain {statement}", *values))
            assert "Seq Scan on timeline" not in plan, plan
            assert "timeline_20261026_tenure_id_at_idx" in plan, plan
