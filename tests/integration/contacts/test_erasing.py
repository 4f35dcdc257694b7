"""Erasing on real Postgres: no row of any table says anything of the person, and nothing brings them back."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pytest

from onefold.contacts import change
from onefold.contacts.acting import User
from onefold.contacts.erase import erase
from onefold.contacts.merge import Wish, merge
from onefold.contacts.unmerge import unmerge
from onefold.errors import ContactErased, StoreUnavailable
from onefold.identity.plan import OutcomeKind
from onefold.identity.separation import bucket
from onefold.messages.times import to_milliseconds
from onefold.ops import purge
from onefold.ops.explain.explain import Question, explain
from onefold.records import erased, timeline
from onefold.records.reads import load_record
from onefold.records.said import say
from onefold.records.store import RACES, Moved, Store
from onefold.records.timeline_pages import timeline_page
from onefold.records.timeline_weeks import Weeks
from tests.integration.contacts.canaries import CANARY, everything, holder, left, line, play, put, story, words
from tests.support.worlds import START, event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from onefold.contacts.erase import Erasing
    from tests.support.servers import Database

pytestmark = pytest.mark.policy("eager")
ANN = User("ann@host", "she asked for it")
NEVER = 5_000_000
"""Minutes: later than the clock."""


async def gone(store: Store, named: UUID) -> Erasing:
    async with store.transaction(["acme"]) as connection:
        return await erase(connection, "acme", named, ANN, shards=4)


@pytest.mark.asyncio
async def test_no_row_of_any_table_says_anything_of_an_erased_person(store: Store, database: Database) -> None:
    """S103, S105, S107, I7, I17: a husk and a tombstone for every id; what the outbox still holds keeps its versions alone; Ben keeps his."""
    her, ben = await everything(store)
    everywhere = {
        "challenges", "contacts", "identifiers", "kept_apart", "log_details", "merges", "outbox", "outreach_messages", "parked", "quarantine",
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
async def test_a_lead_of_hers_that_waits_for_the_relay_is_never_relayed_and_those_of_others_are(store: Store) -> None:
    """S103: whatever she wrote it like; the same address is somebody else's in another workspace."""
    await play(store, *story())
    elsewhere = msgspec.structs.replace(words("elsewhere", "canary@example.com"), workspace="other")
    async with store.transaction(["acme"]) as connection:
        for each in (words("hers", " Canary@EXAMPLE.com"), words("bens", "ben@example.com"), elsewhere):
            await say(connection, each, shards=4)
    await gone(store, await holder(store, "user_id:canary1"))
    async with store.connection() as connection:
        rows = await connection.fetch("select payload from outbox where topic = 'interactions' order by id")
    assert [msgspec.json.decode(row["payload"])["event_id"] for row in rows] == ["bens", "elsewhere"]


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
