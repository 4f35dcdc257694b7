"""Damage on topics, one after the other on one told story: each is reported by what it breaks, with exit code 3, and mended where it can be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from onefold.messages.codec import encode
from onefold.messages.segments import SegmentMembership, SegmentReference
from onefold.messages.topics import CONTACTS_CHANGED, DEAD_LETTER, INTERACTIONS, INTERACTIONS_RESOLVED, SEGMENTS_MEMBERSHIP, partition_of
from onefold.topics.ends import end_offsets
from onefold.topics.producer import IdempotentProducer
from onefold.topics.tail import follow_topic
from tests.e2e.check.stories import Report, check, following, told_story
from tests.support.installations import Installation, record_of
from tests.support.worlds import event

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from onefold.topics.consumer import Record
    from tests.support.servers import Database, Services

SEEN = "seen"


async def records(mine: Installation, topic: str) -> list[Record]:
    return [record async for record in follow_topic(mine.role.kafka, topic, from_start=True, to_end=True)]


async def produce(mine: Installation, topic: str, key: bytes | None, value: bytes | None, headers: Any = ()) -> None:
    """Where our own producers would put it."""
    async with IdempotentProducer(mine.role.kafka) as producer:
        partition = partition_of(key or b"", await producer.partitions(topic))
        await producer.send_batches(topic, {partition: [(key, value, tuple(headers))]})


async def say(mine: Installation, line: Mapping[str, Any], **changed: object) -> None:
    """A line again, changed."""
    found = {**line, **changed}
    await produce(mine, INTERACTIONS_RESOLVED, str(found["contact_id"]).encode(), msgspec.json.encode(found))


async def last_seen_lines(mine: Installation) -> list[dict[str, Any]]:
    """Of each source partition the last line; story and damage end on visits that changed nothing, so no evidence rests on them."""
    last: dict[int, dict[str, Any]] = {}
    for record in await records(mine, INTERACTIONS_RESOLVED):
        line = msgspec.json.decode(record.value or b"")
        known = last.get(line["partition"])
        if known is None or (line["offset"], line["epoch"]) >= (known["offset"], known["epoch"]):
            last[line["partition"]] = line
    return list(last.values())


async def visit_again(mine: Installation) -> None:
    """Let visits that change nothing end both partitions."""
    async with mine.resolvers(1):
        await mine.produce([event(f"anonymous_token:late{number}", minutes=number) for number in range(6)])
        await mine.settled()


class Damaged:
    """What each damage adds to the report: damage of a log stays."""

    def __init__(self, mine: Installation) -> None:
        self.mine = mine
        self.before: dict[str, set[str]] = {}

    async def adds(self, *invariants: str, saying: str) -> None:
        """The next report has new differences of these invariants, and of no other."""
        report: Report = await check(self.mine.environment, "--limit=1000")
        assert report.code == 3
        found = {each["invariant"]: {f"{one['where']}: {one['what']}" for one in each["differences"]} for each in report.findings}
        new = {invariant: texts - self.before.get(invariant, set()) for invariant, texts in found.items()}
        assert {invariant for invariant, texts in new.items() if texts} == set(invariants), new
        assert any(saying in text for text in new[invariants[0]]), new
        self.before = found


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.asyncio
async def test_damage_of_a_log_is_reported_by_what_it_breaks_and_by_nothing_else(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I1, I2, I7, I9, I11, I12, I13, I15, I16."""
    async with told_story(services, database, topic_prefix, redis_url) as mine:
        await visit_again(mine)
        assert (await check(mine.environment)).differing == set()
        damaged = Damaged(mine)

        one, other = await last_seen_lines(mine)
        await say(mine, one, outcome="updated")
        await damaged.adds("I2", saying="lines of the greatest epoch differ")

        await say(mine, other, epoch=other["epoch"] + 1, contact_id=one["contact_id"])
        await damaged.adds("I2", saying="and tenure")

        early = next(
            line
            for record in await records(mine, INTERACTIONS_RESOLVED)
            if (line := msgspec.json.decode(record.value or b""))["partition"] == one["partition"]
            and line["contact_id"] == one["contact_id"]
        )
        await produce(mine, INTERACTIONS_RESOLVED, early["contact_id"].encode(), msgspec.json.encode({**early, "epoch": one["epoch"]}))
        await damaged.adds("I11", saying="lies behind that of offset")

        await say(mine, early, epoch=one["epoch"] + 7)
        await damaged.adds("I16", saying="lies under epoch")

        letter = (await records(mine, DEAD_LETTER))[0]
        await produce(mine, DEAD_LETTER, letter.key, b"another value", letter.headers)
        await damaged.adds("I13", saying="which it came from: value")
        await produce(mine, DEAD_LETTER, letter.key, letter.value, [each for each in letter.headers if each[0] != "dead_letter_attempts"])
        await damaged.adds("I13", saying="lacks the headers dead_letter_attempts")

        change = msgspec.json.decode((await records(mine, CONTACTS_CHANGED))[0].value or b"")
        change.update(version=change["version"] + 50)
        await produce(mine, CONTACTS_CHANGED, change["contact_id"].encode(), msgspec.json.encode(change))
        await damaged.adds("I7", saying="were not told before version")

        entered = msgspec.json.decode((await records(mine, SEGMENTS_MEMBERSHIP))[0].value or b"", type=SegmentMembership)
        entered.segment = SegmentReference(entered.segment.id, entered.segment.slug, 99)
        entered.transition = "entered"
        await produce(mine, SEGMENTS_MEMBERSHIP, str(entered.contact_id).encode(), encode(entered))
        entered.segment.version = 100
        await produce(mine, SEGMENTS_MEMBERSHIP, str(entered.contact_id).encode(), encode(entered))
        await damaged.adds("I9", saying="after it entered")

        await mine.produce_raw([record_of(event("anonymous_token:nobody", minutes=0))])
        await damaged.adds("I12", saying="progress stands at offset")

        ends = await end_offsets(mine.role.kafka, INTERACTIONS)
        await commit(mine, ends)
        await damaged.adds("I15", saying="Kafka's committed offset is")

        async with mine.store.connection() as connection:
            for partition, end in ends.items():
                await connection.execute("update progress set next_offset = $2 where partition = $1", partition, end)
        await damaged.adds("I1", saying="has neither a line nor a dead letter")

        bad = next(record for record in await records(mine, INTERACTIONS) if record.value == letter.value and record.key == letter.key)
        await say(mine, one, partition=bad.partition, offset=bad.offset, epoch=99)
        await damaged.adds("I1", "I16", saying="has a line and a dead letter")


async def commit(mine: Installation, offsets: Mapping[int, int]) -> None:
    """Tell Kafka, as the resolvers' group, that it is further than it is."""
    kafka = mine.role.settings.kafka
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.servers, group_id=kafka.topic_prefix + kafka.group, enable_auto_commit=False)
    await consumer.start()
    try:
        targets = {TopicPartition(mine.role.kafka.topic(INTERACTIONS), partition): offset for partition, offset in offsets.items()}
        consumer.assign(list(targets))
        await consumer.commit(targets)
    finally:
        await consumer.stop()


@pytest.mark.asyncio
async def test_a_change_that_cannot_be_read_is_reported_and_its_dead_letter_is_whole(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I7, I13: the segments worker buries it with everything that a dead letter says."""
    async with told_story(services, database, topic_prefix, redis_url) as mine:
        before = len(await records(mine, DEAD_LETTER))
        async with following(mine):
            await produce(mine, CONTACTS_CHANGED, b"7", b"{]", [("ce_id", b"7")])
            async with asyncio.timeout(60):
                while len(await records(mine, DEAD_LETTER)) == before:
                    await asyncio.sleep(0.2)
        report = await check(mine.environment)
    assert report.differing == {"I7"}
    assert "cannot be read" in report.what("I7")
