"""Merging and unmerging by users on real Postgres: what is stored is what the heart planned, and both sides come back in any order."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from onefold.contacts.acting import User
from onefold.contacts.change import archive
from onefold.contacts.merge import Wish, merge
from onefold.contacts.unmerge import unmerge
from onefold.errors import ContactNotFound, InvalidMessage, MergeNotFound, MergeRefused
from onefold.identity.assurance import Assurance
from onefold.identity.identifiers import identifier_key
from onefold.identity.plan import Reason
from onefold.identity.separation import bucket
from onefold.records import trees
from onefold.records.numbers import TenureNumbers
from onefold.records.reads import find_holder, load_record
from onefold.records.resolution import Resolution
from tests.support.stories import VISITORS, visits
from tests.support.worlds import EXACT, World, event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onefold.contacts.merge import Merging
    from onefold.contacts.unmerge import Undoing
    from onefold.identity.interaction import Interaction
    from onefold.identity.plan import Outcome
    from onefold.records.store import Store
    from tests.support.servers import Database

pytestmark = pytest.mark.policy("eager")
SHARDS = 4
ANN = User("ann@host", "one person after all")
ASSERTED = Assurance.ASSERTED
EAGER = replace(EXACT, policy="eager")
"""Under the other policies what a claim does depends on who is known, which merging changes."""
GROUPS = "select array_agg(semantic_type || ':' || normalised) as members from identifiers where held_until is null group by contact_id"


async def play(store: Store, *interactions: Interaction) -> list[Outcome]:
    resolution = Resolution(shards=SHARDS, numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        return (await resolution.resolve(connection, interactions, {"acme": EAGER}, "test")).outcomes


async def holder(store: Store, identifier: str) -> UUID:
    kind, _, value = identifier.partition(":")
    async with store.transaction(["acme"]) as connection:
        found = await find_holder(connection, ["acme"], kind, value)
    assert found is not None
    return found[1]


async def join(store: Store, survivor: UUID, absorbed: UUID, takes: Mapping[str, UUID] | None = None) -> Merging:
    async with store.transaction(["acme"]) as connection:
        return await merge(connection, "acme", Wish(survivor, absorbed, takes or {}), ANN, shards=SHARDS)


async def part(store: Store, named: UUID) -> Undoing:
    async with store.transaction(["acme"]) as connection:
        return await unmerge(connection, "acme", named, ANN, shards=SHARDS)


async def groups(store: Store) -> list[list[str]]:
    async with store.transaction(["acme"]) as connection:
        return sorted(sorted(row["members"]) for row in await connection.fetch(GROUPS))


async def two_people(store: Store) -> tuple[UUID, UUID]:
    await play(
        store,
        event("user_id:1", "anonymous_token:a", assurance=ASSERTED, fields={"given_name": "Ann"}, attributes={"plan": "pro"}),
        event("user_id:2", "anonymous_token:b", assurance=ASSERTED, fields={"given_name": "Ben"}, attributes={"plan": "free"}, minutes=1),
    )
    return await holder(store, "user_id:1"), await holder(store, "user_id:2")


@pytest.mark.asyncio
async def test_a_user_makes_one_of_two_known_people_with_two_user_ids(store: Store) -> None:
    """R19: a decision passes guards 1 and 3; who decided, and why, is kept with the merge and told with the change."""
    ann, ben = await two_people(store)
    merging = await join(store, ben, ann)
    assert {change.contact_id: change.merged_into for change in merging.plan.changes} == {ben: None, ann: ben}
    assert await groups(store) == [["anonymous_token:a", "anonymous_token:b", "user_id:1", "user_id:2"]]
    async with store.transaction(["acme"]) as connection:
        record = await load_record(connection, ["acme"], ann)
        payloads = await connection.fetch("select convert_from(payload, 'UTF8') as text from outbox order by id")
    assert record is not None
    assert (record.contact.contact_id, record.contact.given_name) == (ben, "Ben")
    cause = record.merges[0].cause
    assert (cause["kind"], cause["actor"], cause["reason"]) == ("user", "ann@host", "one person after all")
    told = [msgspec.json.decode(row["text"]) for row in payloads][-2:]
    assert {(each["version"], each["cause"]["kind"], each["cause"]["rule"]) for each in told} == {(2, "user", "decided")}
    assert {each["cause"]["actor"] for each in told} == {"ann@host"}


@pytest.mark.asyncio
async def test_a_preview_is_the_plan_itself_and_changes_nothing(store: Store) -> None:
    ann, ben = await two_people(store)
    async with store.transaction(["acme"]) as connection:
        preview = await merge(connection, "acme", Wish(ann, ben, {"given_name": ben}), ANN)
    assert len(await groups(store)) == 2
    done = await join(store, ann, ben, {"given_name": ben})
    for mine, other in zip(preview.plan.changes, done.plan.changes, strict=True):
        assert (mine.contact_id, mine.changes, mine.version) == (other.contact_id, other.changes, other.version)


@pytest.mark.asyncio
async def test_what_a_user_chose_is_decided_and_goes_with_the_merge(store: Store) -> None:
    """R12: no event replaces it; an unmerge takes it back."""
    ann, ben = await two_people(store)
    await join(store, ann, ben, {"given_name": ben, "attributes.unbound.plan": ann})
    await play(store, event("user_id:1", assurance=ASSERTED, fields={"given_name": "Anna"}, attributes={"plan": "gold"}, minutes=5))
    async with store.transaction(["acme"]) as connection:
        record = await load_record(connection, ["acme"], ann)
    assert record is not None
    assert (record.contact.given_name, record.contact.attributes) == ("Ben", {"unbound": {"plan": "pro"}})
    assert record.merges[0].lost["given_name"]["value"] == "Ann"
    await part(store, ben)
    async with store.transaction(["acme"]) as connection:
        records = [await load_record(connection, ["acme"], each) for each in (ann, ben)]
    names = [(each.contact.given_name, each.contact.attributes["unbound"]["plan"]) for each in records if each is not None]
    assert names == [("Ann", "pro"), ("Ben", "free")]


@pytest.mark.asyncio
async def test_whom_a_user_restored_while_the_two_were_one_is_not_archived_again(store: Store) -> None:
    """What was decided later stands, though the merge alone had made it active already, so that there was nothing to tell."""
    ann, ben = await two_people(store)
    async with store.transaction(["acme"]) as connection:
        await archive(connection, "acme", ann, "archive", ANN, shards=SHARDS)
    await join(store, ann, ben)
    async with store.transaction(["acme"]) as connection:
        assert not (await archive(connection, "acme", ann, "restore", ANN, shards=SHARDS)).plan.changes
        assert not (await archive(connection, "acme", ann, "restore", ANN, shards=SHARDS)).plan.writes
    undoing = await part(store, ben)
    assert [each.archived_at for each in undoing.plan.contacts_changed] == [None, None]


@pytest.mark.asyncio
async def test_what_cannot_be_merged_is_refused(store: Store) -> None:
    ann, ben = await two_people(store)
    with pytest.raises(InvalidMessage, match="neither of the two"):
        await join(store, ann, ben, {"given_name": uuid4()})
    with pytest.raises(InvalidMessage, match="no value of a contact"):
        await join(store, ann, ben, {"email": ben})
    with pytest.raises(ContactNotFound):
        await join(store, ann, uuid4())
    await join(store, ann, ben)
    with pytest.raises(MergeRefused, match="one contact already"):
        await join(store, ann, ben)


@pytest.mark.asyncio
async def test_two_that_would_be_too_large_together_are_refused(store: Store) -> None:
    """R11, R19: a decision passes no limit of size."""
    ann, ben = await two_people(store)
    async with store.transaction(["acme"]) as connection:
        await connection.execute('update workspaces set rules = \'{"limits": {"identifiers_per_contact": 3}}\'')
    with pytest.raises(MergeRefused, match="identifiers_per_contact"):
        await join(store, ann, ben)


@pytest.mark.asyncio
async def test_an_unmerge_gives_everything_back_and_says_so(store: Store) -> None:
    """Redirects, tenures, separations, the record of the merge; and the next event that names both joins nothing."""
    await play(store, event("email:a@example.com", "anonymous_token:a"), event("email:b@example.com", "anonymous_token:b", minutes=1))
    ann, ben = await holder(store, "email:a@example.com"), await holder(store, "email:b@example.com")
    before = await groups(store)
    await play(store, event("anonymous_token:a", "anonymous_token:b", minutes=2))
    undoing = await part(store, ben)
    assert await groups(store) == before
    async with store.transaction(["acme"]) as connection:
        rows = await connection.fetch("select contact_id, root, merged_into, version from contacts")
        buckets = {row["bucket"] for row in await connection.fetch("select bucket from separations")}
        undone = await connection.fetchrow("select undone, undone_at, returned from merges")
    assert {(row["contact_id"], row["root"], row["merged_into"], row["version"]) for row in rows} == {
        (ann, ann, None, 3),
        (ben, ben, None, 3),
    }
    assert buckets == {bucket("acme", identifier_key(*each)) for each in (("email", "b@example.com"), ("anonymous_token", "b"))}
    assert undone is not None
    assert msgspec.json.decode(undone["undone"])["actor"] == "ann@host"
    assert sorted(undone["returned"]) == sorted(undoing.merge.tenures)
    (outcome,) = await play(store, event("anonymous_token:a", "email:b@example.com", minutes=5_000_000))
    assert outcome.reason is Reason.KEPT_APART
    with pytest.raises(MergeNotFound):
        await part(store, ben)
    with pytest.raises(MergeNotFound):
        await part(store, undoing.merge.merge_id)
    await join(store, ann, ben)
    assert len(await groups(store)) == 1, "no event merges them again, a person may"


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(10))
async def test_merges_that_are_all_undone_leave_everybody_as_if_alone(store: Store, seed: int) -> None:
    """S54, as in memory (`tests/unit/identity/test_unmerge.py`): by events and by users, in chains, in any order, with what came since."""
    dice, alone = random.Random(seed), World(rules=EAGER)
    for name in VISITORS:
        story = visits(name, dice, dice.randrange(50))
        await play(store, *story)
        alone.play(*story)
    for minutes in range(100, 180, 20):
        one, other = dice.sample(VISITORS, 2)
        sides = [await holder(store, f"anonymous_token:{name}0") for name in (one, other)]
        if sides[0] != sides[1] and dice.random() < 0.5:
            await join(store, sides[0], sides[1])
        else:
            await play(store, event(f"anonymous_token:{one}0", f"anonymous_token:{other}0", minutes=minutes, event_id=f"join{minutes}"))
        for name in dice.sample(VISITORS, 3):
            story = visits(name, dice, minutes + dice.randrange(1, 10))
            await play(store, *story)
            alone.play(*story)
        if dice.random() < 0.4:
            await undo(store, dice)
    while await undo(store, dice):
        pass
    assert await groups(store) == alone.groups()
    for name in VISITORS:
        expected = alone.holder(f"anonymous_token:{name}0")
        async with store.transaction(["acme"]) as connection:
            record = await load_record(connection, ["acme"], await holder(store, f"anonymous_token:{name}0"))
        assert record is not None
        mine = record.contact
        assert (mine.contact_id, mine.type, mine.given_name) == (expected.contact_id, expected.type, expected.given_name)
        assert (mine.attributes, mine.summary.open_by_type) == (expected.attributes, expected.summary.open_by_type)


async def undo(store: Store, dice: random.Random) -> bool:
    """Undo a merge that is in force, and forget that its sides are kept apart, so that they may meet again."""
    async with store.transaction(["acme"]) as connection:
        absorbed = [row["contact_id"] for row in await connection.fetch("select contact_id from contacts where merged_into is not null")]
    if not absorbed:
        return False
    await part(store, dice.choice(sorted(absorbed)))
    async with store.transaction(["acme"]) as connection:
        await connection.execute("update contacts set summary = summary - 'apart'")
        await connection.execute("update barriers set at = '1970-01-01Z'")
    return True


@pytest.mark.asyncio
async def test_the_statements_go_by_index_at_size(store: Store, database: Database) -> None:
    """Prepared on empty tables, run on full ones (architecture, section 4)."""
    root = UUID(int=1)
    statements: tuple[tuple[str, tuple[Any, ...]], ...] = (
        (trees.CONTACTS, (root, "acme")),
        (trees.TENURES, (root, "acme")),
        (trees.MERGES, ([root], "acme")),
    )
    async with store.transaction(["acme"]) as connection:
        for statement, arguments in statements:
            await connection.fetch(statement, *arguments)
    admin = await asyncpg.connect(database.admin_url)
    await admin.execute("select set_config('onefold.workspaces', 'acme', false)")
    await admin.execute(
        "insert into merges (merge_id, workspace, survivor, absorbed, at, cause, tenures, absorbed_record, lost) select"
        " gen_random_uuid(), 'acme', gen_random_uuid(), gen_random_uuid(), now(), '{}', '{}', '{}', '{}' from generate_series(1, 20000)"
    )
    await admin.execute(
        "insert into contacts (workspace, contact_id, version, type, root, first_seen_at, last_seen_at, created_at, updated_at) select"
        " 'acme', id, 1, 'ghost', id, now(), now(), now(), now() from (select gen_random_uuid() as id from generate_series(1, 20000)) t"
    )
    await admin.execute(
        "insert into identifiers (tenure_id, workspace, identifier_key, contact_id, semantic_type, identifier, normalised, assurance, source,"
        " first_seen_at, last_seen_at) select i, 'acme', decode(lpad(to_hex(i), 32, '0'), 'hex'), gen_random_uuid(), 't', 'x', 'x',"
        " 1, 's', now(), now() from generate_series(1, 20000) i"
    )
    await admin.close()
    async with store.transaction(["acme"]) as connection:
        for statement, arguments in statements:
            plan = "\n".join(row[0] for row in await connection.fetch(f"explain {statement}", *arguments))
            assert "Seq Scan" not in plan, plan
