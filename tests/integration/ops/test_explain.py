"""Explanations of what lies in Postgres: they say what the heart did, at any time, and cost what the contact holds."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace as replaced

from onefold.contacts.acting import User
from onefold.contacts.merge import Wish, merge
from onefold.contacts.unmerge import unmerge
from onefold.errors import ContactNotFound
from onefold.identity.assurance import Assurance
from onefold.identity.identifiers import Identifier, identifier_key
from onefold.ops.explain.explain import Question, explain
from onefold.ops.explain.shapes import schema
from onefold.records import histories, reads
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.records.store import Store, name_workspaces
from tests.support.stories import random_story
from tests.support.worlds import EXACT, at, event

if TYPE_CHECKING:
    from datetime import datetime

    from onefold.identity.interaction import Interaction
    from tests.support.servers import Database

ASSERTED = Assurance.ASSERTED
ANN = User("ann@host", "one person after all")
OPEN = "select semantic_type, normalised, contact_id from identifiers where held_until is null"
ABSORBED = "select contact_id from contacts where merged_into is not null order by contact_id"

FULL = """
insert into merges (merge_id, workspace, survivor, absorbed, at, cause, tenures, absorbed_record, lost)
select gen_random_uuid(), 'acme', gen_random_uuid(), gen_random_uuid(), now(), '{}', '{}', '{}', '{}' from generate_series(1, 20000);
insert into contacts (workspace, contact_id, version, type, root, first_seen_at, last_seen_at, created_at, updated_at)
select 'acme', id, 1, 'ghost', id, now(), now(), now(), now() from (select gen_random_uuid() as id from generate_series(1, 20000)) t;
insert into identifiers (tenure_id, workspace, identifier_key, contact_id, semantic_type, identifier, normalised, assurance, source,
  first_seen_at, last_seen_at)
select i, 'acme', decode(lpad(to_hex(i), 32, '0'), 'hex'), gen_random_uuid(), 't', 'x', 'x', 1, 's', now(), now()
from generate_series(1, 20000) i;
insert into evidence (tenure_id, workspace, ordinal, event_id, topic, partition, "offset", at, rule, assurance)
select i, 'acme', 1, 'e', 't', 0, i, now(), 'r', 1 from generate_series(1, 60000) i;
insert into kept_apart
select 'acme', gen_random_uuid(), 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'refused', 'x', null, now() from generate_series(1, 20000);
"""


async def play(store: Store, *interactions: Interaction) -> None:
    for each in interactions:
        async with store.transaction(["acme"]) as connection:
            await Resolution(shards=4, numbers=TenureNumbers(), budget=10_000).resolve(connection, [each], {"acme": EXACT}, "test")


def identifier(text: str) -> Identifier:
    kind, _, value = text.partition(":")
    return Identifier(kind, value, value, None, identifier_key(kind, value))


def who(text: str | UUID) -> UUID | Identifier:
    return text if isinstance(text, UUID) else identifier(text)


async def explained(
    store: Store,
    asked: str | UUID,
    *,
    as_of: datetime | None = None,
    path: tuple[str, str] | None = None,
    other: str | UUID | None = None,
    workspace: str = "acme",
) -> Any:
    """An explanation, as readers of its JSON find it."""
    ends = (identifier(path[0]), identifier(path[1])) if path is not None else None
    question = Question(who(asked), as_of, ends, who(other) if other is not None else None)
    async with store.moment(seconds=60) as connection:
        await name_workspaces(connection, [workspace])
        said = msgspec.json.decode(msgspec.json.encode(await explain(connection, workspace, question)))
    Draft202012Validator(schema()).validate(said)
    return said


async def groups(store: Store) -> dict[str, set[str]]:
    """Who holds an identifier together with which others."""
    async with store.transaction(["acme"]) as connection:
        rows = await connection.fetch(OPEN)
    holders = {f"{row['semantic_type']}:{row['normalised']}": row["contact_id"] for row in rows}
    return {text: {other for other, holder in holders.items() if holder == mine} for text, mine in holders.items()}


async def merged_by_hand(store: Store, survivor: str, absorbed: str) -> None:
    sides = [UUID((await explained(store, each))["contact_id"]) for each in (survivor, absorbed)]
    async with store.transaction(["acme"]) as connection:
        await merge(connection, "acme", Wish(sides[0], sides[1], {}), ANN, shards=4)


@pytest.mark.asyncio
async def test_every_identifier_tells_its_event_with_place_rule_and_guard(store: Store) -> None:
    """R1: the token may join the known contact, the new e-mail of a claim may not, and both say which guard divided the event."""
    await play(store, event("email:a@x.io", assurance=ASSERTED, fields={"given_name": "Ann"}, event_id="e1"))
    divided = event("email:a@x.io", "anonymous_token:t", "email:b@x.io", minutes=5, event_id="e2")
    await play(store, divided)
    said = await explained(store, "email:a@x.io", path=("anonymous_token:t", "email:a@x.io"), other="email:b@x.io")
    by_text = {f"{each['semantic_type']}:{each['normalised']}": each for each in said["identifiers"]}
    (first,) = [each for each in by_text["anonymous_token:t"]["evidence"] if each["kind"] == "first"]
    assert by_text["anonymous_token:t"]["via"] == "email:a@x.io"
    assert (first["event_id"], first["rule"], first["guard"]) == ("e2", "shared_identifier", "policy")
    assert (first["topic"], first["partition"], first["offset"]) == divided.position
    assert by_text["email:a@x.io"]["evidence"][0]["guard"] is None
    assert [(each["path"], each["event_id"], each["via"]) for each in said["values"]] == [("given_name", "e1", "email:a@x.io")]
    (step,) = said["path"]["steps"]
    assert (step["one"], step["other"], step["event"]["event_id"]) == ("anonymous_token:t", "email:a@x.io", "e2")
    assert [each["code"] for each in said["apart"]["because"]] == ["proposed", "event", "policy"]


@pytest.mark.asyncio
async def test_a_guard_is_forgotten_with_the_event_that_it_held_back(store: Store) -> None:
    """The last evidence of a tenure is of another event by then."""
    await play(store, event("email:a@x.io", assurance=ASSERTED), event("email:a@x.io", "email:b@x.io", minutes=5))

    async def guard_of_the_last() -> str | None:
        (email,) = [each for each in (await explained(store, "email:a@x.io"))["identifiers"] if each["normalised"] == "a@x.io"]
        last: str | None = next(each["guard"] for each in email["evidence"] if each["kind"] == "last")
        return last

    assert await guard_of_the_last() == "policy"
    await play(store, event("email:a@x.io", minutes=10))
    assert await guard_of_the_last() is None


@pytest.mark.asyncio
async def test_a_merge_tells_what_named_both_sides_and_who_undid_it(store: Store) -> None:
    await play(store, event("email:a@x.io", "anonymous_token:a"), event("email:b@x.io", "anonymous_token:b", minutes=1))
    ben = UUID((await explained(store, "email:b@x.io"))["contact_id"])
    await play(store, event("anonymous_token:a", "email:b@x.io", minutes=5, event_id="e3"))
    said = await explained(store, ben, path=("email:a@x.io", "anonymous_token:b"))
    (redirect,) = said["redirects"]
    assert (redirect["absorbed"], redirect["survivor"]) == (str(ben), said["contact_id"])
    (merged,) = said["merges"]
    assert sorted(merged["through"]) == ["anonymous_token:a", "email:b@x.io"]
    assert (merged["cause"]["event_id"], merged["identifiers"], merged["undone"]) == ("e3", 2, None)
    assert [step["merge_id"] for step in said["path"]["steps"]] == [None, merged["merge_id"], None]
    async with store.transaction(["acme"]) as connection:
        await unmerge(connection, "acme", ben, ANN, shards=4)
    for side, other in (("email:a@x.io", "email:b@x.io"), ("email:b@x.io", "email:a@x.io")):
        said = await explained(store, side, other=other)
        assert (said["merges"], said["redirects"]) == ([], [])
        assert [each["undone"]["actor"] for each in said["undone"]] == ["ann@host"]
        assert said["apart"]["because"][0]["code"] == "kept_apart"
        assert said["apart"]["because"][0]["facts"]["reason"] == "one person after all"
    then = await explained(store, ben, as_of=at(6))
    assert (len(then["identifiers"]), len(then["merges"]), then["type"]) == (4, 1, None)
    assert (await explained(store, "email:a@x.io", as_of=at(6), other="email:b@x.io"))["apart"]["because"][0]["code"] == "one_contact"


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(3))
async def test_any_moment_is_explained_as_it_was(store: Store, seed: int) -> None:
    """As in memory (`tests/unit/ops/explain/test_standing.py`), from rows; what a user undid just now counts from now on."""
    dice, moments = random.Random(seed), []
    for number, each in enumerate(random_story(seed, length=40)):
        await play(store, replaced(each, at=at(number * 10), appended_at=at(number * 10)))
        if number % 8 == 0:
            moments.append((at(number * 10 + 6), await groups(store)))
    async with store.transaction(["acme"]) as connection:
        absorbed = [row["contact_id"] for row in await connection.fetch(ABSORBED)]
        for contact_id in dice.sample(absorbed, len(absorbed) // 2):
            await unmerge(connection, "acme", contact_id, ANN, shards=4)
    for moment, known in [*moments, (None, await groups(store))]:
        for text, expected in known.items():
            said = await explained(store, text, as_of=moment)
            held = {f"{one['semantic_type']}:{one['normalised']}" for one in said["identifiers"] if one["until"] is None}
            assert held == expected


@pytest.mark.asyncio
async def test_a_merge_by_a_person_is_part_of_a_path(store: Store) -> None:
    await play(store, event("user_id:1", assurance=ASSERTED), event("user_id:2", minutes=1, assurance=ASSERTED))
    await merged_by_hand(store, "user_id:1", "user_id:2")
    said = await explained(store, "user_id:2", path=("user_id:1", "user_id:2"))
    assert [step["merge_id"] for step in said["path"]["steps"]] == [said["merges"][0]["merge_id"]]
    assert (said["merges"][0]["cause"]["actor"], said["merges"][0]["through"]) == ("ann@host", None)


@pytest.mark.asyncio
async def test_who_is_not_there_is_not_explained(store: Store) -> None:
    """S90: nor is whoever is in another workspace."""
    await play(store, event("email:a@x.io", minutes=10))
    ann = UUID((await explained(store, "email:a@x.io"))["contact_id"])
    for asked in (uuid4(), "email:nobody@x.io"):
        with pytest.raises(ContactNotFound):
            await explained(store, asked)
    for asked in (ann, "email:a@x.io"):
        with pytest.raises(ContactNotFound):
            await explained(store, asked, workspace="other")
        with pytest.raises(ContactNotFound):
            await explained(store, asked, as_of=at(5))
    with pytest.raises(ContactNotFound, match="no identifier of"):
        await explained(store, ann, path=("email:a@x.io", "email:b@x.io"))


@pytest.mark.asyncio
async def test_of_identifiers_that_ended_the_newest_are_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device may change hands any number of times."""
    monkeypatch.setattr(histories, "MOST_ENDED", 2)
    for number in range(8):
        await play(store, event(f"user_id:u{number % 2}", "device_id:d", minutes=number, assurance=ASSERTED))
    said = await explained(store, "user_id:u0")
    assert said["is_cut"] is True
    assert [each["semantic_type"] for each in said["identifiers"]] == ["user_id", "device_id", "device_id"]
    assert said["identifiers"][-1]["since"] == f"{at(6):%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.asyncio
async def test_the_statements_go_by_index_at_size(store: Store, database: Database) -> None:
    """Prepared on empty tables, run on full ones (architecture, section 4)."""
    ids, key = [UUID(int=number) for number in range(20)], bytes(16)
    statements: tuple[tuple[str, tuple[Any, ...]], ...] = (
        (histories.CONTACT, (ids[0], "acme")),
        (histories.ROOTS, (ids, "acme")),
        (histories.TREES, (ids, "acme")),
        (histories.TENURES, (ids, "acme", 1_000)),
        (histories.HOLDERS, (key, "acme", at(0))),
        (histories.MERGES, (ids, "acme")),
        (histories.PAIRS, (ids, ids, "acme")),
        (reads.EVIDENCE, (list(range(1, 1_001)), "acme")),
    )
    async with store.transaction(["acme"]) as connection:
        for statement, arguments in statements:
            await connection.fetch(statement, *arguments)
    admin = await asyncpg.connect(database.admin_url)
    await admin.execute("select set_config('onefold.workspaces', 'acme', false)")
    await admin.execute(FULL)
    await admin.close()
    async with store.transaction(["acme"]) as connection:
        for statement, arguments in statements:
            plan = "\n".join(row[0] for row in await connection.fetch(f"explain {statement}", *arguments))
            assert "Seq Scan" not in plan, plan
            assert "timeline" not in plan, "what a contact did costs nothing"
