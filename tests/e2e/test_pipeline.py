"""The whole path in processes of their own commands: interactions in, contacts, changes and memberships out; and one of them killed."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from onefold.messages.contacts import ContactChange
from onefold.messages.topics import CONTACTS_CHANGED, SEGMENTS_MEMBERSHIP
from onefold.topics.tail import follow_topic
from onefold.workspace import segments
from tests.support.healing import emptied
from tests.support.installations import Installation, installation
from tests.support.worlds import event

if TYPE_CHECKING:
    from tests.support.servers import Database, Services

PRO = {"field": "attributes.unbound.plan", "operator": "equals", "value": "pro"}
EVALUATED_IN_SQL = """
select c.contact_id from contacts c
where c.workspace = 'acme' and c.merged_into is null and c.attributes #>> '{unbound,plan}' = 'pro' order by 1
"""
MEMBERS = "select contact_id from memberships where is_member order by 1"


@pytest.mark.asyncio
@pytest.mark.timeout(240)
async def test_changes_reach_subscribers_and_segments_though_their_worker_is_killed(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I7, I8, I9: gapless versions on the topic, an empty outbox, membership as evaluated from scratch, entered and left alternating."""
    dice = random.Random(3)
    story = [
        event(f"anonymous_token:t{dice.randrange(60)}", attributes={"plan": dice.choice(["free", "pro"])}, minutes=number)
        for number in range(600)
    ]
    async with installation(services, database, topic_prefix, redis_url, partitions=3) as mine:
        async with mine.store.transaction(["acme"]) as connection:
            segment = await segments.create(connection, "acme", "pro", "Pro", PRO)
        await segments.fill(mine.store, segment)
        steady = [await mine.start_process(role) for role in ("resolver", "relay")]
        try:
            producing = asyncio.create_task(_slowly(mine, story[:480]))
            for _ in range(2):
                victim = await mine.start_process("segments-worker")
                await asyncio.sleep(dice.uniform(4.0, 6.0))
                victim.send_signal(signal.SIGKILL)
                await victim.wait()
            await producing
            steady.append(await mine.start_process("segments-worker"))
            await mine.produce(story[480:])
            await mine.settled()
            await _membership_is_right(mine)
            await emptied(mine.store, 30)
        finally:
            for process in steady:
                process.terminate()
            codes = [await process.wait() for process in steady]
        assert codes == [0, 0, 0]
        await _versions_are_gapless(mine)
        told = await _transitions(mine)
        assert told
        for transitions in told.values():
            assert transitions == ["entered", "left"] * (len(transitions) // 2) + ["entered"] * (len(transitions) % 2)


async def _slowly(mine: Installation, story: list[Any]) -> None:
    for start in range(0, len(story), 40):
        await mine.produce(story[start : start + 40])
        await asyncio.sleep(0.5)


async def _membership_is_right(mine: Installation) -> None:
    async with asyncio.timeout(60):
        while True:
            async with mine.store.transaction(["acme"]) as connection:
                expected = [row[0] for row in await connection.fetch(EVALUATED_IN_SQL)]
                found = [row[0] for row in await connection.fetch(MEMBERS)]
            if found == expected:
                return
            await asyncio.sleep(0.2)


async def _versions_are_gapless(mine: Installation) -> None:
    seen: defaultdict[str, list[int]] = defaultdict(list)
    async for record in follow_topic(mine.role.kafka, CONTACTS_CHANGED, from_start=True, to_end=True):
        change = msgspec.json.decode(record.value or b"", type=ContactChange)
        if change.version not in seen[str(change.contact_id)]:
            seen[str(change.contact_id)].append(change.version)
        assert dict(record.headers)["ce_type"] == b"onefold.contact.changed.v1"
    async with mine.store.transaction(["acme"]) as connection:
        rows = await connection.fetch("select contact_id, version from contacts")
    assert seen == {str(row["contact_id"]): list(range(1, row["version"] + 1)) for row in rows}


async def _transitions(mine: Installation) -> dict[str, list[str]]:
    """By contact, in order, each once: the relay may repeat a message, which has the same id then."""
    seen, found = set(), defaultdict(list)
    async for record in follow_topic(mine.role.kafka, SEGMENTS_MEMBERSHIP, from_start=True, to_end=True):
        line = msgspec.json.decode(record.value or b"")
        if line["event_id"] not in seen:
            seen.add(line["event_id"])
            found[line["contact_id"]].append(line["transition"])
    return found
