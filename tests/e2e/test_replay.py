"""Replays through the operator's command, while resolvers go on: nothing changes, every position gets a newer line."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from onefold import bootstrap
from onefold.errors import InvalidRange
from onefold.messages.topics import DEAD_LETTER, INTERACTIONS, INTERACTIONS_RESOLVED
from onefold.ops.replay import Range, Wanted, plan
from onefold.topics.ends import end_offsets
from onefold.topics.ranges import Span
from onefold.topics.tail import follow_topic
from streams.replay import start
from tests.support.commands import begin, let_go, onefold
from tests.support.gates import failing
from tests.support.installations import Installation, installation
from tests.support.retention import delete_before
from tests.support.stories import random_story
from tests.support.worlds import event

if TYPE_CHECKING:
    from onefold.bootstrap import Role
    from tests.support.servers import Database, Services

USER_ID = "user_id"
# Without the times of use: an event that is decided again may be credited with more than it was the first time.
STATE = {
    "contacts": "select to_jsonb(c) - '{first_seen_at,last_seen_at}'::text[] as row from contacts c order by contact_id",
    "identifiers": (
        "select to_jsonb(i) - '{first_seen_at,last_seen_at,used_at,used_event}'::text[] as row from identifiers i order by tenure_id"
    ),
    "merges": "select m.* from merges m order by merge_id",
    "outbox": "select count(*) from outbox",
}
BAD = [(b"acme:x", b"garbage"), (b"acme:x", b'{"event_id":"x","workspace":"acme"')]


async def state(mine: Installation) -> dict[str, Any]:
    """What resolving wrote, as it is stored, but for the times of use."""
    async with mine.store.transaction(["acme"]) as connection:
        return {table: await connection.fetch(query) for table, query in STATE.items()}


async def epochs(mine: Installation) -> dict[tuple[int, int], list[int]]:
    """The epochs of each position's lines, in the order of the topic's partitions."""
    found: dict[tuple[int, int], list[int]] = {}
    async for record in follow_topic(mine.role.kafka, INTERACTIONS_RESOLVED, from_start=True, to_end=True):
        line = msgspec.json.decode(record.value or b"")
        assert line["generation"] == 1
        found.setdefault((line["partition"], line["offset"]), []).append(line["epoch"])
    return found


async def one(mine: Installation, query: str) -> Any:
    async with mine.store.connection() as connection:
        return await connection.fetchval(query)


def hot(role: Role) -> float:
    return role.metrics.registry.get_sample_value("onefold_resolver_interactions_total", {"path": "hot"}) or 0.0


@pytest.mark.asyncio
async def test_a_replay_beside_a_resolver_changes_nothing_and_tells_everything_anew(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """F50, I2, I7, I13, R7: same contacts and tenures to the last column, no message, newer lines, no second letter; and hot again afterwards."""
    known, known_later, known_between = (
        [event(f"anonymous_token:k{n}", f"email:k{n}@example.com", minutes=minute) for n in range(20)] for minute in (0, 20, 10)
    )
    story = [each for each in random_story(21, length=200) if USER_ID not in {one.semantic_type for one in each.identifiers}]
    records = len(story) + 2 * 20 + len(BAD)
    async with installation(services, database, topic_prefix, redis_url, partitions=2) as mine:
        async with mine.resolvers(1, batch_size=20) as (role,):
            await mine.produce([*story, *known, *known_later])
            await mine.produce_raw(BAD)
            await mine.settled()
            before, told, incarnation = await state(mine), await epochs(mine), await one(mine, "select incarnation_id from incarnation")
            live = await one(mine, "select array_agg(epoch order by partition) from progress")

            dry = (await onefold(mine, "replay", "--since", "1h", "--json")).json()
            assert (dry["executed"], dry["records"], dry["notes"]) == (False, records, [])
            assert await one(mine, "select count(*) from jobs") == 0
            assert await one(mine, "select incarnation_id from incarnation") == incarnation
            assert await one(mine, "select count(*) from progress") == 2

            done = (await onefold(mine, "replay", "--since", "1h", "--execute", "--json")).json()
            assert (done["records"], done["changed"]) == (records, 0)
            assert Counter(done["dead"]) == {"malformed_json": 1, "truncated": 1}
            assert await state(mine) == before
            again = await epochs(mine)
            assert again.keys() == told.keys()
            assert all(len(again[position]) == 2 and max(again[position]) > max(told[position]) for position in told)
            assert msgspec.json.decode(await one(mine, "select plan -> 'ranges' from jobs")) == dry["ranges"]
            letters = [record async for record in follow_topic(mine.role.kafka, DEAD_LETTER, from_start=True, to_end=True)]
            assert len(letters) == len(BAD)

            assert await one(mine, "select incarnation_id from incarnation") != incarnation
            assert await one(mine, "select array_agg(epoch order by partition) from progress where consumer = 'resolver'") == live
            await mine.produce(known_between[:1])  # by which the resolver learns of the new incarnation
            await mine.settled()
            was_hot = hot(role)
            await mine.produce(known_between[1:])
            await mine.settled()
            async with asyncio.timeout(10):
                while hot(role) < was_hot + 19:
                    await asyncio.sleep(0.01)
        await onefold(mine, "replay", "--partitions", "0,1", "--execute")
        thrice = await epochs(mine)
        assert thrice.keys() > again.keys()
        assert all(len(set(found)) == len(found) for found in thrice.values())
        assert all(len(thrice[position]) == 3 and max(thrice[position]) > max(again[position]) for position in again)


@pytest.mark.asyncio
async def test_a_replay_that_is_killed_is_resumed_and_two_never_run_at_once(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """F1, F52, I2, I7: killed between emission and commit; what it emitted loses to the epoch of the resumed one."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        async with mine.resolvers(1, batch_size=10):
            await mine.produce(sorted(random_story(22, length=60), key=lambda each: each.moment))
            await mine.produce_raw(BAD)
            await mine.settled()
        before, told = await state(mine), await epochs(mine)
        small = {"ONEFOLD_RESOLVER__BATCH_SIZE": "10", "ONEFOLD_POSTGRES__IDLE_IN_TRANSACTION_MS": "60000"}
        slow = replace(mine, environment={**mine.environment, **small})
        words = ("replay", "--partitions", "0", "--execute", "--json")
        killed = await begin(slow, *words, armed=["resolver.emitted=300@4"])
        async with asyncio.timeout(60):
            while len([found for found in (await epochs(mine)).values() if len(found) == 2]) < 40:
                await asyncio.sleep(0.1)
        job = await one(mine, "select job_id::text from jobs")
        assert f"job {job} on replay@" in (await onefold(mine, *words, code=4)).talk
        assert await one(mine, "select count(*) from jobs") == 1
        killed.kill()
        await killed.communicate()
        await let_go(mine)
        resumed = (await onefold(mine, "replay", "--resume", job, "--json")).json()
        assert (resumed["records"], resumed["changed"], sum(resumed["dead"].values())) == (62, 0, 2)
        assert await state(mine) == before
        again = await epochs(mine)
        assert Counter(len(found) for found in again.values()) == {2: 50, 3: 10}
        assert all(sorted(set(found)) == sorted(found) and max(found[:-1]) < found[-1] for found in again.values())
        assert again.keys() == told.keys()
        assert "done" in (await onefold(mine, "replay", "--resume", job, code=4)).talk


@pytest.mark.asyncio
async def test_a_batch_that_is_told_twice_counts_once_and_its_second_telling_is_the_newer(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """F5, F23: a server that goes away between emission and commit costs the replay a new epoch, and its account nothing."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        await mine.produce([event(f"anonymous_token:t{n}", minutes=n) for n in range(12)])
        async with mine.resolvers(1, batch_size=4):
            await mine.settled()
        settings = mine.role.settings
        small = settings.model_copy(update={"resolver": settings.resolver.model_copy(update={"batch_size": 4})})
        role = bootstrap.begin("replay", small)
        todo = await plan(mine.store, role.kafka, Wanted())
        with failing("resolver.emitted", 1, 3, 4):  # the first batch once, the second one twice
            async with bootstrap.resolving(role) as parts:
                held = await start(role, parts, todo, actor="tests", reason=None, begun=lambda _: None)
        assert (held.progress["records"], held.progress["changed"]) == (12, 0)
        told = await epochs(mine)
        assert Counter(len(found) for found in told.values()) == {3: 4, 4: 4, 2: 4}
        assert all(sorted(set(found)) == found for found in told.values())


@pytest.mark.asyncio
async def test_a_plan_takes_what_was_decided_and_is_still_there_and_says_what_is_left_out(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    async with installation(services, database, topic_prefix, redis_url, partitions=2) as mine:
        await mine.produce([event("anonymous_token:t", minutes=n) for n in range(20)])
        async with mine.resolvers(1):
            await mine.settled()
        await mine.produce([event("anonymous_token:t", minutes=30)])
        kafka = mine.role.kafka
        ends = {partition: end for partition, end in (await end_offsets(kafka, INTERACTIONS)).items() if end}
        ((partition, end),) = ends.items()
        assert end == 21

        whole = await plan(mine.store, kafka, Wanted())
        assert whole.ranges == [Range(partition, 0, 20)]
        assert [note for note in whole.notes if "1 records are not decided yet" in note]
        await delete_before(kafka, INTERACTIONS, {partition: 5})
        by_offsets = await plan(mine.store, kafka, Wanted({partition: Span(2, 8)}))
        assert by_offsets.ranges == [Range(partition, 5, 8)]
        assert by_offsets.notes == [f"partition {partition}: offsets 2 to 4 are beyond retention, the log begins at 5"]
        with pytest.raises(InvalidRange, match="no partition 7"):
            await plan(mine.store, kafka, Wanted({7: Span(0, 1)}))
        nothing = (await onefold(mine, "replay", "--offsets", f"{partition}:0-5", "--execute", "--json")).json()
        assert (nothing["executed"], nothing["ranges"]) == (False, [])
        for wrong in ("0:5-5", "0:1-2,0:3-4", "x"):
            await onefold(mine, "replay", "--offsets", wrong, code=2)
        await onefold(mine, "replay", code=2)
