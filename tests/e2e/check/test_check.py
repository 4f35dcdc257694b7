"""`onefold check` on a real story: clean as it is and while everything runs, and telling in what it says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from onefold.messages.topics import INTERACTIONS, INTERACTIONS_RESOLVED, SEGMENTS_MEMBERSHIP
from onefold.topics.ends import end_offsets
from tests.e2e.check.stories import ALL_CHECKED, check, check_process, following, told_story
from tests.support.retention import delete_before
from tests.support.stories import random_story
from tests.support.worlds import event

if TYPE_CHECKING:
    from tests.support.installations import Installation
    from tests.support.servers import Database, Services


@pytest.mark.asyncio
async def test_a_story_that_went_through_everything_is_clean(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I1 to I17: merges, hand-overs, dead letters, segments; and every check looked at something. Then one row is old, and the code is 3."""
    async with told_story(services, database, topic_prefix, redis_url) as mine:
        code, out, err = await check_process(mine.environment, "--json")
        assert code == 0, err
        findings = msgspec.json.decode(out)
        assert [(each["invariant"], each["differences"]) for each in findings] == [(invariant, []) for invariant in ALL_CHECKED]
        assert {each["invariant"] for each in findings if not each["checked"]} == {"I8", "I17"}, (
            "the outbox is empty, and nobody was erased"
        )
        async with mine.store.connection() as connection:
            await connection.execute("insert into outbox (shard, topic, key, payload) values (0, 'outreach.requested', 'k', '{}')")
        code, out, err = await check_process(mine.environment, "--only=I3,I8", "--max-outbox-age=0", "--look-again-after=0.1")
    assert code == 3
    assert "outbox row" in out
    assert "DIFFERS" in out
    assert "next: onefold doctor" in err
    assert (await check_process(mine.environment, "--only=I99"))[0] == 2
    assert (await check_process(mine.environment, "--workspace=nobody"))[0] == 4


@pytest.mark.asyncio
async def test_what_retention_took_is_not_missed_and_what_came_later_is(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I1 to I16: half of the lines and of the transitions is gone. Records from then on must have their lines (I1)."""
    later = [event(f"anonymous_token:late{number}", minutes=number) for number in range(6)]
    async with told_story(services, database, topic_prefix, redis_url) as mine:
        kafka = mine.role.kafka
        for topic in (INTERACTIONS_RESOLVED, SEGMENTS_MEMBERSHIP):
            await delete_before(kafka, topic, {partition: end // 2 for partition, end in (await end_offsets(kafka, topic)).items()})
        async with mine.resolvers(1):
            await mine.produce(later)
            await mine.settled()
        report = await check(mine.environment)
        assert report.differing == set(), report.findings
        assert report.findings[0]["checked"] == len(later), "I1: the others may have lost their lines"

        await mine.produce(later[:1])
        async with mine.store.connection() as connection:
            for partition, end in (await end_offsets(kafka, INTERACTIONS)).items():
                await connection.execute("update progress set next_offset = $2 where partition = $1", partition, end)
        report = await check(mine.environment)
    assert report.differing == {"I1"}, report.findings
    assert "has neither a line nor a dead letter" in report.what("I1")


async def _busy(mine: Installation, stopping: asyncio.Event) -> int:
    """Story after story of people who meet each other again and again."""
    number = 0
    while not stopping.is_set():
        await mine.produce(random_story(number % 4, length=40))
        number += 1
        await asyncio.sleep(0.05)
    return number


@pytest.mark.asyncio
async def test_what_is_merely_in_flight_is_not_reported(services: Services, database: Database, topic_prefix: str, redis_url: str) -> None:
    """Resolvers, relay and segments are at work on people who keep changing, while every invariant is checked."""
    async with told_story(services, database, topic_prefix, redis_url) as mine, mine.resolvers(2, batch_size=20), following(mine):
        stopping = asyncio.Event()
        busy = asyncio.create_task(_busy(mine, stopping))
        reports = [await check(mine.environment, again_after=2.0) for _ in range(3)]
        stopping.set()
        assert await busy > 5
    checked = [next(each["checked"] for each in report.findings if each["invariant"] == "I1") for report in reports]
    assert checked[0] < checked[-1], "nothing happened meanwhile"
    assert [report.findings for report in reports if report.differing] == []
