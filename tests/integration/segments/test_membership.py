"""Membership on real Postgres: transitions alternate, whatever is repeated, late or racing with an edit (I9)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID, uuid4

import msgspec
import pytest
import structlog

from onefold.contacts.acting import User
from onefold.contacts.change import archive
from onefold.messages.contacts import ContactChange, MergedContact
from onefold.messages.dead_letters import split
from onefold.observe import Metrics, SegmentsMetrics
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.records.segments import fill_chunk, find_segment, list_segments
from onefold.workspace import segments as use_cases
from streams.app import Message
from streams.segments import Membership
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from onefold.records.store import Store

LEADS = {"field": "type", "operator": "equals", "value": "lead"}
NAMED = {"field": "given_name", "operator": "is_not_null"}


@pytest.fixture
def membership(store: Store) -> Membership:
    return Membership(store, SegmentsMetrics(Metrics()), structlog.get_logger())


async def make_segment(store: Store, slug: str, query: object) -> None:
    async with store.transaction(["acme"]) as connection:
        segment = await use_cases.create(connection, "acme", slug, slug, query)
    await use_cases.fill(store, segment)


async def resolve(store: Store, *story: Any) -> list[bytes]:
    """Let contacts change; gives the messages that tell it, and takes them out of the outbox."""
    async with store.transaction(["acme"]) as connection:
        resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=1_000)
        await resolution.resolve(connection, list(story), {"acme": EXACT}, "test")
        return await take(connection, "contacts.changed")


async def take(connection: Any, topic: str) -> list[bytes]:
    rows = await connection.fetch("select id, payload from outbox where topic = $1 order by id", topic)
    await connection.execute("delete from outbox where id = any($1)", [row["id"] for row in rows])
    return [row["payload"] for row in rows]


async def transitions(store: Store) -> list[tuple[str, str]]:
    async with store.begin() as connection:
        told = [msgspec.json.decode(payload) for payload in await take(connection, "segments.membership")]
    return [(each["segment"]["slug"], each["transition"]) for each in told]


def messages(*payloads: bytes) -> list[Message]:
    return [Message(number, b"k", payload) for number, payload in enumerate(payloads)]


async def counts(store: Store) -> dict[str, int]:
    async with store.transaction(["acme"]) as connection:
        return {segment.slug: count for segment, count in await list_segments(connection, "acme")}


@pytest.mark.asyncio
async def test_a_contact_enters_and_leaves_as_it_changes(store: Store, membership: Membership) -> None:
    await make_segment(store, "leads", LEADS)
    first = await resolve(store, event("anonymous_token:t", "email:ann@example.com", minutes=0))
    await membership.settle(messages(*first))
    assert await transitions(store) == []
    second = await resolve(store, event("anonymous_token:t", fields={"given_name": "Ann", "last_name": "Lee"}, minutes=1))
    await membership.settle(messages(*second))
    assert await transitions(store) == [("leads", "entered")]
    assert await counts(store) == {"leads": 1}


@pytest.mark.asyncio
async def test_repeats_and_reordered_repeats_never_flap(store: Store, membership: Membership) -> None:
    """I9: entered and left alternate under at-least-once delivery."""
    await make_segment(store, "free", {"field": "attributes.unbound.plan", "operator": "equals", "value": "free"})
    told: list[bytes] = []
    for minutes, plan in enumerate(["free", "pro", "free", "pro"]):
        told += await resolve(store, event("anonymous_token:t", attributes={"plan": plan}, minutes=minutes))
    await membership.settle(messages(*told))
    assert await transitions(store) == [("free", "entered"), ("free", "left"), ("free", "entered"), ("free", "left")]
    for again in (told, told[:1], told[1:3], list(reversed(told))):
        await membership.settle(messages(*again))
    assert await transitions(store) == []
    assert await counts(store) == {"free": 0}


@pytest.mark.asyncio
async def test_an_absorbed_contact_leaves_every_segment(store: Store, membership: Membership) -> None:
    await make_segment(store, "named", NAMED)
    told = await resolve(
        store,
        event("anonymous_token:a", fields={"given_name": "Ann"}, minutes=0),
        event("anonymous_token:b", fields={"given_name": "Bea"}, minutes=1),
    )
    await membership.settle(messages(*told))
    await transitions(store)
    await membership.settle(messages(*await resolve(store, event("anonymous_token:a", "anonymous_token:b", minutes=2))))
    assert await transitions(store) == [("named", "left")]
    assert await counts(store) == {"named": 1}


@pytest.mark.asyncio
async def test_an_archived_contact_belongs_to_no_segment_until_it_is_restored(store: Store, membership: Membership) -> None:
    """Product.md, section 4: by its changes, and where a segment is filled."""
    await make_segment(store, "named", NAMED)
    await membership.settle(messages(*await resolve(store, event("anonymous_token:a", fields={"given_name": "Ann"}))))
    async with store.transaction(["acme"]) as connection:
        (who,) = [row[0] for row in await connection.fetch("select contact_id from contacts")]
    assert await transitions(store) == [("named", "entered")]
    acts: list[tuple[Literal["archive", "restore"], str]] = [("archive", "left"), ("restore", "entered"), ("archive", "left")]
    for what, transition in acts:
        async with store.transaction(["acme"]) as connection:
            await archive(connection, "acme", who, what, User("ann@host", None), shards=4)
            told = await take(connection, "contacts.changed")
        await membership.settle(messages(*told))
        assert await transitions(store) == [("named", transition)]
    await make_segment(store, "filled", NAMED)
    assert await counts(store) == {"filled": 0, "named": 0}


@pytest.mark.asyncio
async def test_creating_fills_and_editing_lets_enter_and_leave(store: Store, membership: Membership) -> None:
    story = [event(f"anonymous_token:t{n}", fields={"given_name": "Ann"} if n % 2 else {}, minutes=n) for n in range(10)]
    await membership.settle(messages(*await resolve(store, *story)))
    await make_segment(store, "named", NAMED)
    assert await transitions(store) == [("named", "entered")] * 5
    async with store.transaction(["acme"]) as connection:
        segment = await use_cases.edit(connection, "acme", "named", {"not": NAMED})
    segment = await use_cases.fill(store, segment)
    assert sorted(await transitions(store)) == [("named", "entered")] * 5 + [("named", "left")] * 5
    assert (segment.state, segment.version) == ("live", 2)


@pytest.mark.asyncio
async def test_a_fill_goes_on_where_it_stopped(store: Store) -> None:
    await resolve(store, *(event(f"anonymous_token:t{n}", fields={"given_name": "Ann"}, minutes=n) for n in range(7)))
    async with store.transaction(["acme"]) as connection:
        segment = await use_cases.create(connection, "acme", "named", "Named", NAMED)
        segment, first = await fill_chunk(connection, segment, 3, datetime.now(UTC))
    assert (len(first), segment.state) == (3, "filling")
    async with store.transaction(["acme"]) as connection:
        again = await find_segment(connection, "acme", "named")
    assert again is not None
    await use_cases.fill(store, again)
    assert len(await transitions(store)) == 7


@pytest.mark.asyncio
async def test_a_fill_that_read_an_older_contact_gives_way_to_the_stream(store: Store, membership: Membership) -> None:
    """The stream writes *out* rows while a segment fills: else a fill of an older snapshot would let in who has left."""
    await resolve(store, event("anonymous_token:t", fields={"given_name": "Ann"}, minutes=0))
    async with store.transaction(["acme"]) as connection:
        segment = await use_cases.create(
            connection, "acme", "annas", "Annas", {"field": "given_name", "operator": "equals", "value": "Ann"}
        )
    async with store.pool.acquire() as slow:
        transaction = slow.transaction(isolation="repeatable_read")
        await transaction.start()
        await slow.execute("select set_config('onefold.workspaces', 'acme', true)")
        assert await slow.fetchval("select count(*) from contacts") == 1
        told = await resolve(store, event("anonymous_token:t", fields={"given_name": "Bea"}, minutes=1))
        await membership.settle(messages(*told))
        await transaction.rollback()
    async with store.transaction(["acme"]) as connection:
        rows = await connection.fetch("select is_member, contact_version from memberships")
    assert [(row["is_member"], row["contact_version"]) for row in rows] == [(False, 2)]
    await use_cases.fill(store, segment)
    assert await counts(store) == {"annas": 0}


@pytest.mark.asyncio
async def test_a_contact_with_more_identifiers_than_listed_is_evaluated_in_postgres(store: Store, membership: Membership) -> None:
    identifiers = [f"email:p{n}@example.com" for n in range(90)]
    await make_segment(store, "last", {"identifier": "email", "operator": "equals", "value": "p89@example.com"})
    (told,) = await resolve(store, event(*identifiers))
    change = msgspec.json.decode(told, type=ContactChange)
    assert change.contact is not None
    change.contact.identifiers = change.contact.identifiers[:5]
    await membership.settle(messages(msgspec.json.encode(change)))
    assert await transitions(store) == [("last", "entered")]


@pytest.mark.asyncio
async def test_a_message_that_is_none_is_buried_and_harms_no_neighbour(store: Store, membership: Membership) -> None:
    await make_segment(store, "named", NAMED)
    (told,) = await resolve(store, event("anonymous_token:t", fields={"given_name": "Ann"}))
    await membership.settle(messages(b"{]", told, b""))
    assert await transitions(store) == [("named", "entered")]
    async with store.begin() as connection:
        assert await take(connection, "interactions.dead-letter") == [b"{]", b""]


@pytest.mark.asyncio
async def test_a_buried_message_keeps_its_headers_and_says_where_it_lay(store: Store, membership: Membership) -> None:
    """I13: time, place, attempts and version, as every dead letter."""
    await membership.settle([Message(41, b"k", b"{]", 3, 1_793_525_400_123, (("ce_id", b"7"),))])
    async with store.begin() as connection:
        headers = msgspec.json.decode(await connection.fetchval("select headers::text from outbox"))
    letter, original = split((name, text.encode()) for name, text in headers.items())
    assert letter is not None
    assert original == (("ce_id", b"7"),)
    assert (letter.origin_topic, letter.origin_partition, letter.origin_offset) == ("contacts.changed", 3, 41)
    assert (letter.origin_timestamp.timestamp(), letter.attempts, letter.error_code) == (1_793_525_400.123, 1, "malformed_json")


@pytest.mark.asyncio
async def test_a_segment_sees_its_own_workspace_only(store: Store, membership: Membership) -> None:
    """S89, S94."""
    await make_segment(store, "named", NAMED)
    (told,) = await resolve(store, event("anonymous_token:t", fields={"given_name": "Ann"}))
    foreign = msgspec.json.decode(told, type=ContactChange)
    foreign.workspace, foreign.contact_id = "other", UUID(int=uuid4().int)
    foreign.merged = [MergedContact(uuid4())]
    await membership.settle(messages(msgspec.json.encode(foreign)))
    assert await transitions(store) == []
