"""From the log to what `onefold contacts timeline` shows: real servers, the roles' own code, the command as its own process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from onefold.identity.assurance import Assurance
from onefold.messages.topics import INTERACTIONS_RESOLVED
from onefold.topics.ends import end_offsets
from tests.support.installations import installation
from tests.support.worlds import event

if TYPE_CHECKING:
    from tests.support.installations import Installation
    from tests.support.servers import Database, Services

KEEPING = {"ONEFOLD_TIMELINE__RETENTION_DAYS": "36500"}
"""The worlds of tests have days of their own, and these shall not run out."""
PROGRESS = "select coalesce(sum(next_offset), 0)::bigint from progress where consumer = 'timeline' and topic = $1"


async def shown(mine: Installation, *words: str) -> dict[str, Any]:
    code, said = await mine.command("contacts", "timeline", *words, "--json")
    assert code == 0
    found: dict[str, Any] = msgspec.json.decode(said)
    return found


async def caught_up(mine: Installation) -> None:
    """Wait until the timeline has stored every line."""
    await mine.settled()
    ends = sum((await end_offsets(mine.role.kafka, INTERACTIONS_RESOLVED)).values())
    async with asyncio.timeout(60), mine.store.connection() as connection:
        while await connection.fetchval(PROGRESS, INTERACTIONS_RESOLVED) < ends:
            await asyncio.sleep(0.05)


@pytest.mark.asyncio
async def test_a_merge_joins_two_timelines_and_a_hand_over_ends_one(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I2, R7: history hangs on tenures. A killed worker's successor goes on, an SDK's retry shows once, pages follow a cursor."""
    async with installation(services, database, topic_prefix, redis_url, partitions=2) as mine, mine.resolvers(1):
        first = [
            event("anonymous_token:t1", minutes=1, event_id="a"),
            event("anonymous_token:t2", "user_id:u1", minutes=2, event_id="b", assurance=Assurance.ASSERTED),
            event("anonymous_token:t2", "user_id:u1", minutes=2, event_id="b", assurance=Assurance.ASSERTED),
        ]
        async with mine.running("timeline", **KEEPING) as process:
            await mine.produce(first)
            await caught_up(mine)
            process.kill()
            await process.wait()
        await mine.produce([event("anonymous_token:t1", "user_id:u1", minutes=3, event_id="c", assurance=Assurance.ASSERTED)])
        await mine.settled()
        await mine.produce([event("anonymous_token:t1", "user_id:u2", minutes=4, event_id="d", assurance=Assurance.ASSERTED)])
        await mine.settled()
        await mine.produce([event("anonymous_token:t1", minutes=2.5, event_id="late")])
        async with mine.running("timeline", **KEEPING):
            await caught_up(mine)
        everything = await shown(mine, "user_id:u1")
        told = [each["what"]["event_id"] if each["kind"] == "interaction" else each["kind"] for each in everything["entries"]]
        # A merge has the time of its append, all else event time.
        assert told == ["merge", "moved_away", "c", "late", "b", "a"]
        pages: list[dict[str, Any]] = []
        cursor: list[str] = []
        while True:
            page = await shown(mine, "user_id:u1", "--limit", "2", *cursor)
            pages += page["entries"]
            if page["next_cursor"] is None:
                break
            cursor = ["--cursor", page["next_cursor"]]
        assert pages == everything["entries"]
        other = await shown(mine, "user_id:u2")
        assert [each["what"].get("event_id") for each in other["entries"] if each["kind"] == "interaction"] == ["d"]
        assert [each["kind"] for each in other["entries"] if each["kind"] != "interaction"] == ["moved_here"]
