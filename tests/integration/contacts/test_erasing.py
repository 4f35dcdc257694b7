"""Erasing on real Postgres: no row of any table says anything of the person, and nothing brings them back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from onefold.contacts import change
from onefold.contacts.acting import User
from onefold.contacts.erase import erase
from onefold.contacts.merge import Wish, merge
from onefold.contacts.unmerge import unmerge
from onefold.errors import ContactErased, StoreUnavailable
from onefold.identity.assurance import Assurance
from onefold.identity.contact import ContactId
from onefold.identity.identifiers import identifier_key
from onefold.identity.plan import Excess, Limit, OutcomeKind, Parked, Proposed, Quarantined, Reason
from onefold.identity.separation import bucket
from onefold.messages.codec import decode
from onefold.messages.outreach import OutreachRequested
from onefold.messages.times import to_milliseconds
from onefold.messages.topics import OUTREACH_REQUESTED
from onefold.ops import purge
from onefold.ops.explain.explain import Question, explain
from onefold.outreach import request as asking
from onefold.records import erased, outreach, parked, proposals, quarantine, timeline, webhook_deliveries
from onefold.records.histories import tenure_then
from onefold.records.numbers import TenureNumbers
from onefold.records.reads import find_holder, load_record
from onefold.records.resolution import Resolution
from onefold.records.store import RACES, Moved, Store
from onefold.records.timeline_pages import timeline_page
from onefold.records.timeline_weeks import Weeks
from onefold.records.webhook_deliveries import Due
from onefold.workspace import webhooks
from onefold.workspace.webhook_secrets import SigningSecrets
from tests.support.workspaces import add_workspace
from tests.support.worlds import EXACT, START, at, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from uuid import UUID

    from onefold.contacts.erase import Erasing
    from onefold.identity.interaction import Interaction
    from onefold.identity.plan import Outcome
    from tests.support.servers import Database

ANN = User("ann@host", "she asked for it")
ASSERTED = Assurance.ASSERTED
EAGER = replace(EXACT, policy="eager")
CANARY = "canary"
HOUR = timedelta(hours=1)
SIGNS = webhooks.Rules(SigningSecrets({1: b"w" * 32}))
TABLES = """
select c.relname as name, array(select a.attname from pg_attribute a where a.attrelid = c.oid and a.atttypid = 'bytea'::regtype) as binary
from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> 'alembic_version'
"""
NEVER = 5_000_000
"""Minutes: later than the clock."""


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    store = await Store.connect(database.app_url)
    await add_workspace(store, "acme", policy="eager")
    yield store
    await store.close()


async def play(store: Store, *interactions: Interaction) -> list[Outcome]:
    resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        return (await resolution.resolve(connection, interactions, {"acme": EAGER}, "test")).outcomes


async def holder(store: Store, identifier: str) -> UUID:
    kind, _, value = identifier.partition(":")
    async with store.transaction(["acme"]) as connection:
        found = await find_holder(connection, ["acme"], kind, value)
    assert found is not None
    return found[1]


async def gone(store: Store, named: UUID) -> Erasing:
    async with store.transaction(["acme"]) as connection:
        return await erase(connection, "acme", named, ANN, shards=4)


async def left(database: Database, text: str) -> list[str]:
    """Tables in which a text lies, whatever column it is in."""
    found = []
    connection = await asyncpg.connect(database.admin_url)
    try:
        await connection.execute("select set_config('onefold.workspaces', 'acme', false)")
        for row in await connection.fetch(TABLES):
            columns = ["t::text", *(f"coalesce(encode(t.{name}, 'escape'), '')" for name in row["binary"])]
            looked = f"select strpos(lower(concat({', '.join(columns)})), $1) > 0 as is_there from {row['name']} t"  # noqa: S608
            if any(each["is_there"] for each in await connection.fetch(looked, text)):
                found.append(row["name"])
    finally:
        await connection.close()
    return found


def story() -> list[Interaction]:
    """Somebody of three contacts, all of whose values are canaries, and Ben."""
    return [
        event(
            "user_id:canary1",
            "anonymous_token:canary-a",
            assurance=ASSERTED,
            fields={"given_name": "Canary"},
            event_id="one",
            attributes={"n": 1},
        ),
        event("email:canary@example.com", "anonymous_token:canary-b", attributes={"plan": "canary-plan"}, event_id="two", minutes=1),
        event("email:canary@example.com", "user_id:canary1", assurance=ASSERTED, event_id="three", minutes=2),
        event("anonymous_token:canary-c", "device_id:canary-d", event_id="four", minutes=3, fields={"last_name": "Canary"}),
        event("user_id:ben", "anonymous_token:ben-a", assurance=ASSERTED, event_id="ben", minutes=4),
    ]


async def everything(store: Store) -> tuple[UUID, UUID]:
    """The story told, with all that may say something of a person; gives her and Ben."""
    await play(store, *story())
    her, third, ben = [await holder(store, each) for each in ("user_id:canary1", "anonymous_token:canary-c", "user_id:ben")]
    late = event("email:canary@example.com", "phone:+4915112345678", event_id="five", minutes=5)
    late = msgspec.structs.replace(late, raw=b'{"identifiers": [{"semantic_type": "email", "identifier": " Canary@example.com"}]}')
    async with store.transaction(["acme"]) as connection:
        await merge(connection, "acme", Wish(her, third, {}), ANN, shards=4)
        await merge(connection, "acme", Wish(her, ben, {}), User("ann@host", "canary thinks so"), shards=4)
        await unmerge(connection, "acme", ben, User("ann@host", "canary does not"), shards=4)
        held = await tenure_then(connection, "acme", identifier_key("email", "canary@example.com"), None)
        assert held is not None
        await quarantine.put(connection, [Quarantined(held, 50, late)])
        excess = Excess(Limit.CONTACTS_PER_VALUE_DAY, "email", held.key)
        elsewhere = msgspec.structs.replace(late, event_id="six", position=late.position._replace(offset=1_000_000))
        others = Parked(elsewhere, (Excess(Limit.BYTES_PER_CONTACT),), ContactId(ben))
        await parked.park(connection, [Parked(late, (excess,), held.contact_id), others])
        wish = asking.Wish(
            "acme", "verification_code", "canary@example.com", HOUR, "asked_by_owner", parameters={"code": "1"}, contact_id=her
        )
        await asking.request(connection, wish)
        waiting = await connection.fetchval("select payload from outbox where topic = $1", OUTREACH_REQUESTED)
        await outreach.insert_due(connection, [decode(waiting, OutreachRequested)])
        webhook, _ = await webhooks.create_webhook(connection, "acme", webhooks.Wish("T", "https://a.example"), SIGNS)
        due = Due("acme", uuid4(), webhook.webhook_id, "seven", "contact.changed", her, 1, b'{"email": "canary@example.com"}')
        await webhook_deliveries.insert_due(connection, [due])
        sides = sorted((her, ben))
        await proposals.propose(connection, [Proposed("acme", ContactId(sides[0]), ContactId(sides[1]), Reason.KNOWN, "email", late)])
    return her, ben


@pytest.mark.asyncio
async def test_no_row_of_any_table_says_anything_of_an_erased_person(store: Store, database: Database) -> None:
    """S103, S105, S107, I7, I17: a husk and a tombstone for every id; what the outbox still holds keeps its versions alone; Ben keeps his."""
    her, ben = await everything(store)
    everywhere = {
        "contacts", "identifiers", "kept_apart", "log_details", "merges", "outbox", "outreach_messages", "parked", "quarantine",
        "webhook_deliveries",
    }  # fmt: skip
    assert set(await left(database, CANARY)) == everywhere, "what is looked for is found"
    erasing = await gone(store, her)
    (erasure,) = erasing.plan.erasures
    assert await left(database, CANARY) == []
    for key in erasure.keys:
        assert await left(database, key.hex()) == [], "a plain hash of a phone number is a phone number"
    async with store.transaction(["acme"]) as connection:
        counts = await connection.fetch("select erased_at is not null as is_erased, count(*) as ids from contacts group by 1 order by 1")
        buckets = {row["bucket"] for row in await connection.fetch("select bucket from separations")}
        rows = await connection.fetch("select key, payload from outbox where topic = 'contacts.changed' order by id")
        barred = await connection.fetchval("select count(*) from suppressions")
        bens = await load_record(connection, ["acme"], ben)
    assert [tuple(row) for row in counts] == [(False, 1), (True, 3)]
    assert barred == 6
    assert {bucket("acme", key) for key in erasure.keys} <= buckets
    for contact_id in erasure.contacts:
        told = [row["payload"] for row in rows if row["key"] == str(contact_id).encode()]
        assert told[-1] is None, "a tombstone"
        versions = [msgspec.json.decode(each)["version"] for each in told[:-1]]
        assert versions == list(range(1, len(versions) + 1))
    assert bens is not None
    assert {each.text for each in bens.tenures} == {"user_id:ben", "anonymous_token:ben-a"}


@pytest.mark.asyncio
async def test_what_was_decided_comes_again_and_brings_nothing_back_but_later_events_do_as_somebody_new(store: Store) -> None:
    """S107, F54: in one batch and one by one; a form that she fills in afterwards makes a ghost with an id of its own."""
    await play(store, *story())
    known = {await holder(store, each) for each in ("user_id:canary1", "anonymous_token:canary-c")}
    for named in known:
        await gone(store, named)
    again = story()[:-1]
    outcomes = await play(store, *again)
    for each in again:
        outcomes += await play(store, each)
    assert {(each.kind, each.contact_id) for each in outcomes} == {(OutcomeKind.BARRED, None)}
    (outcome,) = await play(store, event("email:canary@example.com", "anonymous_token:canary-a", minutes=NEVER))
    assert outcome.kind is OutcomeKind.CREATED
    assert outcome.contact_id not in known
    outcomes = await play(store, *again)
    assert {(each.kind, each.contact_id) for each in outcomes} == {(OutcomeKind.BARRED, None)}, "nor onto whoever came after her"


@pytest.mark.asyncio
async def test_an_erased_id_leads_nowhere_whoever_asks(store: Store) -> None:
    """Product, section 4: the survivor's and those of whom it absorbed, to *gone*. Nothing can be done to it, erasing among it."""
    her, ben = await everything(store)
    async with store.transaction(["acme"]) as connection:
        absorbed = await connection.fetchval("select contact_id from contacts where root = $1 and merged_into is not null limit 1", her)
    await gone(store, absorbed)
    for named in (her, absorbed):
        async with store.transaction(["acme"]) as connection:
            for asked in (
                load_record(connection, ["acme"], named),
                timeline_page(connection, "acme", named, limit=5, cursor=None),
                explain(connection, "acme", Question(named)),
                change.edit(connection, "acme", named, change.Edit({"given_name": "Eve"}), ANN),
                merge(connection, "acme", Wish(ben, named, {}), ANN),
                unmerge(connection, "acme", named, ANN),
                erase(connection, "acme", named, ANN),
            ):
                with pytest.raises(ContactErased):
                    await asked


@pytest.mark.asyncio
async def test_a_preview_is_the_plan_and_changes_nothing(store: Store) -> None:
    await play(store, *story())
    her = await holder(store, "user_id:canary1")
    async with store.transaction(["acme"]) as connection:
        preview = await erase(connection, "acme", her, ANN)
    assert await holder(store, "user_id:canary1") == her
    done = await gone(store, her)
    assert [(each.contact_id, each.version) for each in preview.plan.changes] == [
        (each.contact_id, each.version) for each in done.plan.changes
    ]


@pytest.mark.asyncio
async def test_erasing_races_with_events_and_nothing_survives(store: Store, database: Database) -> None:
    """F54, I4: whoever comes second sees what the first did."""

    async def events(number: int) -> None:
        for minutes in range(5):
            made = event(f"anonymous_token:canary-{number}", f"email:canary{number}{minutes}@example.com", minutes=minutes)
            await retried(partial(play, store, made))

    async def erasing(number: int) -> None:
        await asyncio.sleep(0.005 * number)
        await retried(partial(gone, store, people[number]))

    people = []
    for number in range(4):
        await play(store, event(f"anonymous_token:canary-{number}", attributes={"plan": "canary"}))
        people.append(await holder(store, f"anonymous_token:canary-{number}"))
    await asyncio.gather(*(work(number) for number in range(4) for work in (events, erasing)))
    async with store.transaction(["acme"]) as connection:
        rest = await connection.fetch("select contact_id from contacts where erased_at is null")
    for row in rest:  # of events that were decided after it, whose addresses nobody knew before
        await gone(store, row["contact_id"])
    assert await left(database, CANARY) == []


async def retried(work: Callable[[], Awaitable[object]]) -> None:
    """Begun anew where somebody was faster, as doors do."""
    for _ in range(20):
        try:
            await work()
        except (Moved, *RACES):
            continue
        except ContactErased:
            return
        return
    raise AssertionError("lost every race")


def line(number: int, tenure: int, contact_id: UUID) -> timeline.Entry:
    """A line of the person, as the timeline stores it."""
    at_ms = to_milliseconds(at(number))
    key, name = timeline.event_key("acme", f"l{number}"), "Pricing"
    return timeline.Entry(
        key, "acme", 1, 0, number, 1, at_ms, tenure, f"l{number}", str(contact_id), "page", "web", name, "seen", None, '{"p": "canary"}'
    )


async def put(store: Store, entries: Sequence[timeline.Entry]) -> None:
    async with store.begin() as connection:
        await timeline.store_entries(connection, entries)


@pytest.mark.asyncio
async def test_what_they_did_is_purged_in_chunks_and_lines_that_come_late_come_to_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S103, I17, I2: a purge that is broken off goes on; who was storing lines meanwhile is waited for, and what they stored goes, too."""
    monkeypatch.setattr(purge, "CHUNK", 7)
    await Weeks(store, timedelta(days=400)).make({timeline.monday_of(to_milliseconds(START))})
    await play(store, *story())
    her = await holder(store, "user_id:canary1")
    async with store.transaction(["acme"]) as connection:
        tenures = [row["tenure_id"] for row in await connection.fetch("select tenure_id from identifiers where contact_id = $1", her)]
        bens = await connection.fetchval("select tenure_id from identifiers where normalised = 'ben-a'")
    lines = [line(number, tenures[number % len(tenures)], her) for number in range(30)]
    late = line(-1_500, tenures[0], her)  # the day before, so that nobody waits for its count
    await put(store, [*lines[:-1], line(99, bens, her)])
    storing = store.begin()
    connection = await storing.__aenter__()
    await connection.execute("insert into separations (xid, bucket) select pg_current_xact_id(), 0")  # as a consumer's progress does
    await timeline.store_entries(connection, [late])
    await gone(store, her)
    async with store.transaction(["acme"]) as looking:
        (waiting,) = await erased.unfinished(looking, "acme")
    with pytest.raises(StoreUnavailable, match="at work"):
        await purge.purge(store, "acme", waiting, patience_seconds=0.2)
    await storing.__aexit__(None, None, None)
    await put(store, [lines[-1], lines[0]])
    assert await purge.purge_all(store) == 1
    await put(store, [line(100, tenures[1], her), lines[2]])
    async with store.transaction(["acme"]) as looking:
        assert await erased.unfinished(looking, "acme") == []
        rows = [row["tenure_id"] for row in await looking.fetch("select tenure_id from timeline")]
        days = [(row["tenure_id"], row["events"]) for row in await looking.fetch("select tenure_id, events from timeline_days")]
        events = await looking.fetchval("select count(*) from timeline_events where tenure_id is null")
    assert (rows, days, events) == ([bens], [(bens, 1)], 32)
