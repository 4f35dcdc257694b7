"""Rules of a workspace in Postgres: versions, who made them, two people at once, and workers that learn of them (R18, S89)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest

from onefold.errors import InvalidRules, RulesChanged, RulesInUse, RulesUnreadable, WorkspaceNotFound
from onefold.identity.rules import Rules
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.records.rules import RulesCache
from onefold.records.rules_versions import catalogs_ever
from onefold.records.store import Store
from onefold.workspace import rules
from onefold.workspace.rules import Edits
from tests.support.workspaces import add_workspace
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from onefold.identity.interaction import Interaction
    from onefold.records.rules_versions import RulesVersion
    from tests.support.servers import Database

HOUR = timedelta(hours=1)


@asynccontextmanager
async def opened(database: Database, *workspaces: str) -> AsyncIterator[Store]:
    store = await Store.connect(database.app_url)
    try:
        await add_workspace(store, *workspaces)
        yield store
    finally:
        await store.close()


async def change(store: Store, workspace: str = "acme", by: str = "ann@desk", *, from_now_on: bool = False, **keys: object) -> RulesVersion:
    edits = Edits(keys=[(key.replace("__", "."), value) for key, value in keys.items()])
    async with store.transaction([workspace]) as connection:
        plan = await rules.plan(connection, workspace, edits, from_now_on=from_now_on)
        return await rules.carry_out(connection, plan, actor=by, reason="a test")


async def resolve(store: Store, interactions: Sequence[Interaction]) -> None:
    async with store.transaction(["acme"]) as connection:
        await Resolution(shards=4, numbers=TenureNumbers(), budget=10_000).resolve(connection, interactions, {"acme": EXACT}, "test")


async def counted(store: Store) -> int:
    async with store.begin() as connection:
        version: int = await connection.fetchval("select rules_version from incarnation")
        return version


@pytest.mark.asyncio
async def test_every_change_is_kept_with_who_when_and_what_before_and_after(database: Database) -> None:
    async with opened(database, "acme", "other") as store:
        first = await change(store, policy="strict")
        second = await change(store, by="bob@desk", limits__values_per_type=5)
        async with store.transaction(["acme"]) as connection:
            found = await rules.history(connection, "acme", 10)
            assert await rules.history(connection, "acme", 10, below=3) == [first]
            document, version = await rules.show(connection, "acme")
        assert found == [second, first]
        assert [(each.version, each.actor, each.reason) for each in found] == [(3, "bob@desk", "a test"), (2, "ann@desk", "a test")]
        assert (first.before, first.after) == ({}, {"policy": "strict"})
        assert second.before == first.after
        assert (document.given(), version) == (second.after, 3)
        assert second.at >= first.at
        async with store.transaction(["other"]) as connection:
            assert await rules.history(connection, "other", 10) == []
            with pytest.raises(WorkspaceNotFound):
                await rules.history(connection, "acme", 10)


@pytest.mark.asyncio
async def test_nobody_rewrites_the_history(database: Database) -> None:
    """The application's role may add versions only."""
    async with opened(database, "acme") as store:
        await change(store, policy="strict")
        for statement in ("update rules_versions set actor = 'x'", "delete from rules_versions"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with store.transaction(["acme"]) as connection:
                    await connection.execute(statement)


@pytest.mark.asyncio
async def test_of_two_people_at_once_one_is_refused_and_told_who_was_faster(database: Database) -> None:
    """Both planned from the same version; the second waits for the first, and changes nothing."""
    async with opened(database, "acme") as store:
        both_planned = asyncio.Barrier(2)

        async def one(key: str, by: str) -> None:
            async with store.transaction(["acme"]) as connection:
                plan = await rules.plan(connection, "acme", Edits(keys=[(key, 7)]))
                await both_planned.wait()
                await rules.carry_out(connection, plan, actor=by, reason=None)

        results = await asyncio.gather(one("limits.values_per_type", "ann"), one("recency_seconds", "bob"), return_exceptions=True)
        (refusal,) = (each for each in results if each is not None)
        faster = "ann" if results[0] is None else "bob"
        assert isinstance(refusal, RulesChanged)
        assert f"at version 2 now, by {faster} at " in str(refusal)
        async with store.transaction(["acme"]) as connection:
            assert [each.actor for each in await rules.history(connection, "acme", 10)] == [faster]


@pytest.mark.asyncio
async def test_a_change_of_another_version_than_was_looked_at_is_refused(database: Database) -> None:
    async with opened(database, "acme") as store:
        await change(store, policy="strict")
        async with store.transaction(["acme"]) as connection:
            with pytest.raises(RulesChanged, match=r"at version 2 now, by ann@desk at .*, not at 1"):
                await rules.plan(connection, "acme", Edits(document=b"{}"), if_version=1)
            plan = await rules.plan(connection, "acme", Edits(document=b"{}"), if_version=2)
            assert plan.after == {}


@pytest.mark.asyncio
async def test_workers_have_the_new_rules_once_the_fence_says_so(database: Database) -> None:
    """R18: of the workspace that was changed; what says nothing keeps the defaults."""
    async with opened(database, "acme", "other") as store:
        cache = RulesCache(store, HOUR)
        cache.learn_version(await counted(store))
        assert await cache.of(["acme", "other", "nobody"]) == {"acme": Rules(), "other": Rules(), "nobody": None}
        before = await counted(store)
        await change(store, limits__values_per_type=5, recency_seconds=0)
        assert await counted(store) > before
        cache.learn_version(await counted(store))
        found = await cache.of(["acme", "other"])
        mine = found["acme"]
        assert mine is not None
        assert (mine.limits.values_per_type, mine.recency, mine.version) == (5, timedelta(0), 2)
        assert found["other"] == Rules(recency=HOUR)


@pytest.mark.asyncio
async def test_rules_of_a_newer_build_are_not_half_understood(database: Database) -> None:
    """A worker waits instead of deciding by what it knows of them, and goes on once they are readable."""
    async with opened(database, "acme") as store:
        cache = RulesCache(store, HOUR)
        async with store.transaction(["acme"]) as connection:
            await connection.execute("""update workspaces set rules = '{"policy": "eager", "clairvoyance": true}'""")
        with pytest.raises(RulesUnreadable, match=r"workspace acme[\s\S]*clairvoyance"):
            await cache.of(["acme"])
        async with store.transaction(["acme"]) as connection:
            await connection.execute("""update workspaces set rules = '{"policy": "eager"}'""")
        assert (await cache.of(["acme"]))["acme"] == Rules(policy="eager")


@pytest.mark.asyncio
async def test_catalogs_of_other_builds_stay_readable(database: Database) -> None:
    """I5 asks what was ever unique: documents of the past need not be such as this build would take."""
    async with opened(database, "acme", "other") as store:
        await change(store, catalog=[{"semantic_type": "card", "unique_per_contact": True}])
        await change(store, policy="strict")
        async with store.transaction(["acme"]) as connection:
            await connection.execute(
                """update workspaces set rules = '{"clairvoyance": 1, "catalog": [{"semantic_type": "card", "x": 1}]}'"""
            )
            found = await catalogs_ever(connection, ["acme", "other"])
        card = {"semantic_type": "card"}
        assert sorted(found["acme"], key=str) == [[], [card | {"unique_per_contact": True}], [card | {"x": 1}]]


@pytest.mark.asyncio
async def test_a_type_or_label_in_use_cannot_be_removed(database: Database) -> None:
    """product.md, section 3: the refusal counts its uses. What nobody uses may go."""
    async with opened(database, "acme") as store:
        await change(store, catalog=[{"semantic_type": "card"}, {"semantic_type": "email", "slugs": ["main", "work", "spare"]}])
        async with store.transaction(["acme"]) as connection:
            await connection.execute(HOLDING.format(number=1, kind="card", slug="main"))
            await connection.execute(HOLDING.format(number=2, kind="email", slug="work"))
            with pytest.raises(
                RulesInUse, match=r"the type card cannot be removed: 1 identifiers of contacts use it; catalog\.card\.enabled"
            ):
                await rules.plan(connection, "acme", Edits(unset=["catalog.card"]))
            with pytest.raises(RulesInUse, match=r"the label work of email cannot be removed: 1 "):
                await rules.plan(connection, "acme", Edits(keys=[("catalog.email.slugs", ["main", "spare"])]))
            unused = await rules.plan(connection, "acme", Edits(keys=[("catalog.email.slugs", ["main", "work"])]))
            assert [each.key for each in unused.changes] == ["catalog.email.slugs"]


@pytest.mark.asyncio
async def test_a_type_becomes_unique_where_no_contact_breaks_it_or_from_now_on(database: Database) -> None:
    """product.md, section 3."""
    async with opened(database, "acme") as store:
        await resolve(store, [event("anonymous_token:t1", "email:a@example.com", minutes=0)])
        await change(store, catalog__email__unique_per_contact=True)
        await change(store, catalog__email__unique_per_contact=False)
        await resolve(store, [event("anonymous_token:t1", "email:b@example.com", minutes=1)])
        with pytest.raises(RulesInUse, match="1 contacts hold more than one email"):
            await change(store, catalog__email__unique_per_contact=True)
        assert (await change(store, catalog__email__unique_per_contact=True, from_now_on=True)).version == 4


@pytest.mark.asyncio
async def test_a_refused_change_leaves_no_trace(database: Database) -> None:
    async with opened(database, "acme") as store:
        with pytest.raises(InvalidRules):
            await change(store, limits__values_per_type=0)
        async with store.transaction(["acme"]) as connection:
            assert await rules.history(connection, "acme", 10) == []
            assert (await rules.show(connection, "acme"))[1] == 1


HOLDING = """
insert into identifiers (tenure_id, workspace, identifier_key, contact_id, semantic_type, identifier, normalised, slug, assurance, source,
  first_seen_at, last_seen_at)
values ({number}, 'acme', decode(md5('{number}'), 'hex'), gen_random_uuid(), '{kind}', 'x', 'x', '{slug}', 1, 'event', now(), now())
"""
