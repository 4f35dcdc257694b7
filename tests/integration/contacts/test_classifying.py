"""What users hang on a contact, on real Postgres: stored, told, found by lists, and gone with whom it hung on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pytest
import pytest_asyncio

from onefold.contacts import acting
from onefold.contacts.acting import User
from onefold.contacts.merge import Wish, merge
from onefold.contacts.unmerge import unmerge
from onefold.identity import decided
from onefold.identity.classification import Classification, Related, Stage
from onefold.messages.contacts import ContactChange
from onefold.records.numbers import TenureNumbers
from onefold.records.reads import find_holder, load_record
from onefold.records.resolution import Resolution
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from onefold.records.store import Connection, Store

pytestmark = pytest.mark.policy("eager")
SHARDS = 4
ANN = User("user:ann", "as they asked")
WANTED = Classification(
    profiles=("customer",),
    owners=("u1",),
    workflows={"sales": Stage("won", datetime(2026, 11, 1, 9, 30, 0, 123456, UTC), ("called",))},
    to_one={"boss": Related("7d0e", {"share": 0.5})},
    to_many={"friends": (Related("1"), Related("2"))},
)
LINKS = "select kind || '=' || value from links where object_id = $1 and object_type = 'contacts' order by 1"
TOLD = "select payload from outbox where key = $1 order by id desc limit 1"


@pytest_asyncio.fixture
async def store(store: Store) -> Store:
    resolution = Resolution(shards=SHARDS, numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        seen = [event("email:ann@example.com"), event("email:ben@example.com", minutes=1)]
        await resolution.resolve(connection, seen, {"acme": EXACT}, "test")
    return store


async def holder(connection: Connection, email: str) -> UUID:
    found = await find_holder(connection, ["acme"], "email", email)
    assert found is not None
    return found[1]


async def classify(connection: Connection, contact_id: UUID, wanted: Classification, tags: Sequence[str]) -> None:
    snapshot, contact = await acting.one_contact(connection, "acme", contact_id, will_write=True)
    plan = decided.classify(snapshot, contact, wanted, await acting.begin(connection, ANN), tags=tags)
    await acting.write(connection, plan, SHARDS, ANN)


async def links(connection: Connection, contact_id: UUID) -> list[str]:
    return [row[0] for row in await connection.fetch(LINKS, contact_id)]


@pytest.mark.asyncio
async def test_what_is_written_is_read_again_and_lists_find_it(store: Store) -> None:
    """The row gives back what was decided, to the microsecond, and each value is a link for lists."""
    async with store.transaction(["acme"]) as connection:
        ann = await holder(connection, "ann@example.com")
        await classify(connection, ann, WANTED, ["vip", "news"])
        record = await load_record(connection, ["acme"], ann)
        assert record is not None
        assert record.contact.classification == WANTED
        assert record.contact.tags == ["news", "vip"]
        assert await links(connection, ann) == [
            "owner=u1",
            "profile=customer",
            "relationship:boss=7d0e",
            "relationship:friends=1",
            "relationship:friends=2",
            "step=sales/won",
            "tag=news",
            "tag=vip",
            "workflow=sales",
        ]
        await classify(connection, ann, Classification(followers=("u2",)), [])
        assert await links(connection, ann) == ["follower=u2"]


@pytest.mark.asyncio
async def test_a_change_tells_what_differs_and_the_whole(store: Store) -> None:
    """I7: by slug what differs, and a snapshot with all of it."""
    async with store.transaction(["acme"]) as connection:
        ann = await holder(connection, "ann@example.com")
        await classify(connection, ann, WANTED, ["vip"])
    async with store.connection() as connection:
        change = msgspec.json.decode(await connection.fetchval(TOLD, str(ann).encode()), type=ContactChange)
    assert set(change.changes) == {"profiles", "owners", "workflows.sales", "relationships.boss", "relationships.friends", "tags"}
    assert change.contact is not None
    assert change.contact.workflows["sales"].step == "won"
    assert [each.id for each in change.contact.relationships["friends"]] == ["1", "2"]


@pytest.mark.asyncio
async def test_an_absorbed_contact_is_found_by_no_list_until_it_is_back(store: Store) -> None:
    """Its links are the survivor's; an unmerge gives them back, and takes them from where they were."""
    async with store.transaction(["acme"]) as connection:
        ann, ben = [await holder(connection, email) for email in ("ann@example.com", "ben@example.com")]
        await classify(connection, ann, Classification(), ["vip"])
        await classify(connection, ben, Classification(followers=("u2",)), ["news"])
        await merge(connection, "acme", Wish(ann, ben, {}), ANN, shards=SHARDS)
        assert await links(connection, ben) == []
        assert await links(connection, ann) == ["follower=u2", "tag=news", "tag=vip"]
    async with store.transaction(["acme"]) as connection:
        await unmerge(connection, "acme", ben, ANN, shards=SHARDS)
        assert await links(connection, ben) == ["follower=u2", "tag=news"]
        assert await links(connection, ann) == ["tag=vip"]
