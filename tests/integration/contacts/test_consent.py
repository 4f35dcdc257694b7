"""Consent on real Postgres: recorded as a version of its own, told, merged as the stricter, parted again (S47, S101)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import pytest

from onefold.contacts.acting import User
from onefold.contacts.consent import Word, consent
from onefold.contacts.merge import Wish, merge
from onefold.contacts.unmerge import unmerge
from onefold.errors import ContactNotFound, InvalidMessage
from onefold.identity.assurance import Assurance
from onefold.messages.contacts import ContactChange
from onefold.records.numbers import TenureNumbers
from onefold.records.reads import find_holder, load_record
from onefold.records.resolution import Resolution
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.identity.contact import Consent
    from onefold.identity.plan import Plan
    from onefold.records.store import Store

SHARDS = 4
BEA = User("bea@desk", "she called")
ASSERTED = Assurance.ASSERTED


async def people(store: Store, *identifiers: str) -> list[UUID]:
    resolution = Resolution(shards=SHARDS, numbers=TenureNumbers(), budget=10_000)
    found = []
    async with store.transaction(["acme"]) as connection:
        await resolution.resolve(connection, [event(each, assurance=ASSERTED) for each in identifiers], {"acme": EXACT}, "test")
        for each in identifiers:
            kind, _, value = each.partition(":")
            holder = await find_holder(connection, ["acme"], kind, value)
            assert holder is not None
            found.append(holder[1])
    return found


async def say(store: Store, who: UUID, *words: Word, execute: bool = True) -> Plan:
    async with store.transaction(["acme"]) as connection:
        return (await consent(connection, "acme", who, words, BEA, shards=SHARDS if execute else None))[1]


async def recorded(store: Store, who: UUID) -> dict[str, Consent]:
    async with store.transaction(["acme"]) as connection:
        record = await load_record(connection, ["acme"], who)
    assert record is not None
    return record.contact.consent


def word(state: Any, purpose: str = "newsletter") -> Word:
    return Word(purpose, state, "call")


@pytest.mark.asyncio
async def test_a_word_is_a_version_that_is_told_with_the_whole_contact(store: Store) -> None:
    """I7: in the transaction of the row."""
    (ann,) = await people(store, "email:ann@example.com")
    await say(store, ann, word("granted"), execute=False)
    assert await recorded(store, ann) == {}
    await say(store, ann, word("granted"), word("denied", "profiling"))
    found = await recorded(store, ann)
    assert {purpose: (each.state, each.source, each.of) for purpose, each in found.items()} == {
        "newsletter": ("granted", "call", ann),
        "profiling": ("denied", "call", ann),
    }
    async with store.connection() as connection:
        payloads = [row["payload"] for row in await connection.fetch("select payload from outbox order by id")]
    change = msgspec.json.decode(payloads[-1], type=ContactChange)
    assert change.contact is not None
    assert (change.version, change.cause.kind, change.cause.actor) == (2, "user", "bea@desk")
    assert change.contact.consent["profiling"].state == "denied"
    assert set(change.changes) == {"consent.newsletter", "consent.profiling"}


@pytest.mark.asyncio
async def test_the_stricter_one_survives_a_merge_and_an_unmerge_parts_them(store: Store) -> None:
    """S101."""
    ann, bo = await people(store, "email:ann@example.com", "email:bo@example.com")
    await say(store, ann, word("granted"))
    await say(store, bo, word("denied"))
    before = [await recorded(store, each) for each in (ann, bo)]
    async with store.transaction(["acme"]) as connection:
        await merge(connection, "acme", Wish(ann, bo, {}), BEA, shards=SHARDS)
    assert await recorded(store, ann) == before[1]
    async with store.transaction(["acme"]) as connection:
        await unmerge(connection, "acme", bo, BEA, shards=SHARDS)
    assert [await recorded(store, each) for each in (ann, bo)] == before


@pytest.mark.asyncio
async def test_what_is_no_word_is_refused_and_says_why(store: Store) -> None:
    (ann,) = await people(store, "email:ann@example.com")
    async with store.transaction(["acme"]) as connection:
        now = await connection.fetchval("select clock_timestamp()")
    for bad, why in (
        (word("granted", "News Letter"), "no purpose"),
        (Word("newsletter", "granted", " "), "say where"),
        (Word("newsletter", "granted", "call\x1b[31m"), "printable"),
        (Word("newsletter", "granted", "call", now + timedelta(hours=1)), "still to come"),
    ):
        with pytest.raises(InvalidMessage, match=why):
            await say(store, ann, bad)
    with pytest.raises(InvalidMessage, match="at most 50 purposes"):
        await say(store, ann, *(word("granted", f"p{number}") for number in range(51)))
    with pytest.raises(ContactNotFound):
        await say(store, uuid4(), word("granted"))
