"""Plans on real Postgres: what is loaded, decided and applied there is what `decide` says in memory, whatever the batches."""

from __future__ import annotations

import asyncio
import random

import pytest

from onefold.identity.plan import OutcomeKind
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.records.store import RACES, Moved, Store
from tests.support.stories import random_story
from tests.support.worlds import EXACT, World, event

RULES = {"acme": EXACT}


def resolution() -> Resolution:
    return Resolution(shards=4, numbers=TenureNumbers(), budget=10_000)


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(12))
async def test_batches_in_postgres_end_as_single_interactions_in_memory(store: Store, seed: int) -> None:
    """I5: the batch size changes no outcome, no group, no version; and apply writes what decide decided."""
    story, world = random_story(seed), World()
    expected = world.play(*story)
    size = random.Random(seed).choice([1, 5, 20, 60])
    outcomes = []
    for start in range(0, len(story), size):
        async with store.transaction(["acme"]) as connection:
            plan = await resolution().resolve(connection, story[start : start + size], RULES, "test")
        outcomes.extend(plan.outcomes)
    assert [(each.kind, each.reason, each.contact_id) for each in outcomes] == [
        (each.kind, each.reason, each.contact_id) for each in expected
    ]
    await assert_same_state(store, world)


async def assert_same_state(store: Store, world: World) -> None:
    """Open tenures by contact, and every contact's own columns."""
    async with store.transaction(["acme"]) as connection:
        groups = await connection.fetch(
            "select array_agg(semantic_type || ':' || normalised) as members from identifiers where held_until is null group by contact_id"
        )
        contacts = await connection.fetch("select * from contacts")
        changes = await connection.fetch("select convert_from(key, 'UTF8') as id, count(*) as told from outbox group by key")
    assert sorted(sorted(row["members"]) for row in groups) == world.groups()
    assert {row["contact_id"] for row in contacts} == {contact_id for _, contact_id in world.contacts}
    told = {row["id"]: row["told"] for row in changes}
    for row in contacts:
        mine = world.contacts["acme", row["contact_id"]]
        assert (row["version"], row["type"], row["given_name"], row["email"]) == (mine.version, mine.type, mine.given_name, mine.email)
        assert (row["merged_into"], row["identifiers_total"]) == (mine.merged_into, mine.summary.total)
        assert row["root"] == world.root("acme", row["contact_id"])
        assert told[str(row["contact_id"])] == row["version"]  # I7: a message for every version


@pytest.mark.asyncio
async def test_racing_workers_end_in_one_contact(store: Store) -> None:
    """I3, I5: several workers meet the same people at once; races repeat, and nothing is owned twice."""
    story = [event(f"anonymous_token:t{i % 7}", f"email:p{i % 3}@example.com", minutes=i) for i in range(60)]

    async def work(part: int) -> None:
        mine, numbers = story[part::4], TenureNumbers()
        for start in range(0, len(mine), 3):
            for _ in range(50):
                try:
                    async with store.transaction(["acme"]) as connection:
                        resolution_ = Resolution(shards=4, numbers=numbers, budget=10_000)
                        await resolution_.resolve(connection, mine[start : start + 3], RULES, "test")
                    break
                except (*RACES, Moved):
                    continue
            else:
                pytest.fail("a batch lost fifty races")

    await asyncio.gather(*(work(part) for part in range(4)))
    world = World()
    world.play(*story)
    async with store.transaction(["acme"]) as connection:
        rows = await connection.fetch(
            "select array_agg(semantic_type || ':' || normalised) as members from identifiers where held_until is null group by contact_id"
        )
        twice = await connection.fetchval(
            "select count(*) from (select 1 from identifiers where held_until is null group by identifier_key having count(*) > 1) t"
        )
    assert sorted(sorted(row["members"]) for row in rows) == world.groups()
    assert twice == 0


@pytest.mark.asyncio
async def test_without_a_named_workspace_no_row_is_seen(store: Store) -> None:
    """S89, S90: unset means no rows, not all."""
    async with store.transaction(["acme"]) as connection:
        await resolution().resolve(connection, [event("anonymous_token:t1")], RULES, "test")
    async with store.begin() as connection:
        assert await connection.fetchval("select count(*) from contacts") == 0
    async with store.transaction(["other"]) as connection:
        assert await connection.fetchval("select count(*) from identifiers") == 0


@pytest.mark.asyncio
async def test_a_merge_records_exactly_the_tenures_that_moved_also_in_chains(store: Store) -> None:
    """Unmerge rests on it: of C into B into A within one batch, each merge names what its absorbed contact held then."""
    story = [
        event("anonymous_token:a", minutes=0),
        event("anonymous_token:b", minutes=1),
        event("anonymous_token:c", minutes=2),
        event("anonymous_token:b", "anonymous_token:c", minutes=3),
        event("anonymous_token:a", "anonymous_token:b", minutes=4),
    ]
    for size in (5, 1):
        batch = [event(*(f"anonymous_token:{size}{i.normalised}" for i in each.identifiers), minutes=n) for n, each in enumerate(story)]
        for start in range(0, len(batch), size):
            async with store.transaction(["acme"]) as connection:
                plan = await resolution().resolve(connection, batch[start : start + size], RULES, "test")
        assert plan.outcomes[-1].kind is OutcomeKind.MERGED
    async with store.transaction(["acme"]) as connection:
        rows = await connection.fetch("select cardinality(tenures) as moved from merges order by at, absorbed")
    assert sorted(row["moved"] for row in rows) == [1, 1, 2, 2]


@pytest.mark.asyncio
async def test_a_redirect_takes_one_step_however_many_merges_it_went_through(store: Store) -> None:
    """Architecture, section 4; mutant redirects-take-several-steps: C went into B long before B goes into A."""
    story = [
        event("anonymous_token:a", minutes=0),
        event("anonymous_token:b", minutes=1),
        event("anonymous_token:c", minutes=2),
        event("anonymous_token:b", "anonymous_token:c", minutes=3),
        event("anonymous_token:a", "anonymous_token:b", minutes=4),
    ]
    for each in story:
        async with store.transaction(["acme"]) as connection:
            plan = await resolution().resolve(connection, [each], RULES, "test")
    async with store.transaction(["acme"]) as connection:
        rows = await connection.fetch("select merged_into, root from contacts")
    assert {row["root"] for row in rows} == {plan.outcomes[0].contact_id}
    assert len({row["merged_into"] for row in rows}) == 3, "who absorbed whom is never rewritten"
