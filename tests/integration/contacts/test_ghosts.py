"""The sweep of ghosts on real Postgres, beside the resolver: who goes, who stays, and who comes back (product.md, section 11)."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest

from onefold.cli.ghosts import carried_out
from onefold.contacts import ghosts
from onefold.contacts.acting import User
from onefold.identity.identifiers import resolve_identifiers
from onefold.identity.rules import Rules
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.records.store import RACES, Moved, Store
from streams import jobs
from tests.support.ghosts import insert_ghosts
from tests.support.locks import until_somebody_waits
from tests.support.working import SHARDS, carry_out, worker
from tests.support.worlds import event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.records.workspace_jobs import WorkspaceJob

HOURLY = Rules(recency=timedelta(hours=1))
NOW = datetime(2027, 11, 1, tzinfo=UTC)
"""A year after the events of these tests."""


async def resolve(store: Store, resolution: Resolution, story: Sequence[Any]) -> None:
    for _ in range(50):
        try:
            async with store.transaction(["acme"]) as connection:
                await resolution.resolve(connection, list(story), {"acme": HOURLY}, "test")
        except (*RACES, Moved):
            continue
        return
    raise AssertionError("no batch keeps losing races")


def resolver() -> Resolution:
    return Resolution(shards=SHARDS, numbers=TenureNumbers(), budget=10_000)


async def begin(store: Store, days: int = 90, horizon: datetime = NOW) -> WorkspaceJob:
    async with store.transaction(["acme"]) as connection:
        return await ghosts.begin(connection, "acme", days, horizon, User("onefold", None, kind="job"))


async def swept(store: Store, **asked: Any) -> dict[str, Any]:
    await begin(store, **asked)
    (job,) = await carry_out(store)
    assert (job.state, job.error) == ("done", None)
    return job.progress


async def told(store: Store) -> list[tuple[UUID, str | None, str | None]]:
    """What lies in the outbox of contacts: id, rule, and whether it is a tombstone; and takes it out."""
    async with store.begin() as connection:
        rows = await connection.fetch("delete from outbox where topic = 'contacts.changed' returning id, key, payload")
    found = []
    for row in sorted(rows, key=lambda each: each["id"]):
        change = msgspec.json.decode(row["payload"]) if row["payload"] is not None else None
        found.append((UUID(row["key"].decode()), change["cause"]["rule"] if change else None, "tombstone" if change is None else None))
    return found


async def holder(store: Store, token: str) -> UUID | None:
    resolved, _ = resolve_identifiers([("anonymous_token", token, None)], HOURLY)
    async with store.transaction(["acme"]) as connection:
        found: UUID | None = await connection.fetchval(
            "select contact_id from identifiers where identifier_key = $1 and workspace = 'acme' and held_until is null", resolved[0].key
        )
    return found


@pytest.mark.asyncio
async def test_only_ghosts_that_nobody_saw_or_changed_go_with_a_last_change_and_a_tombstone(store: Store) -> None:
    """Never a lead, a contact or a vendor; a ghost that absorbed others goes with every id that leads to it (I17)."""
    name = {"given_name": "Ann", "last_name": "Lee"}
    await resolve(
        store,
        resolver(),
        [
            event("anonymous_token:lead", "email:ann@example.com", fields=name),
            event("anonymous_token:one", attributes={"plan": "pro"}),
            event("anonymous_token:two", minutes=1),
            event("anonymous_token:one", "anonymous_token:two", minutes=2),
            event("anonymous_token:late", minutes=60 * 24 * 300),
        ],
    )
    lead, one, late = [await holder(store, each) for each in ("lead", "one", "late")]
    await told(store)
    progress = await swept(store)
    assert (progress["destroyed"], progress["kept"]) == (1, 0)
    assert (await holder(store, "lead"), await holder(store, "late")) == (lead, late)
    assert (await holder(store, "one"), await holder(store, "two")) == (None, None)
    said = await told(store)
    assert [rule for _, rule, _ in said] == ["cleaned_up", "cleaned_up", None, None]
    assert said[0][0] == one
    assert {who for who, *_ in said[:2]} == {who for who, *_ in said[2:]}
    async with store.transaction(["acme"]) as connection:
        entries = [tuple(row) for row in await connection.fetch("select action, object_type from log_entries order by seq")]
    assert entries == [("swept", "ghosts")], "one entry for all of them"


@pytest.mark.asyncio
async def test_whoever_comes_back_is_new_from_the_first_event_and_what_is_older_brings_nobody_back(store: Store) -> None:
    """R7, I17: a replay of what the ghost did comes to nothing; a visit at the moment of the sweep is a visit."""
    first = event("anonymous_token:t", minutes=0, event_id="first")
    await resolve(store, resolver(), [first])
    before = await holder(store, "t")
    assert (await swept(store))["destroyed"] == 1
    again = event("anonymous_token:t", minutes=0, event_id="first")
    await resolve(store, resolver(), [again, event("anonymous_token:t", minutes=59, event_id="second")])
    assert await holder(store, "t") is None
    await resolve(store, resolver(), [event("anonymous_token:t", minutes=61, event_id="third")])
    assert await holder(store, "t") not in {None, before}


@pytest.mark.asyncio
async def test_what_a_lagging_resolver_has_not_decided_on_yet_keeps_its_ghost(store: Store) -> None:
    """The window ends where resolvers are, not now."""
    await resolve(store, resolver(), [event("anonymous_token:t")])
    assert (await swept(store, horizon=datetime(2026, 12, 1, tzinfo=UTC)))["destroyed"] == 0
    assert await holder(store, "t") is not None


@pytest.mark.asyncio
async def test_a_ghost_that_comes_back_while_the_sweep_waits_for_it_is_kept(store: Store) -> None:
    """I4: what was read before a lock counts for nothing once it is held."""
    await resolve(store, resolver(), [event("anonymous_token:t"), event("anonymous_token:u", minutes=1)])
    before = await holder(store, "t")
    await begin(store)
    async with store.transaction(["acme"]) as connection:
        await resolver().resolve(connection, [event("anonymous_token:t", minutes=60 * 24 * 360)], {"acme": HOURLY}, "test")
        sweep = asyncio.create_task(carry_out(store))
        await until_somebody_waits(store)
    (job,) = await sweep
    assert (job.state, job.progress["destroyed"], job.progress["kept"]) == ("done", 1, 1)
    assert (await holder(store, "t"), await holder(store, "u")) == (before, None)


@pytest.mark.asyncio
async def test_the_command_waits_for_a_worker_that_was_faster(store: Store) -> None:
    """Whoever called it learns how many went, whichever process carried it out; and is not held up by a worker that died."""
    await resolve(store, resolver(), [event("anonymous_token:t")])
    mine, other, job = worker(store), worker(store, "other"), await begin(store)
    claimed = await jobs.claim(other, only=job.job_id)
    assert claimed is not None
    waiting = asyncio.create_task(carried_out(mine, job))
    assert await asyncio.wait([waiting], timeout=0.2) == (set(), {waiting})
    await jobs.carry_on(other, claimed, asyncio.Event())
    done = await waiting
    assert (done.state, done.worker, done.progress["destroyed"]) == ("done", "other", 1)
    job = await begin(store)
    assert await jobs.claim(worker(store, "dead", lease_seconds=0.1), only=job.job_id) is not None
    assert (await carried_out(mine, job)).state == "running"


@pytest.mark.slow
@pytest.mark.asyncio
async def test_of_many_ghosts_those_that_come_back_meanwhile_are_kept_and_none_is_left_behind(store: Store) -> None:
    """100,000 ghosts, a tenth of whom come back while they are swept: each of those holds their token afterwards, all others are gone."""
    count, batch = 100_000, 500
    tokens = [f"token-{number:06}" for number in range(count)]
    async with store.transaction(["acme"]) as connection:
        await insert_ghosts(connection, 0, tokens)
    await begin(store)
    back = tokens[::10]

    async def come_back() -> None:
        resolution = resolver()
        for start in range(0, len(back), batch):
            await resolve(
                store, resolution, [event(f"anonymous_token:{each}", minutes=60 * 24 * 360) for each in back[start : start + batch]]
            )

    coming = asyncio.create_task(come_back())
    (job,) = await carry_out(store)
    await coming
    assert (job.state, job.error) == ("done", None)
    async with store.transaction(["acme"]) as connection:
        held = {row[0] for row in await connection.fetch("select normalised from identifiers where held_until is null")}
        states = Counter(row[0] for row in await connection.fetch("select erased_at is null from contacts"))
    assert held == set(back)
    assert states[True] == len(back)
    assert job.progress["destroyed"] == states[False]
    assert count - len(back) <= states[False] <= count
