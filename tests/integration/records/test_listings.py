"""What the second reading does not read again has not changed: whoever writes a contact's identifiers writes the contact's row too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest

from onefold.contacts.acting import User
from onefold.contacts.change import validate
from onefold.contacts.merge import Wish, merge
from onefold.contacts.unmerge import unmerge
from onefold.identity.assurance import Assurance
from onefold.identity.contact import LISTED_IDENTIFIERS
from onefold.identity.identifiers import Identifier, identifier_key
from onefold.messages.contacts import ContactChange
from onefold.records import quarantine, snapshots
from onefold.records.changes import snapshot_of
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from onefold.identity.contact import Tenure
    from onefold.identity.interaction import Interaction
    from onefold.records.store import Connection, Store

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


BIG, EMAILS = "anonymous_token:big", [f"email:p{number}@example.com" for number in range(230)]


WIDE = replace(EXACT, limits=replace(EXACT.limits, values_per_type=1_000))


class Remembering:
    """A worker that remembers what large contacts list, held against the store after each of its acts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=10_000)
        self.incarnation = "test"

    async def play(self, *interactions: Interaction) -> None:
        """One batch; what it tells lists what the store lists then."""
        async with self._store.transaction(["acme"]) as connection:
            plan = await self._resolution.resolve(connection, interactions, {"acme": WIDE}, self.incarnation)
        for change in {each.contact_id: each for each in plan.changes}.values():
            if change.snapshot is not None and change.snapshot.summary.total > LISTED_IDENTIFIERS:
                told, stored = [each.tenure_id for each in change.listed], await self._stored(change.contact_id)
                assert told == stored[: len(told)]
                assert len(told) >= LISTED_IDENTIFIERS - len(plan.separated), "what takes the place of one that left was not read"
        async with self._store.transaction(["acme"]) as connection:
            asked = [event(EMAILS[3], minutes=99)]
            remembered = await snapshots.read(connection, asked, kept=self._resolution._listings)
            read = await snapshots.read(connection, asked)
        assert shown(remembered) == shown(read)

    async def _stored(self, contact_id: UUID) -> list[int]:
        async with self._store.transaction(["acme"]) as connection:
            return [row["tenure_id"] for row in await connection.fetch(snapshots.LONG_LISTINGS, [contact_id], ["acme"])]


def shown(rows: snapshots.Rows) -> list[tuple[UUID, list[Tenure]]]:
    return [(contact.contact_id, contact.listed) for contact in snapshots.snapshot_of(rows).contacts.values()]


@pytest.mark.asyncio
async def test_what_a_worker_remembers_of_large_contacts_is_what_the_store_says(store: Store) -> None:
    """Whatever it or others did since: attaching, merging, separations, labels, acts of users, rolled-back transactions, another life."""
    one, other = Remembering(store), Remembering(store)
    for start in range(0, len(EMAILS), 99):
        await one.play(event(BIG, *EMAILS[start : start + 99], assurance=ASSERTED))
    await other.play(event(BIG, "email:more@example.com", assurance=ASSERTED, minutes=1))
    await one.play(event(BIG, "phone:+4915112345678", "email:again@example.com", assurance=ASSERTED, minutes=2, slug="work"))
    await one.play(event("email:small@example.com", "user_id:small", assurance=ASSERTED, minutes=3))
    await one.play(event(BIG, "user_id:small", assurance=ASSERTED, minutes=4), event(BIG, "device_id:d", assurance=ASSERTED, minutes=5))
    large = await holder(store, EMAILS[3])
    assert await holder(store, "user_id:small") == large
    await one.play(event("user_id:other", BIG, assurance=ASSERTED, minutes=6))
    await one.play(event(EMAILS[3], "anonymous_token:new", assurance=ASSERTED, minutes=7))
    with pytest.raises(LookupError):
        async with store.transaction(["acme"]) as connection:
            await one._resolution.resolve(connection, [event(EMAILS[3], "email:lost@example.com", assurance=ASSERTED)], RULES, "test")
            raise LookupError
    await one.play(event(EMAILS[3], "email:found@example.com", assurance=ASSERTED, minutes=8))
    async with store.transaction(["acme"]) as connection:
        await validate(connection, "acme", identified(EMAILS[5]), USER, shards=4)
    await one.play(event(EMAILS[3], "email:last@example.com", assurance=ASSERTED, minutes=9))
    await one.play(event(EMAILS[3], event_id="proof", assurance=PROVED, proof=EMAILS[3], minutes=10))
    one.incarnation = "another"
    await one.play(event(EMAILS[3], "email:life@example.com", assurance=ASSERTED, minutes=11))
    assert await holder(store, EMAILS[3]) == large


def identified(text: str) -> Identifier:
    kind, _, value = text.partition(":")
    return Identifier(kind, value, value, None, identifier_key(kind, value))


@pytest.mark.asyncio
async def test_a_large_contact_s_message_says_of_each_identifier_what_is_stored(store: Store) -> None:
    """I7: what is remembered as it was written is written anew where it changed: a validation, a label, a time."""
    one = Remembering(store)
    for start in range(0, len(EMAILS), 99):
        await one.play(event(BIG, *EMAILS[start : start + 99], assurance=ASSERTED))
    acts = [event(BIG, EMAILS[7], assurance=ASSERTED, minutes=90), event(BIG, EMAILS[8], assurance=PROVED, proof=EMAILS[8], minutes=91)]
    for act in acts:
        await one.play(act)
        await one.play(event(BIG, f"email:after-{act.event_id}@example.com", assurance=ASSERTED, minutes=92))
        async with store.transaction(["acme"]) as connection:
            payload = await connection.fetchval("select payload from outbox order by id desc limit 1")
            rows = await snapshots.read(connection, [event(EMAILS[3])])
        (large,) = snapshots.snapshot_of(rows).contacts.values()
        told = msgspec.json.decode(payload, type=ContactChange).contact
        assert told is not None
        assert told.identifiers == snapshot_of(large, large.listed).identifiers
        assert len(told.identifiers) == LISTED_IDENTIFIERS
        validated = [each.validated_by for each in told.identifiers if each.is_validated]
    assert validated == ["otp"]
