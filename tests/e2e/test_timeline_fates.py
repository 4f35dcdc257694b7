"""What the timeline does with a zombie's batch, and with what is no line."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pytest

from onefold.errors import Fenced
from onefold.messages.resolved import LineWriter
from onefold.messages.times import to_milliseconds
from onefold.messages.topics import INTERACTIONS_RESOLVED
from onefold.observe import TimelineMetrics
from onefold.records import progress
from onefold.topics.consumer import Record
from onefold.topics.producer import IdempotentProducer
from streams.timeline import MOST_PROPERTIES_BYTES, Ownership, Timeline
from tests.support.installations import installation
from tests.support.retention import delete_before

if TYPE_CHECKING:
    from tests.support.servers import Database, Services

KEY = progress.PartitionKey("timeline", INTERACTIONS_RESOLVED, 0)
AT_MS = to_milliseconds(datetime.now(UTC))
CONTACT = b"00000000-0000-0000-0000-000000000007"


def line(offset: int, event_id: str, properties: dict[str, str] | None = None, at_ms: int = AT_MS) -> Record:
    original = msgspec.json.encode(
        {"event_id": event_id, "workspace": "acme", "type": "page", "properties": properties, "context": {"ip": "192.0.2.7"}}
    )
    value = LineWriter(1, 0, 1).seen(offset, at_ms, CONTACT, 1, original)
    return Record(INTERACTIONS_RESOLVED, 0, offset, AT_MS, CONTACT, value, ())


@pytest.mark.asyncio
async def test_a_zombie_stores_nothing_and_what_is_no_line_harms_no_neighbour(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I16, I13: and properties that are too long, and all context, stay off the timeline."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        timeline = Timeline(mine.role, mine.store, TimelineMetrics(mine.role.metrics))
        zombie = Ownership(await progress.claim(mine.store, KEY, "zombie"), asyncio.Event())
        owner = Ownership(await progress.claim(mine.store, KEY, "owner"), asyncio.Event())
        with pytest.raises(Fenced):
            await timeline.process(zombie, [line(0, "never")])
        bad = [line(1, "x")._replace(value=b'{"generation":"one"}'), line(2, "x", at_ms=10**18)]
        await timeline.process(owner, [line(0, "a", {"path": "/"}), *bad, line(3, "b", {"path": "/" * MOST_PROPERTIES_BYTES})])
        # A commit in doubt is settled by doing it again.
        await timeline.process(Ownership(replace(owner.claim), asyncio.Event()), [line(3, "b")])
        async with mine.store.transaction(["acme"]) as connection:
            rows = await connection.fetch("select event_id, properties from timeline order by event_id")
            counted = await connection.fetchval("select sum(events) from timeline_days")
        assert [tuple(row) for row in rows] == [("a", '{"path":"/"}'), ("b", None)]
        assert counted == len(rows)
        assert await progress.next_offset(mine.store, KEY) == 4
        assert mine.role.metrics.registry.get_sample_value("onefold_timeline_lines_total", {"result": "dead"}) == len(bad)


@pytest.mark.asyncio
async def test_a_timeline_that_stored_nothing_yet_begins_where_the_log_begins(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """F6: also where another worker owned the partition before and stored nothing, as two do that start at once."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        async with IdempotentProducer(mine.role.kafka) as producer:
            await producer.send_many(INTERACTIONS_RESOLVED, [(CONTACT, line(n, f"e{n}").value) for n in range(4)])
        await delete_before(mine.role.kafka, INTERACTIONS_RESOLVED, {0: 2})
        await progress.claim(mine.store, KEY, "left at once")
        async with mine.running("timeline"), asyncio.timeout(60):
            while await progress.next_offset(mine.store, KEY) < 4:
                await asyncio.sleep(0.05)
        async with mine.store.transaction(["acme"]) as connection:
            assert await connection.fetchval("select array_agg(event_id order by event_id) from timeline") == ["e2", "e3"]
