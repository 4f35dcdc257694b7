"""Parked interactions and quarantined values on real Postgres (R11, guard 5): with the plan's transaction, once, per workspace."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from onefold.identity.plan import OutcomeKind
from onefold.identity.rules import Limits, Rules
from onefold.records import parked, quarantine
from onefold.records.numbers import TenureNumbers
from onefold.records.parked import Meant, ParkedId
from onefold.records.resolution import Resolution
from onefold.records.rules import RulesCache
from onefold.records.rules_versions import IN_FORCE
from tests.support.worlds import event

if TYPE_CHECKING:
    from onefold.identity.interaction import Interaction
    from onefold.identity.plan import Plan
    from onefold.records.store import Store

TIGHT = Rules(recency=timedelta(0), limits=Limits(values_per_type=1))
A_FEW_A_DAY = Rules(recency=timedelta(0), limits=Limits(contacts_per_value_day=2))
ALL = Meant("acme")
SHARED = "email:shared@example.com"


async def resolve(store: Store, *interactions: Interaction, rules: Rules) -> Plan:
    async with store.transaction(["acme", "other"]) as connection:
        resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=10_000)
        return await resolution.resolve(connection, interactions, {"acme": rules, "other": rules}, "test")


async def listed(store: Store, workspace: str = "acme", *, all_: bool = False) -> list[tuple[str, str]]:
    async with store.transaction([workspace]) as connection:
        return [(each.event_id, each.state) for each in await parked.list_parked(connection, workspace, None, 100, decided_too=all_)]


async def decide_on(store: Store, state: str, meant: Meant = ALL) -> None:
    async with store.transaction(["acme"]) as connection:
        events = await parked.take(connection, meant, 100)
        await parked.decide_on(connection, events, state, actor="ann@desk", reason="a test")  # type: ignore[arg-type]  # one of two


def with_raw(interaction: Interaction) -> Interaction:
    return structs.replace(interaction, raw=interaction.event_id.encode())


@pytest.mark.asyncio
async def test_what_a_limit_parked_is_kept_whole_with_what_it_exceeded(store: Store) -> None:
    """R11: also where nothing else came of it, so that nobody was locked and nothing was written."""
    await resolve(store, event("anonymous_token:t", "email:a@example.com"), rules=TIGHT)
    story = with_raw(event("anonymous_token:t", "email:b@example.com", minutes=0))
    plan = await resolve(store, story, rules=TIGHT)
    assert (plan.outcomes[0].kind, plan.writes) == (OutcomeKind.PARKED, False)
    async with store.transaction(["acme"]) as connection:
        (found,) = await parked.find_parked(connection, "acme", ParkedId(*story.position[1:]))
        assert await parked.count(connection, Meant("acme")) == {"values_per_type": 1}
        assert await parked.count(connection, Meant("acme", identifier=story.identifiers[0].key)) == {}
        assert await parked.count_open(connection, ["acme", "other"], most=10) == {"acme": 1}
    assert (found.event_id, found.limits, found.types, found.state) == (story.event_id, ["values_per_type"], ["email"], "open")
    assert (found.message, found.contact_id, found.at) == (story.event_id.encode(), plan.outcomes[0].contact_id, story.at)
    assert await listed(store, "other") == []


@pytest.mark.asyncio
async def test_an_interaction_that_is_decided_again_is_parked_once_and_a_dropped_one_stays_dropped(store: Store) -> None:
    """R7: the same position is the same row, whoever decides it again."""
    first, second = (with_raw(event("anonymous_token:t", f"email:{name}@example.com", minutes=1)) for name in "bc")
    await resolve(store, event("anonymous_token:t", "email:a@example.com"), first, rules=TIGHT)
    await resolve(store, first, second, rules=TIGHT)
    assert await listed(store) == [(first.event_id, "open"), (second.event_id, "open")]
    await decide_on(store, "dropped", Meant("acme", ids=(ParkedId(*first.position[1:]),)))
    await decide_on(store, "released")
    assert await listed(store) == []
    async with store.transaction(["acme"]) as connection:
        (found,) = await parked.find_parked(connection, "acme", ParkedId(*first.position[1:]))
    assert (found.actor, found.reason, found.message) == ("ann@desk", "a test", None), "its message is let go"
    await resolve(store, first, second, rules=TIGHT)
    assert await listed(store, all_=True) == [(first.event_id, "dropped"), (second.event_id, "open")]


@pytest.mark.asyncio
async def test_two_who_decide_at_once_never_take_the_same(store: Store) -> None:
    story = [with_raw(event("anonymous_token:t", f"email:{number}@example.com", minutes=number)) for number in range(4)]
    await resolve(store, *story, rules=TIGHT)
    async with store.transaction(["acme"]) as one, store.transaction(["acme"]) as other:
        assert [each.event_id for each in await parked.take(one, Meant("acme"), 2)] == [each.event_id for each in story[1:3]]
        assert [each.event_id for each in await parked.take(other, Meant("acme"), 2)] == [story[3].event_id]


@pytest.mark.asyncio
async def test_a_value_that_joins_too_many_becomes_a_rule_of_its_workspace_at_once(store: Store) -> None:
    """Guard 5: every worker knows of it by the fence; its tenure stays with its holder. Released, it counts from the beginning."""
    cache = RulesCache(store, timedelta(0))
    before = await counted(store)
    await resolve(store, *flood(3), rules=A_FEW_A_DAY)
    assert await counted(store) > before
    cache.learn_version(await counted(store))
    key = flood(0)[0].identifiers[0].key
    rules = await cache.of(["acme", "other"])
    assert [each.quarantined if each is not None else None for each in (rules["acme"], rules["other"])] == [frozenset({key}), frozenset()]
    async with store.transaction(["acme"]) as connection:
        (value,) = await quarantine.list_values(connection, "acme", 10)
        assert (value.normalised, value.contacts, value.released_at) == ("shared@example.com", 2, None)
        assert await quarantine.count_held(connection, ["acme", "other"], most=10) == {"acme": 1}
        assert await parked.count(connection, Meant("acme", identifier=key)) == {"contacts_per_value_day": 1}
        released = await quarantine.release_value(connection, "acme", key, actor="ann@desk", reason="a family")
        assert released is not None
        assert await quarantine.release_value(connection, "acme", key, actor="bob@desk", reason=None) is None
        assert await connection.fetchval("select max(joins_in_day) from identifiers where identifier_key = $1", key) == 0
    cache.learn_version(await counted(store))
    assert (await cache.of(["acme"]))["acme"] == replace(Rules(), recency=timedelta(0))
    await resolve(store, *flood(3, begin=60), rules=A_FEW_A_DAY)
    async with store.transaction(["acme"]) as connection:
        assert [each.actor for each in await quarantine.find_values(connection, "acme", key)] == ["ann@desk", None]


@pytest.mark.asyncio
async def test_two_workers_that_find_the_same_value_out_quarantine_it_once(store: Store) -> None:
    await resolve(store, *flood(2), rules=A_FEW_A_DAY)
    last = [event(f"anonymous_token:late{number}", SHARED, minutes=30 + number) for number in range(2)]
    await resolve(store, event("anonymous_token:late0", minutes=9), event("anonymous_token:late1", minutes=9), rules=A_FEW_A_DAY)
    for each in last:
        await resolve(store, each, rules=A_FEW_A_DAY)
    async with store.transaction(["acme"]) as connection:
        assert len(await quarantine.list_values(connection, "acme", 10, released_too=True)) == 1


@pytest.mark.asyncio
async def test_without_its_workspace_nothing_parked_or_quarantined_is_seen(store: Store) -> None:
    """S89."""
    await resolve(store, *flood(3), rules=A_FEW_A_DAY)
    async with store.transaction(["other"]) as connection:
        assert await connection.fetchval("select (select count(*) from parked) + (select count(*) from quarantine)") == 0


@pytest.mark.asyncio
async def test_the_rules_and_what_is_open_are_read_by_their_indexes_whatever_lies_there(store: Store) -> None:
    """On tables that were empty when the statements were prepared, and then grew."""
    fill_parked = """
    insert into parked (workspace, partition, "offset", event_id, limits, types, identifier_keys, contact_id, message, at, appended_at)
    select 'w' || n % 50, 0, n, n, '{values_per_type}', '{email}', '{}', gen_random_uuid(), 'x', now(), now() + n * interval '1 s'
    from generate_series(1, 20000) n
    """
    fill_quarantine = """
    insert into quarantine (workspace, identifier_key, semantic_type, identifier, normalised, contacts, event_id, partition, "offset", since)
    select 'w' || n % 50, decode(md5(n::text), 'hex'), 'email', n, n, 50, n, 0, n, now() from generate_series(1, 20000) n
    """
    questions = [(parked.OPEN, ("w1", None, 20)), (parked.TAKE, (*Meant("w1").arguments, 100)), (IN_FORCE, (["w1"],))]
    async with store.transaction([f"w{number}" for number in range(50)]) as connection:
        for statement, arguments in questions:
            await connection.fetch(statement, *arguments)
        await connection.execute(fill_parked)
        await connection.execute(fill_quarantine)
        for statement, arguments in questions:
            plan = "\n".join(row[0] for row in await connection.fetch(f"explain {statement}", *arguments))
            assert "Seq Scan on parked" not in plan, plan
            assert "Seq Scan on quarantine" not in plan, plan


def flood(contacts: int, *, begin: float = 0) -> list[Interaction]:
    """An email, then so many visitors, each of whom gives it."""
    visitors = [f"anonymous_token:{begin}t{number}" for number in range(contacts)]
    joining = [event(each, SHARED, minutes=begin + number + 2) for number, each in enumerate(visitors)]
    return [event(SHARED, minutes=begin), *(event(each, minutes=begin + 1) for each in visitors), *joining]


async def counted(store: Store) -> int:
    async with store.begin() as connection:
        version: int = await connection.fetchval("select rules_version from incarnation")
        return version
