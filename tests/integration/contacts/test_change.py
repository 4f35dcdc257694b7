"""What a user decides of one contact, on real Postgres: a version, a change, a lock; and segments that follow (R19)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec
import pytest

from onefold.contacts.acting import User
from onefold.contacts.change import Edit, archive, edit, validate
from onefold.errors import ContactNotFound, InvalidMessage, VersionConflict
from onefold.identity.assurance import Assurance
from onefold.identity.identifiers import Identifier, identifier_key
from onefold.messages.contacts import ContactChange
from onefold.records.numbers import TenureNumbers
from onefold.records.reads import load_record
from onefold.records.resolution import Resolution
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.identity.contact import Contact
    from onefold.records.store import Store

SHARDS = 4
BEA = User("bea@desk", "a test")
ANN = Identifier("email", "ann@example.com", "ann@example.com", None, identifier_key("email", "ann@example.com"))
PLAN = "attributes.unbound.plan"


async def lead(store: Store) -> UUID:
    resolution = Resolution(shards=SHARDS, numbers=TenureNumbers(), budget=10_000)
    made = event("email:ann@example.com", fields={"given_name": "Ann", "last_name": "Lee"}, assurance=Assurance.ASSERTED)
    async with store.transaction(["acme"]) as connection:
        plan = await resolution.resolve(connection, [made], {"acme": EXACT}, "test")
    contact_id = plan.outcomes[0].contact_id
    assert contact_id is not None
    return contact_id


async def present(store: Store, who: UUID) -> Contact:
    async with store.transaction(["acme"]) as connection:
        record = await load_record(connection, ["acme"], who)
    assert record is not None
    return record.contact


async def told(store: Store) -> list[ContactChange]:
    async with store.connection() as connection:
        rows = await connection.fetch("select payload from outbox order by id")
    return [msgspec.json.decode(row["payload"], type=ContactChange) for row in rows]


@pytest.mark.asyncio
async def test_each_act_is_a_version_that_is_told_with_who_did_it(store: Store) -> None:
    """I7: edited, validated, archived, restored; in one transaction each."""
    who = await lead(store)
    async with store.transaction(["acme"]) as connection:
        await edit(
            connection, "acme", who, Edit({"given_name": " Anna ", PLAN: {"n\0": 1e21}}, is_vendor=False, if_version=1), BEA, shards=SHARDS
        )
    async with store.transaction(["acme"]) as connection:
        await validate(connection, "acme", ANN, BEA, shards=SHARDS)
    for what in ("archive", "restore"):
        async with store.transaction(["acme"]) as connection:
            await archive(connection, "acme", who, what, BEA, shards=SHARDS)
    changes = await told(store)
    assert [(each.version, each.cause.kind, each.cause.actor) for each in changes[1:]] == [(n, "user", "bea@desk") for n in range(2, 6)]
    assert [sorted(each.changes) for each in changes[1:]] == [
        [PLAN, "given_name"],
        ["identifiers", "type"],
        ["archived_at"],
        ["archived_at"],
    ]
    contact = await present(store, who)
    assert (contact.given_name, contact.type, contact.archived_at) == ("Anna", "contact", None)
    assert contact.attributes["unbound"]["plan"] == {"n\ufffd": 10**21}, "as Postgres gives it back (R22)"


@pytest.mark.asyncio
async def test_previews_and_what_changes_nothing_write_nothing(store: Store) -> None:
    who = await lead(store)
    async with store.transaction(["acme"]) as connection:
        assert (await edit(connection, "acme", who, Edit({"given_name": "Eve"}), BEA)).plan.changes
        assert (await validate(connection, "acme", ANN, BEA)).plan.changes
        assert (await archive(connection, "acme", who, "archive", BEA)).plan.changes
        await archive(connection, "acme", who, "restore", BEA, shards=SHARDS)
    assert len(await told(store)) == 1
    assert (await present(store, who)).version == 1


@pytest.mark.asyncio
async def test_who_looked_at_an_older_version_is_told_so(store: Store) -> None:
    """F55: of two at once the second one looks again."""
    who = await lead(store)
    async with store.transaction(["acme"]) as connection:
        await edit(connection, "acme", who, Edit({"given_name": "Eve"}, if_version=1), BEA, shards=SHARDS)
        with pytest.raises(VersionConflict, match="at version 2 by now, not at 1"):
            await edit(connection, "acme", who, Edit({"given_name": "Eva"}, if_version=1), BEA, shards=SHARDS)


@pytest.mark.asyncio
async def test_what_cannot_be_set_is_refused_by_its_name(store: Store) -> None:
    """Product.md, section 2: what is derived is read-only."""
    who = await lead(store)
    async with store.transaction(["acme"]) as connection:
        for path in ("type", "email", "version", "attributes.plan", "attributes.unbound.", "consent.newsletter", "given_name.x"):
            with pytest.raises(InvalidMessage, match="nothing that can be set"):
                await edit(connection, "acme", who, Edit({path: "x"}), BEA, shards=SHARDS)
        for name in ("", " ", 7, "x" * 201):
            with pytest.raises(InvalidMessage, match="takes text"):
                await edit(connection, "acme", who, Edit({"last_name": name}), BEA, shards=SHARDS)


@pytest.mark.asyncio
async def test_nobody_and_other_workspaces_are_not_found(store: Store) -> None:
    """S94."""
    who = await lead(store)
    async with store.transaction(["other"]) as connection:
        with pytest.raises(ContactNotFound):
            await edit(connection, "other", who, Edit({"given_name": "Eve"}), BEA, shards=SHARDS)
        with pytest.raises(ContactNotFound, match="nobody in workspace other"):
            await validate(connection, "other", ANN, BEA, shards=SHARDS)
        with pytest.raises(ContactNotFound):
            await archive(connection, "other", uuid4(), "archive", BEA, shards=SHARDS)
