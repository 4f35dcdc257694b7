"""Seeds on real Postgres: planned, applied, exported, moved to another workspace and back (product.md, section 10)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from onefold.contacts.acting import User
from onefold.installation.demo.sample import sample_seed
from onefold.records import log
from onefold.records.numbers import TenureNumbers
from onefold.records.shards import shard_count
from onefold.records.store import Store
from onefold.seeds import apply as seeds
from onefold.seeds.apply import SeedFailed, Step
from onefold.seeds.export import ORDER, Exported, export
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.servers import Database

pytestmark = pytest.mark.asyncio

SAMPLE = sample_seed()
TABLES = ("contacts", "identifiers", "definitions", "organizations", "segments", "outbox", "log_entries", "links")


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    store = await Store.connect(database.app_url)
    await add_workspace(store, "acme", "other", "third")
    yield store
    await store.close()


async def seed(store: Store, workspace: str, raw: Any, *, execute: bool = True) -> list[Step]:
    shards = await shard_count(store)
    async with store.transaction([workspace]) as connection:
        user = User("ann@host", "a seed", log.Origin(), [], kind="seed")
        work = seeds.Work(connection, workspace, user, shards, TenureNumbers())
        steps = await (seeds.apply if execute else seeds.plan)(work, raw)
        await log.append(connection, workspace, user.journal or [])
        return steps


async def exported(store: Store, workspace: str) -> Exported:
    async with store.transaction([workspace]) as connection:
        return await export(connection, workspace, ORDER)


async def counts(store: Store) -> dict[str, int]:
    async with store.transaction(["acme", "other", "third"]) as connection:
        return {table: await connection.fetchval(f"select count(*) from {table}") for table in TABLES}  # noqa: S608 -- names of ours


def actions(steps: list[Step]) -> dict[str, int]:
    return {action: sum(each.action == action for each in steps) for action in ("created", "updated", "unchanged")}


async def test_the_sample_builds_a_workspace_and_again_it_changes_nothing(store: Store) -> None:
    """Idempotent: the second time nothing is created, updated, told or logged."""
    first = await seed(store, "acme", SAMPLE)
    assert actions(first)["created"] == len(SAMPLE) - 6
    before = await counts(store)
    again = await seed(store, "acme", SAMPLE)
    assert [each for each in again if each.action != "unchanged"] == []
    assert await counts(store) == before


async def test_it_moves_to_another_workspace_and_back_without_a_difference(store: Store) -> None:
    """Issue 6: export, import, export is the identity, whatever ids there are."""
    await seed(store, "acme", SAMPLE)
    one = await exported(store, "acme")
    assert one.left_out == []
    await seed(store, "other", one.items)
    two = await exported(store, "other")
    assert two.items == one.items
    await seed(store, "third", two.items)
    assert (await exported(store, "third")).items == one.items
    back = await seed(store, "acme", two.items)
    assert [each for each in back if each.action != "unchanged"] == []
    kinds = {each["object_type"] for each in one.items}
    assert kinds == set(ORDER)
    assert sum(each["object_type"] == "contacts" for each in one.items) == 50 + 6


async def test_a_plan_is_what_applying_does_and_writes_nothing(store: Store) -> None:
    before = await counts(store)
    planned = await seed(store, "acme", SAMPLE, execute=False)
    assert await counts(store) == before
    assert [(each.item, each.action) for each in planned] == [(each.item, each.action) for each in await seed(store, "acme", SAMPLE)]
    changed = copy.deepcopy(SAMPLE)
    contact = next(each["data"] for each in changed if each["object_type"] == "contacts" and each["data"].get("given_name") == "Ann")
    contact["last_name"] = "Stone"
    (step,) = [each for each in await seed(store, "acme", changed, execute=False) if each.action != "unchanged"]
    assert (step.action, step.changes["last_name"]) == ("updated", ("Lee", "Stone"))


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"object_type": "contacts", "data": {"type": "lead"}}, "invalid_seed"),
        (
            {"object_type": "contacts", "data": {"organization_id": '{{getRecordAttribute("organizations","slug","nobody")}}'}},
            "unresolved_reference",
        ),
        ({"object_type": "contacts", "data": {"profiles": ["nobody"]}}, "unknown_profile"),
        ({"object_type": "contacts", "data": {"identifiers": [{"semantic_type": "email", "identifier": "nobody"}]}}, "identifier_invalid"),
        ({"object_type": "taxonomies", "data": {"slug": "x", "title": "X", "object_type": "nobody"}}, "invalid_scope"),
        (
            {"object_type": "segments", "data": {"slug": "x", "title": "X", "query": {"field": "colour", "operator": "is_null"}}},
            "invalid_query",
        ),
    ],
)
async def test_an_item_that_cannot_be_applied_undoes_the_whole_seed(store: Store, item: dict[str, Any], code: str) -> None:
    """All or nothing, and the refusal names the item."""
    before = await counts(store)
    with pytest.raises(SeedFailed) as caught:
        await seed(store, "acme", [*SAMPLE[:30], item])
    assert (caught.value.facts["item"], caught.value.code) == (31, code)
    assert await counts(store) == before


async def test_two_contacts_that_share_an_items_identifiers_are_not_guessed_about(store: Store) -> None:
    people = [
        {"object_type": "contacts", "data": {"identifiers": [{"semantic_type": "email", "identifier": f"{who}@example.com"}]}}
        for who in ("a", "b")
    ]
    both = [each for person in people for each in person["data"]["identifiers"]]  # type: ignore[index]
    with pytest.raises(SeedFailed, match="belong to 2 contacts; merge them first"):
        await seed(store, "acme", [*people, {"object_type": "contacts", "data": {"identifiers": both}}])


async def test_what_an_item_does_not_name_stays(store: Store) -> None:
    who = {"identifiers": [{"semantic_type": "email", "identifier": "ann@example.com"}]}
    await seed(
        store,
        "acme",
        [{"object_type": "contacts", "data": {**who, "given_name": "Ann", "last_name": "Lee", "attributes": {"unbound": {"a": 1}}}}],
    )
    (step,) = await seed(store, "acme", [{"object_type": "contacts", "data": {**who, "attributes": {"unbound": {"b": 2}}}}])
    assert step.changes == {"attributes.unbound.b": (None, 2)}
    shown = [each["data"] for each in (await exported(store, "acme")).items]
    assert shown[0]["attributes"] == {"unbound": {"a": 1, "b": 2}}
    assert shown[0]["given_name"] == "Ann"


async def test_contacts_without_identifiers_are_told_apart_by_all_that_they_say(store: Store) -> None:
    """A contact made by a seed may have no identifier at all (product.md, section 2): two alike are two, and again they are the same two."""
    twice = [{"object_type": "contacts", "data": {"given_name": "Bo", "last_name": "Day"}}] * 2
    assert actions(await seed(store, "acme", twice))["created"] == 2
    assert actions(await seed(store, "acme", twice))["unchanged"] == 2
    three = [*twice, {"object_type": "contacts", "data": {"given_name": "Bo", "last_name": "Day", "attributes": {"unbound": {"x": 1}}}}]
    assert [each.action for each in await seed(store, "acme", three)] == ["unchanged", "unchanged", "created"]
