"""Dead letters through the commands of an operator: seen, put back once their cause is mended, dropped."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from onefold.messages.dead_letters import ATTEMPTS, ERROR_CODE, ORIGIN_TOPIC, REDRIVEN_FROM
from onefold.messages.topics import CONTACTS_CHANGED, DEAD_LETTER, INTERACTIONS
from onefold.ops.dead_letters import count_open
from onefold.topics.producer import IdempotentProducer, Placed
from onefold.topics.tail import follow_topic
from tests.support.commands import begin, let_go, onefold
from tests.support.installations import Installation, installation
from tests.support.rejecting import a_store_that_rejects
from tests.support.worlds import World, event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.identity.interaction import Interaction
    from onefold.topics.consumer import Record
    from tests.support.servers import Database, Services

HOSTILE = b'{"event_id":"x\x1b[2J","workspace":"acme\xc2\x9b31m'
VERSIONS = "select coalesce(sum(version), 0) from contacts"


async def read(mine: Installation, topic: str) -> list[Record]:
    return [record async for record in follow_topic(mine.role.kafka, topic, from_start=True, to_end=True)]


def story(people: int, times: int) -> list[Interaction]:
    """Events of people whom the store will reject, among others whom it takes."""
    return [
        event(f"anonymous_token:{word}{person}", f"email:{word}{person}@example.com", minutes=minute, attributes={"step": minute})
        for minute in range(times)
        for person in range(people)
        for word in ("bad", "good")
    ]


@pytest.mark.asyncio
async def test_dead_letters_are_listed_shown_and_dropped(services: Services, database: Database, topic_prefix: str, redis_url: str) -> None:
    """I13, poison 36: nothing that a record holds reaches a terminal as it is; what is decided on is open no more."""
    version_2 = b'{"event_id":"x","workspace":"acme","type":"page","schema":2,"identifiers":[]}'
    bad = [(b"acme:x\x1b[31m", HOSTILE), (b"acme:x", version_2), (b"acme:y", version_2)]
    async with installation(services, database, topic_prefix, redis_url, partitions=2) as mine:
        await mine.produce_raw(bad)
        async with mine.resolvers(1):
            await mine.settled()
        listed = (await onefold(mine, "dead-letters", "list", "-n", "1", "--json")).json()
        assert Counter({each["class"]: each["letters"] for each in listed["totals"]}) == {"malformed_json": 1, "unsupported_version": 2}
        assert (len(listed["letters"]), listed["matching"]) == (1, 3)
        (broken,) = (await onefold(mine, "dead-letters", "list", "--class", "malformed_json", "--since", "1h", "--json")).json()["letters"]
        assert (broken["attempts"], broken["topic"], broken["decision"]) == (1, INTERACTIONS, None)

        shown = await onefold(mine, "dead-letters", "show", broken["id"])
        assert not {"\x1b", "\x9b"} & set(shown.data.decode() + shown.talk)
        assert rb"\x1b[2J" in shown.data
        in_full = (await onefold(mine, "dead-letters", "show", broken["id"], "--json")).json()
        assert base64.b64decode(in_full["value_base64"]) == HOSTILE
        assert (await onefold(mine, "dead-letters", "show", broken["id"], "--raw")).data == HOSTILE
        assert "there is no dead letter 0/999" in (await onefold(mine, "dead-letters", "show", "0/999", code=4)).talk

        words = ("dead-letters", "drop", "--class", "unsupported_version", "--reason", "a test's", "--json")
        assert (await onefold(mine, *words)).json()["letters"] == 2
        assert await count_open(mine.store, mine.role.kafka, most=10) == 3
        assert (await onefold(mine, *words, "--execute")).json() == {"dropped": 2}
        assert (await onefold(mine, *words, "--execute")).json() == {"dropped": 0}
        assert await count_open(mine.store, mine.role.kafka, most=10) == 1
        everything = (await onefold(mine, "dead-letters", "list", "--all", "--json")).json()
        assert sorted(str(each["decision"]) for each in everything["letters"]) == ["None", "dropped", "dropped"]
        doctor = await onefold(mine, "doctor", "--json", code=3)
        assert [each["found"] for each in doctor.json() if each["what"] == "dead letters"] == ["1 open"]


@pytest.mark.asyncio
async def test_redriven_letters_lie_on_their_partition_again_in_order_and_resolve(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I13, R7: once the cause is mended, original key, bytes and headers go back in the order of each key, once."""
    events, world = story(4, 3), World()
    world.play(*events)
    async with installation(services, database, topic_prefix, redis_url, partitions=3) as mine:
        async with a_store_that_rejects(database, "bad"):
            await mine.produce(events)
            async with mine.resolvers(1):
                await mine.settled()
        first = await read(mine, INTERACTIONS)
        words = ("dead-letters", "redrive", "--class", "rejected_by_store", "--json")
        dry = (await onefold(mine, *words)).json()
        assert (dry["letters"], dry["executed"]) == (12, False)
        assert len(await read(mine, INTERACTIONS)) == len(first)

        assert (await onefold(mine, *words, "--limit", "5", "--execute", "--reason", "mended")).json()["letters"] == 5
        assert (await onefold(mine, *words, "--execute")).json()["letters"] == 7
        assert (await onefold(mine, *words, "--execute")).json()["letters"] == 0
        again = [record for record in await read(mine, INTERACTIONS) if record not in first]
        assert by_key(again) == by_key([record for record in first if b"bad" in (record.key or b"")])
        letters = {f"{each.partition}/{each.offset}": each for each in await read(mine, DEAD_LETTER)}
        for record in again:
            headers = dict(record.headers)
            assert headers[ATTEMPTS] == b"1"
            assert letters[(headers[REDRIVEN_FROM] or b"").decode()].value == record.value
        async with mine.resolvers(1):
            await mine.settled()
        assert await mine.groups() == world.groups()
        assert len(await read(mine, DEAD_LETTER)) == 12
        decided = (await onefold(mine, "dead-letters", "list", "--all", "--json")).json()
        assert {each["decision"] for each in decided["letters"]} == {"redriven"}


def by_key(records: Sequence[Record]) -> dict[tuple[int, bytes | None], list[bytes | None]]:
    """Values in their order, by partition and key."""
    found: dict[tuple[int, bytes | None], list[bytes | None]] = {}
    for record in sorted(records, key=lambda each: (each.partition, each.offset)):
        found.setdefault((record.partition, record.key), []).append(record.value)
    return found


@pytest.mark.asyncio
async def test_a_redrive_that_is_killed_before_it_records_changes_nothing_twice_and_keeps_others_out(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """F52, I2, R7: the second is told who holds it; killed between produce and record, a resumed one repeats the chunk."""
    events, world = story(4, 3), World()
    world.play(*events)
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        async with a_store_that_rejects(database, "bad"):
            await mine.produce(events)
            async with mine.resolvers(1):
                await mine.settled()
        killed = await begin(mine, "dead-letters", "redrive", "--rate", "5", "--execute", armed=["redrive.produced=300@2"])
        job = await _redriven(mine, 5, len(events) + 10)
        second = await onefold(mine, "dead-letters", "redrive", "--execute", code=4)
        assert f"job {job} on redrive@" in second.talk
        assert f"job {job}" in (await onefold(mine, "dead-letters", "drop", "--reason", "no", "--execute", code=4)).talk
        killed.kill()
        await killed.communicate()
        await let_go(mine)
        resumed = (await onefold(mine, "dead-letters", "redrive", "--resume", job, "--json")).json()
        assert (resumed["letters"], resumed["job"]) == (12, job)
        assert len(await read(mine, INTERACTIONS)) == len(events) + 12 + 5
        assert "done" in (await onefold(mine, "dead-letters", "redrive", "--resume", job, code=4)).talk
        async with mine.resolvers(1):
            await mine.settled()
        assert await mine.groups() == world.groups()
        async with mine.store.transaction(["acme"]) as connection:
            versions = await connection.fetchval(VERSIONS)
            assert versions == await connection.fetchval("select count(*) from outbox") == sum(len(plan.changes) for plan in world.plans)
            assert await connection.fetchval("select count(*) from jobs") == 1


async def _redriven(mine: Installation, letters: int, records: int) -> str:
    """Wait until so many letters are recorded and so many records lie on the topic; gives the job's id."""
    async with asyncio.timeout(60):
        while True:
            async with mine.store.connection() as connection:
                row = await connection.fetchrow("select job_id, progress ->> 'redriven' as redriven from jobs")
            if row is not None and row["redriven"] == str(letters) and len(await read(mine, INTERACTIONS)) == records:
                return str(row["job_id"])
            await asyncio.sleep(0.1)


@pytest.mark.asyncio
async def test_letters_that_cannot_go_back_are_kept_and_say_why(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """A foreign topic, a snapshot that would become the last of its contact, and headers that do not say where it lay."""
    topics = ["orders", CONTACTS_CHANGED, INTERACTIONS]
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        async with IdempotentProducer(mine.role.kafka) as producer:
            headers = [((ERROR_CODE, b"malformed_json"), (ORIGIN_TOPIC, topic.encode())) for topic in topics]
            await producer.send_placed(DEAD_LETTER, [Placed(0, b"k", b"v", each) for each in headers])
        said = (await onefold(mine, "dead-letters", "redrive", "--execute", "--json")).json()
        assert (said["letters"], said["kept"]) == (0, 3)
        foreign, compacted, nowhere = (said["kept_why"][f"0/{offset}"] for offset in range(3))
        assert "orders, is none that Onefold reads" in foreign
        assert "an old one put behind newer ones" in compacted
        assert "do not say where it lay" in nowhere
        assert await count_open(mine.store, mine.role.kafka, most=10) == 3
