"""What the second reading does not read again has not changed: whoever writes a contact's identifiers writes the contact's row too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import pytest_asyncio

from onefold.contacts.acting import User
from onefold.contacts.merge import Wish, merge
from onefold.contacts.unmerge import unmerge
from onefold.identity.assurance import Assurance
from onefold.identity.identifiers import identifier_key
from onefold.records import quarantine, snapshots
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.records.store import Store
from tests.support.workspaces import add_workspace
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from onefold.identity.interaction import Interaction
    from onefold.records.store import Connection
    from tests.support.servers import Database

USER = User("ann@host", None)
ASSERTED, PROVED = Assurance.ASSERTED, Assurance.PROVED
RULES = {"acme": replace(EXACT, limits=replace(EXACT.limits, contacts_per_value_day=2))}
TABLET, ANN, BEN, SHARED = "anonymous_token:tablet", "user_id:ann", "user_id:ben", "phone:+4915112345678"
LISTED = """
select c.contact_id, c.xmin::text as written_by,
  (select array_agg(i::text order by i.tenure_id) from identifiers i where i.contact_id = c.contact_id and i.held_until is null) as listed
from contacts c
"""

STORY = {
    "a second identifier": event(ANN, "email:ann@example.com", assurance=ASSERTED, minutes=1),
    "a device": event(ANN, TABLET, assurance=ASSERTED, minutes=2),
    "the last use of a device": event(ANN, TABLET, assurance=ASSERTED, minutes=3),
    "a proof": event(ANN, "email:ann@example.com", assurance=PROVED, proof="email:ann@example.com", minutes=4),
    "a hand-over": event(BEN, TABLET, assurance=ASSERTED, minutes=5),
    "a claim": event("anonymous_token:stranger", "email:ben@example.com", minutes=6),
    "an eviction": event(TABLET, "email:ben@example.com", assurance=PROVED, proof="email:ben@example.com", minutes=7),
    "a merge by an event": event(ANN, "anonymous_token:stranger", assurance=ASSERTED, minutes=8),
    "a value that joins": event("email:eve@example.com", SHARED, assurance=ASSERTED, minutes=9),
}


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    store = await Store.connect(database.app_url)
    await add_workspace(store, "acme")
    yield store
    await store.close()


async def play(store: Store, *interactions: Interaction) -> None:
    resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        await resolution.resolve(connection, interactions, RULES, "test")


async def listings(connection: Connection) -> dict[UUID, tuple[str, Any]]:
    """By contact: which transaction wrote its row, and what it lists."""
    return {row["contact_id"]: (row["written_by"], row["listed"]) for row in await connection.fetch(LISTED)}


async def holder(store: Store, identifier: str) -> UUID:
    async with store.transaction(["acme"]) as connection:
        key = identifier_key(*identifier.split(":", 1))
        found = await connection.fetchval("select contact_id from identifiers where identifier_key = $1 and held_until is null", key)
        assert isinstance(found, UUID)
        return found


class Watch:
    """Holds that each act changed what somebody lists, and wrote the row of whoever lists something else now."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._before: dict[UUID, tuple[str, Any]] = {}

    async def look(self, act: str) -> None:
        """Hold it of what happened since the last look."""
        async with self._store.transaction(["acme"]) as connection:
            now = await listings(connection)
        changed = [contact for contact, (_, listed) in now.items() if self._before.get(contact, ("", None))[1] != listed]
        assert changed, f"{act} changed nothing"
        for contact in changed:
            assert self._before.get(contact, ("", None))[0] != now[contact][0], f"{act} wrote identifiers without their contact's row"
        self._before = now


@pytest.mark.asyncio
async def test_whatever_changes_what_a_contact_lists_writes_its_row(store: Store) -> None:
    """The second reading rests on it."""
    watch = Watch(store)
    await play(store, event(ANN, assurance=ASSERTED), event(BEN, assurance=ASSERTED))
    await watch.look("new contacts")
    for act, each in STORY.items():
        await play(store, each)
        await watch.look(act)
    ann, ben = await holder(store, ANN), await holder(store, "email:eve@example.com")
    async with store.transaction(["acme"]) as connection:
        await merge(connection, "acme", Wish(ann, ben, {}), USER, shards=4)
    await watch.look("a merge by a person")
    async with store.transaction(["acme"]) as connection:
        await unmerge(connection, "acme", ben, USER, shards=4)
    await watch.look("an unmerge")


@pytest.mark.asyncio
async def test_what_changes_between_the_readings_is_read_again(store: Store) -> None:
    """A release makes the count of a value anew while a resolver has read its holder; mutant release-behind-the-contact."""
    joining = [event(f"email:{name}@example.com", SHARED, assurance=ASSERTED, minutes=n) for n, name in enumerate(("ann", "ben", "eve"))]
    await play(store, *(event(f"email:{name}@example.com", assurance=ASSERTED) for name in ("ann", "ben", "eve")))
    for each in joining:
        await play(store, each)
    reading = [event("email:ann@example.com", assurance=ASSERTED, minutes=9)]
    async with store.transaction(["acme"]) as connection:
        before = await snapshots.read(connection, reading)
        again = await snapshots.read(connection, reading, before=before)
        assert again.listings is before.listings
    async with store.transaction(["acme"]) as connection:
        released = await quarantine.release_value(connection, "acme", identifier_key(*SHARED.split(":", 1)), actor="ann@host", reason=None)
        assert released is not None
    async with store.transaction(["acme"]) as connection:
        again = await snapshots.read(connection, reading, before=before)
        assert again.listings != before.listings
        assert again == await snapshots.read(connection, reading)
