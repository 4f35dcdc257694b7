"""Contacts and identifiers by hand, on real Postgres: versions, changes, who said so, races, and what deleting twice leaves (R17, R19)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from onefold.contacts.acting import User
from onefold.contacts.create import Draft, create
from onefold.contacts.delete import delete
from onefold.contacts.identifiers import Amendment, Raw, add, amend, remove
from onefold.errors import ContactErased, ContactNotFound, IdentifierHeld, IdentifierNotFound, InvalidMessage, NotArchived, VersionConflict
from onefold.identity.assurance import Assurance
from onefold.identity.holding import Label
from onefold.identity.identifiers import identifier_key
from onefold.messages.contacts import ContactChange
from onefold.records.apply import apply
from onefold.records.numbers import TenureNumbers
from onefold.records.reads import load_record
from onefold.records.resolution import Resolution
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.identity.identifiers import IdentifierKey
    from onefold.records.reads import ContactRecord
    from onefold.records.store import Store

SHARDS = 4
BEA = User("bea@desk", "a test")
KEY = User("user:robot", "a test", kind="api")
ANN = "ann@example.com"
NAMES = {"given_name": "Ann", "last_name": "Lee"}


def key(text: str, kind: str = "email") -> IdentifierKey:
    return identifier_key(kind, text)


async def made(store: Store, *emails: str, user: User = BEA, workspace: str = "acme") -> UUID:
    draft = Draft([Raw("email", each) for each in emails], NAMES)
    async with store.transaction([workspace]) as connection:
        return (await create(connection, workspace, draft, user, numbers=TenureNumbers(), shards=SHARDS)).contact_id


async def record(store: Store, who: UUID) -> ContactRecord:
    async with store.transaction(["acme"]) as connection:
        found = await load_record(connection, ["acme"], who)
    assert found is not None
    return found


async def told(store: Store) -> list[ContactChange]:
    async with store.connection() as connection:
        rows = await connection.fetch("select payload from outbox where payload is not null order by id")
    return [msgspec.json.decode(row["payload"], type=ContactChange) for row in rows]


@pytest.mark.asyncio
async def test_a_contact_by_hand_is_version_1_and_says_who_made_it(store: Store) -> None:
    """Product.md, section 6; I7."""
    who = await made(store, ANN, "ann@work.io")
    (change,) = await told(store)
    assert change.contact is not None
    assert (change.contact_id, change.version, change.contact.type, change.contact.email) == (who, 1, "lead", ANN)
    assert (change.cause.kind, change.cause.rule, change.cause.actor) == ("user", "decided", "bea@desk")
    found = await record(store, who)
    first = [found.evidence[each.tenure_id][0] for each in found.tenures]
    assert [(each.kind, each.topic, each.rule, each.actor) for each in first] == [("first", "", "decided", "bea@desk")] * 2
    assert [(each.source, each.assurance) for each in found.tenures] == [("manual", Assurance.DECIDED)] * 2


@pytest.mark.asyncio
async def test_software_is_told_apart_from_people(store: Store) -> None:
    found = await record(store, await made(store, ANN, user=KEY))
    assert [(each.source, each.assurance) for each in found.tenures] == [("api", Assurance.ASSERTED)]
    assert [each.cause.kind for each in await told(store)] == ["api"]


@pytest.mark.asyncio
async def test_what_identifies_nobody_is_refused_with_its_reason(store: Store) -> None:
    """Product.md, section 3; R20, R21."""
    cases = {
        ("email", "null"): "identifier_placeholder",
        ("email", "ann-at-example"): "identifier_invalid",
        ("phone", "0301234"): "identifier_invalid",
        ("pigeon", "by-the-window"): "identifier_unknown_type",
        ("email", "x" * 2_000 + "@example.com"): "identifier_invalid",
    }
    for (kind, value), code in cases.items():
        async with store.transaction(["acme"]) as connection:
            with pytest.raises(InvalidMessage) as refused:
                await create(connection, "acme", Draft([Raw(kind, value)]), BEA, numbers=TenureNumbers(), shards=SHARDS)
        assert refused.value.code == code
        assert value == "null" or value not in str(refused.value), "no identifier's value in a message that may be logged"
    assert await told(store) == []


@pytest.mark.asyncio
async def test_every_change_of_an_identifier_is_kept(store: Store) -> None:
    """Label, outreach, spelling, value and removal; one version each."""
    who, numbers = await made(store, ANN), TenureNumbers()
    async with store.transaction(["acme"]) as connection:
        await add(connection, "acme", who, [Raw("email", "Ann@Work.io", "work")], BEA, numbers=numbers, shards=SHARDS)
    for wanted in (
        Amendment(Label("main", takes_over=True), outreach=False),
        Amendment(value="ann@WORK.io"),
        Amendment(value="ann@new.io"),
    ):
        async with store.transaction(["acme"]) as connection:
            await amend(connection, "acme", who, key("ann@work.io"), wanted, BEA, numbers=numbers, shards=SHARDS)
        found = await record(store, who)
        open_ones = {each.normalised: each for each in found.tenures if each.is_open}
        assert open_ones[ANN].slug is None
        present = open_ones.get("ann@work.io") or open_ones["ann@new.io"]
        assert (present.slug, present.outreach) == ("main", False)
        assert present.identifier == (wanted.value or "Ann@Work.io")
    async with store.transaction(["acme"]) as connection:
        await remove(connection, "acme", who, key("ann@new.io"), BEA, shards=SHARDS)
    assert [each.version for each in await told(store)] == [1, 2, 3, 4, 5, 6]
    found = await record(store, who)
    assert ([(each.normalised, each.slug) for each in found.tenures if each.is_open], found.contact.email) == ([(ANN, "main")], ANN)


@pytest.mark.asyncio
async def test_a_preview_takes_nothing_and_a_stale_version_is_told(store: Store) -> None:
    who, numbers = await made(store, ANN), TenureNumbers()
    async with store.transaction(["acme"]) as connection:
        assert (await add(connection, "acme", who, [Raw("phone", "+4930123456")], BEA, numbers=numbers)).plan.changes
        assert (await remove(connection, "acme", who, key(ANN), BEA)).plan.changes
        with pytest.raises(VersionConflict):
            await remove(connection, "acme", who, key(ANN), BEA, if_version=7, shards=SHARDS)
        with pytest.raises(IdentifierNotFound):
            await remove(connection, "acme", who, key("eve@example.com"), BEA, shards=SHARDS)
    assert len(await told(store)) == 1


@pytest.mark.asyncio
async def test_another_workspace_has_identifiers_of_its_own(store: Store) -> None:
    """S94."""
    who = await made(store, ANN)
    assert await made(store, ANN, workspace="other") != who
    async with store.transaction(["other"]) as connection:
        with pytest.raises(ContactNotFound):
            await add(connection, "other", who, [Raw("phone", "+4930123456")], BEA, numbers=TenureNumbers(), shards=SHARDS)


@pytest.mark.asyncio
async def test_of_a_person_and_an_event_that_make_the_same_at_once_one_begins_anew(store: Store) -> None:
    """I3: a unique violation is a race; begun anew, whoever lost it sees the holder."""
    resolution = Resolution(shards=SHARDS, numbers=TenureNumbers(), budget=10_000)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with store.transaction(["acme"]) as mine:
            planned = await create(mine, "acme", Draft([Raw("email", ANN)], NAMES), BEA, numbers=TenureNumbers())
            async with store.transaction(["acme"]) as other:
                await resolution.resolve(other, [event(f"email:{ANN}")], {"acme": EXACT}, "test")
            await apply(mine, planned.plan, shards=SHARDS, incarnation="test")
    async with store.transaction(["acme"]) as connection:
        with pytest.raises(IdentifierHeld) as refused:
            await create(connection, "acme", Draft([Raw("email", ANN)], NAMES), BEA, numbers=TenureNumbers(), shards=SHARDS)
    assert (await record(store, refused.value.holder)).contact.type == "ghost"  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_the_first_delete_archives_and_the_second_destroys(store: Store) -> None:
    """Decision 0036: what erasing takes, under a word of its own; the id leads nowhere, and older events bring nobody back."""
    who = await made(store, ANN)
    async with store.transaction(["acme"]) as connection:
        with pytest.raises(NotArchived):
            await delete(connection, "acme", who, BEA, if_archived=True, shards=SHARDS)
        await delete(connection, "acme", who, BEA, shards=SHARDS)
    assert (await record(store, who)).contact.archived_at is not None
    async with store.transaction(["acme"]) as connection:
        with pytest.raises(NotArchived):
            await delete(connection, "acme", who, BEA, if_archived=False, shards=SHARDS)
        with pytest.raises(VersionConflict):
            await delete(connection, "acme", who, BEA, if_version=1, shards=SHARDS)
        await delete(connection, "acme", who, BEA, if_version=2, shards=SHARDS)
    with pytest.raises(ContactErased):
        await record(store, who)
    last = (await told(store))[-1]
    assert (last.version, last.cause.rule, last.contact) == (3, "destroyed", None)
    async with store.connection() as connection:
        assert await connection.fetchval("select count(*) from outbox where payload is null") == 1, "a tombstone"
    resolution = Resolution(shards=SHARDS, numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        plan = await resolution.resolve(connection, [event(f"email:{ANN}")], {"acme": EXACT}, "test")
    assert [each.contact_id for each in plan.outcomes] == [None], "the event is from before"


@pytest.mark.asyncio
async def test_who_is_not_there_is_not_deleted(store: Store) -> None:
    async with store.transaction(["acme"]) as connection:
        with pytest.raises(ContactNotFound):
            await delete(connection, "acme", uuid4(), BEA, shards=SHARDS)
