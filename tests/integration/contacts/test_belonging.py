"""Whom contacts belong to, on real Postgres: joined by hand and by events, and called what their organization is called."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import msgspec
import pytest
from msgspec.structs import replace

from onefold import failpoints
from onefold.contacts.acting import User
from onefold.contacts.change import Edit, edit
from onefold.contacts.merge import Wish, merge
from onefold.contacts.unmerge import unmerge
from onefold.errors import OrganizationInUse, OrganizationNotFound, OrganizationRefused
from onefold.identity.assurance import Assurance
from onefold.messages.contacts import ContactChange
from onefold.records import organizations as records
from onefold.records.numbers import TenureNumbers
from onefold.records.reads import find_holder, load_record
from onefold.records.resolution import Resolution
from onefold.records.store import Moved, Store
from onefold.workspace import organizations
from onefold.workspace.organizations import Edit as OrganizationEdit
from onefold.workspace.organizations import New
from tests.support.working import SHARDS, carry_out
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.identity.interaction import Interaction
    from onefold.records.organizations import Organization
    from onefold.records.store import Connection

pytestmark = pytest.mark.policy("eager")
ANN = User("user:ann", "as they asked")
TOLD = "select payload from outbox where key = $1 order by id"


async def resolve(store: Store, *interactions: Interaction) -> None:
    resolution = Resolution(shards=SHARDS, numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        await resolution.resolve(connection, interactions, {"acme": EXACT}, "test")


def grouped(identifier: str, slug: str, minutes: float, assurance: Assurance = Assurance.ASSERTED) -> Interaction:
    return replace(event(identifier, minutes=minutes, assurance=assurance), group=slug)


async def made(store: Store, *titles: str) -> Sequence[Organization]:
    async with store.transaction(["acme"]) as connection:
        return [await organizations.create(connection, "acme", New(title)) for title in titles]


async def holder(connection: Connection, name: str) -> UUID:
    found = await find_holder(connection, ["acme"], "email", f"{name}@example.com")
    assert found is not None
    return found[1]


async def belongs(store: Store, name: str) -> str | None:
    async with store.transaction(["acme"]) as connection:
        record = await load_record(connection, ["acme"], await holder(connection, name))
    assert record is not None
    return record.contact.organization_name


async def put(connection: Connection, contact_id: UUID, organization_id: UUID | None) -> None:
    await edit(connection, "acme", contact_id, Edit({"organization_id": organization_id}), ANN, shards=SHARDS)


async def rename(store: Store, organization: Organization, title: str) -> None:
    async with store.transaction(["acme"]) as connection:
        await organizations.edit(connection, "acme", organization.organization_id, OrganizationEdit(title), "user:ann")


async def versions(store: Store, contact_id: UUID) -> list[ContactChange]:
    async with store.connection() as connection:
        rows = await connection.fetch(TOLD, str(contact_id).encode())
    return [msgspec.json.decode(row[0], type=ContactChange) for row in rows]


@pytest.mark.asyncio
async def test_a_contact_joins_and_leaves_by_an_edit(store: Store) -> None:
    """One version each; an organization that is archived or not there takes nobody."""
    (mill, gone) = await made(store, "Mill", "Gone")
    await resolve(store, event("email:ann@example.com"))
    async with store.transaction(["acme"]) as connection:
        ann = await holder(connection, "ann")
        await put(connection, ann, mill.organization_id)
        await organizations.archive(connection, "acme", gone.organization_id)
        with pytest.raises(OrganizationRefused):
            await put(connection, ann, gone.organization_id)
        with pytest.raises(OrganizationNotFound):
            await put(connection, ann, uuid4())
    assert await belongs(store, "ann") == "Mill"
    async with store.transaction(["acme"]) as connection:
        await put(connection, ann, None)
    assert [set(each.changes) for each in await versions(store, ann)][1:] == [{"organization_id", "organization_name"}] * 2
    assert await belongs(store, "ann") is None


@pytest.mark.asyncio
async def test_a_group_call_joins_by_slug_and_an_unknown_one_creates_nothing(store: Store) -> None:
    """Product.md, section 5; nor does a claim change one that is set, nor anybody join what is archived."""
    _, forge = await made(store, "Mill", "Forge")
    async with store.transaction(["acme"]) as connection:
        await organizations.archive(connection, "acme", forge.organization_id)
    await resolve(store, grouped("email:ann@example.com", "unknown", 1), grouped("email:ben@example.com", "forge", 1))
    assert [await belongs(store, "ann"), await belongs(store, "ben")] == [None, None]
    await resolve(store, grouped("email:ann@example.com", "mill", 2))
    async with store.transaction(["acme"]) as connection:
        await organizations.restore(connection, "acme", forge.organization_id)
        assert await connection.fetchval("select count(*) from organizations") == 2
    await resolve(store, grouped("email:ann@example.com", "forge", 3, Assurance.CLAIMED))
    assert await belongs(store, "ann") == "Mill"
    await resolve(store, grouped("email:ann@example.com", "forge", 4))
    assert await belongs(store, "ann") == "Forge"


@pytest.mark.asyncio
async def test_a_rename_is_told_of_every_contact_as_a_version(store: Store) -> None:
    """I7: one version and one change each, none for whoever belongs elsewhere; the row says what was told last."""
    mill, _ = await made(store, "Mill", "Forge")
    names = [f"c{number}" for number in range(1_203)]
    await resolve(store, *(grouped(f"email:{name}@example.com", "mill", 1) for name in names), grouped("email:ben@example.com", "forge", 1))
    await rename(store, mill, "Acme Mill")
    await rename(store, mill, "Acme Mills")
    ended = await carry_out(store)
    assert [each.state for each in ended] == ["done", "done"]
    assert sum(each.progress["rewritten"] for each in ended) == len(names)
    async with store.transaction(["acme"]) as connection:
        rows = await connection.fetch("select organization_name, version from contacts where organization_id = $1", mill.organization_id)
        assert {tuple(row) for row in rows} == {("Acme Mills", 2)}
        ann = await holder(connection, "c7")
    last = (await versions(store, ann))[-1]
    assert (last.version, last.changes) == (2, {"organization_name": ("Mill", "Acme Mills")})
    assert (last.cause.kind, last.cause.rule, last.cause.actor) == ("user", "renamed", "user:ann")
    assert last.contact is not None
    assert last.contact.organization_name == "Acme Mills"
    assert await belongs(store, "ben") == "Forge"


@pytest.mark.asyncio
async def test_whoever_joins_while_it_is_renamed_shows_the_new_title(store: Store) -> None:
    """The one waits for the other: a contact that joins holds the organization's row."""
    (mill,) = await made(store, "Mill")
    await resolve(store, event("email:ann@example.com"))
    held = asyncio.Event()

    async def join() -> None:
        async with store.transaction(["acme"]) as connection:
            await put(connection, await holder(connection, "ann"), mill.organization_id)
            held.set()
            await asyncio.sleep(0.2)

    joining = asyncio.create_task(join())
    await held.wait()
    await rename(store, mill, "New")
    await joining
    await carry_out(store)
    assert await belongs(store, "ann") == "New"


@pytest.mark.asyncio
async def test_whoever_joins_while_it_is_destroyed_keeps_it(store: Store) -> None:
    """The count is of everybody who joined, whatever was under way."""
    (mill,) = await made(store, "Mill")
    await resolve(store, event("email:ann@example.com"))
    async with store.transaction(["acme"]) as connection:
        await put(connection, await holder(connection, "ann"), mill.organization_id)
        await organizations.archive(connection, "acme", mill.organization_id)
        await put(connection, await holder(connection, "ann"), None)
    held = asyncio.Event()

    async def restore_and_join() -> None:
        async with store.transaction(["acme"]) as connection:
            await records.hold(connection, "acme", [mill.organization_id])
            held.set()
            await asyncio.sleep(0.2)
            await connection.execute(
                "update contacts set organization_id = $1, organization_name = 'Mill' where contact_id = $2",
                mill.organization_id,
                await holder(connection, "ann"),
            )

    joining = asyncio.create_task(restore_and_join())
    await held.wait()
    with pytest.raises(OrganizationInUse):
        async with store.transaction(["acme"]) as connection:
            await organizations.destroy(connection, "acme", mill.organization_id)
    await joining


@pytest.mark.asyncio
async def test_an_event_that_read_the_old_title_begins_anew(store: Store) -> None:
    """An organization that was renamed between reading and writing: the resolver rolls back and repeats."""
    (mill,) = await made(store, "Mill")
    await resolve(store, event("email:ann@example.com"))

    async def another_title() -> None:
        failpoints.disarm()
        await rename(store, mill, "New")

    failpoints.arm("resolver.read", another_title)
    with pytest.raises(Moved):
        await resolve(store, grouped("email:ann@example.com", "mill", 2))
    await resolve(store, grouped("email:ann@example.com", "mill", 2))
    assert await belongs(store, "ann") == "New"


@pytest.mark.asyncio
async def test_an_unmerge_brings_no_old_title_back_and_no_organization_that_is_gone(store: Store) -> None:
    """What lies in the merge record is as it was then; what the contact shows is as it is now."""
    mill, forge = await made(store, "Mill", "Forge")
    people = [("ann", "mill"), ("ben", "mill"), ("cid", "mill"), ("dot", "forge")]
    await resolve(store, *(grouped(f"email:{name}@example.com", slug, 1) for name, slug in people))
    async with store.transaction(["acme"]) as connection:
        ann, ben, cid, dot = [await holder(connection, name) for name, _ in people]
        await merge(connection, "acme", Wish(ann, ben, {}), ANN, shards=SHARDS)
        await merge(connection, "acme", Wish(cid, dot, {}), ANN, shards=SHARDS)
        await put(connection, cid, mill.organization_id)
    await rename(store, mill, "New")
    await carry_out(store)
    async with store.transaction(["acme"]) as connection:
        await organizations.archive(connection, "acme", forge.organization_id)
        await organizations.destroy(connection, "acme", forge.organization_id)
        await unmerge(connection, "acme", ben, ANN, shards=SHARDS)
        await unmerge(connection, "acme", dot, ANN, shards=SHARDS)
    assert [await belongs(store, name) for name, _ in people] == ["New", "New", "New", None]
