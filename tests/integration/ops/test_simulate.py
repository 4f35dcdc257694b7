"""Runs that begin with what is stored: they say what deciding there would say, and write nothing."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import pytest

from onefold.identity.identifiers import identifier_key
from onefold.identity.plan import Barrier, KeptApart
from onefold.identity.rules_document import rules_of
from onefold.identity.rules_reading import document_of
from onefold.ops.simulate.report import report, text
from onefold.ops.simulate.stored import StoredRun, from_stored
from onefold.records.apart import insert_barriers, keep_apart
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from tests.support.installations import record_of
from tests.support.stories import random_story
from tests.support.worlds import EXACT, START, at, event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.identity.interaction import Interaction
    from onefold.identity.plan import Outcome
    from onefold.records.store import Store
    from tests.support.servers import Database

EXACTLY = timedelta(0)
TABLES = "select tablename from pg_tables where schemaname = 'public' order by tablename"
OPEN = """
select array_agg(semantic_type || ':' || normalised order by semantic_type, normalised) as members from identifiers
where held_until is null and contact_id = any($1::uuid[]) group by contact_id
"""


async def resolve(store: Store, interactions: Sequence[Interaction]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for each in interactions:
        async with store.transaction(["acme"]) as connection:
            resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=10_000)
            outcomes += (await resolution.resolve(connection, [each], {"acme": EXACT}, "test")).outcomes
    return outcomes


async def simulated(store: Store, lines: Sequence[bytes], *, rules: dict[str, Any] | None = None, diff: bool = False) -> Any:
    run = StoredRun(document_of(rules) if rules is not None else None, EXACTLY)
    present = StoredRun(None, EXACTLY) if diff else None
    bad = await from_stored(io.BytesIO(b"\n".join(lines)), store, [run] if present is None else [present, run], EXACTLY)
    return msgspec.json.decode(b"".join(text(report(run, bad, present=present))))


async def everything(database: Database) -> dict[str, list[Any]]:
    """Every row of every table, as the owner of the database sees it."""
    connection = await asyncpg.connect(database.admin_url)
    try:
        names = [row["tablename"] for row in await connection.fetch(TABLES)]
        return {name: sorted(map(str, await connection.fetch(f'select * from "{name}"'))) for name in names}  # noqa: S608 -- of the catalog
    finally:
        await connection.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("chunk", [1, 7, 1_000])
async def test_a_run_goes_on_from_what_is_stored_as_resolvers_would(
    store: Store, database: Database, seed: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Merges, hand-overs and late events meet contacts that were there before; and nothing is written."""
    monkeypatch.setattr("onefold.ops.simulate.stored.CHUNK", chunk)
    story = random_story(seed)
    half = len(story) // 2
    await resolve(store, story[:half])
    before = await everything(database)
    said = await simulated(store, [record_of(each)[1] for each in story[half:]])
    assert await everything(database) == before
    told = await resolve(store, story[half:])
    assert [(each["outcome"], each["reason"], each["contact_id"]) for each in said["outcomes"]] == [
        (each.kind, each.reason, str(each.contact_id)) for each in told
    ]
    held = sorted(
        sorted(f"{each['semantic_type']}:{each['normalised']}" for each in contact["identifiers"]) for contact in said["contacts"]
    )
    async with store.transaction(["acme"]) as connection:
        rows = await connection.fetch(OPEN, [contact["id"] for contact in said["contacts"]])
    assert [each for each in held if each] == sorted(row["members"] for row in rows)


@pytest.mark.asyncio
async def test_a_run_cannot_write(store: Store) -> None:
    """Whatever it tried: the transaction is one that Postgres itself lets read only."""
    async with store.moment(seconds=60) as connection:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("insert into separations (xid, bucket) values ('1', 1)")


@pytest.mark.asyncio
async def test_a_run_sees_one_moment(store: Store) -> None:
    """What resolvers do meanwhile is not half in it."""
    async with store.moment(seconds=60) as connection:
        assert await connection.fetchval("select count(*) from outbox") == 0
        await resolve(store, [event("email:a@x.io")])
        assert await connection.fetchval("select count(*) from outbox") == 0


@pytest.mark.asyncio
async def test_each_workspace_follows_its_own_rules_unless_others_are_tried(store: Store) -> None:
    """R27, R28, R18: the difference is against the stored rules."""
    async with store.transaction(["acme"]) as connection:
        await connection.execute("""update workspaces set rules = '{"catalog": [{"semantic_type": "card"}]}' where workspace = 'acme'""")
    events = [
        event("card:7", f"email:{name}@x.io", minutes=1, workspace=space, rules=EXACT) for space in ("acme", "other") for name in "ab"
    ]
    lines = [
        record_of(each)[1].replace(b'"identifiers":[', b'"identifiers":[{"semantic_type":"card","identifier":"7"},') for each in events
    ]
    said = await simulated(store, lines)
    assert [(each["workspace"], len(each["identifiers"])) for each in said["contacts"]] == [("acme", 3), ("other", 1), ("other", 1)]
    tried = await simulated(store, lines, rules={}, diff=True)
    assert [len(each["identifiers"]) for each in tried["contacts"]] == [1, 1, 1, 1]
    assert [each["contact"]["identifiers_total"] for each in tried["diff"]["split"]] == [3]


@pytest.mark.asyncio
async def test_a_line_of_a_workspace_that_does_not_exist_is_named_and_left_out(store: Store) -> None:
    lines = [record_of(event("email:a@x.io", workspace=workspace))[1] for workspace in ("acme", "nobody", "acme")]
    said = await simulated(store, lines)
    assert [(each["line"], each["code"]) for each in said["bad_lines"]] == [(2, "unknown_workspace")]
    assert [each["outcome"] for each in said["outcomes"]] == ["created", "seen"]


@pytest.mark.asyncio
async def test_a_contact_of_more_identifiers_than_a_listing_holds_is_met_through_any_of_them(store: Store) -> None:
    many = [event("user_id:u1", f"device_id:d{number}", minutes=number) for number in range(250)]
    rules = {"acme": rules_of(document_of({"limits": {"values_per_type": 1_000}}), recency=EXACTLY)}
    async with store.transaction(["acme"]) as connection:
        await Resolution(shards=4, numbers=TenureNumbers(), budget=10_000).resolve(connection, many, rules, "test")
    lines = [record_of(event(f"device_id:d{number}", minutes=300, event_id=f"x{number}"))[1] for number in (3, 249)]
    said = await simulated(store, lines)
    assert [each["outcome"] for each in said["outcomes"]] == ["seen", "seen"]
    assert len(said["contacts"]) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("chunk", [1, 1_000])
async def test_who_is_kept_apart_stays_apart_and_no_old_event_crosses_a_barrier(
    store: Store, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pairs are found wherever in the run their sides are met, also by way of contacts that absorbed one meanwhile."""
    monkeypatch.setattr("onefold.ops.simulate.stored.CHUNK", chunk)
    ann, ben = (outcome.contact_id for outcome in await resolve(store, [event("email:ann@x.io"), event("email:ben@x.io")]))
    assert ann is not None
    assert ben is not None
    async with store.transaction(["acme"]) as connection:
        await keep_apart(connection, KeptApart("acme", ann, ben, "refused", "ann@host", None, START))
        await insert_barriers(connection, [Barrier("acme", identifier_key("phone", "+4915112345678"), at(30))])
    story = [
        event("email:ann@x.io", minutes=1),
        event("email:zoe@x.io", minutes=-1),
        event("email:zoe@x.io", "email:ann@x.io", minutes=2),
        event("email:ben@x.io", minutes=3),
        event("email:zoe@x.io", "email:ben@x.io", minutes=4),
        event("email:ann@x.io", "phone:+4915112345678", minutes=5),
        event("phone:+4915112345678", minutes=6),
        event("email:ann@x.io", "phone:+4915112345678", minutes=31),
        event("email:ann@x.io", "phone:+4915112345678", minutes=7),
    ]
    said = await simulated(store, [record_of(each)[1] for each in story])
    told = [(each["outcome"], each["reason"]) for each in said["outcomes"]]
    assert told == [(each.kind, each.reason) for each in await resolve(store, story)]
    assert told[4][1] == "kept_apart"
    assert told[6] == ("barred", "barred")
