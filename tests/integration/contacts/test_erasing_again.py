"""A dump is restored that is older than erasures: whoever it brings back is erased again, from what the tombstones on the topic say."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from onefold import bootstrap
from onefold.contacts.acting import User
from onefold.contacts.erase import erase
from onefold.contacts.erasing_again import Told, erase_again, found_again, read_since, refuse_incomplete, tell_again
from onefold.contacts.merge import Wish, merge
from onefold.contacts.unmerge import unmerge
from onefold.errors import ConfigurationError, Refused
from onefold.identity.assurance import Assurance
from onefold.identity.contact import ContactId
from onefold.identity.identifiers import identifier_key
from onefold.identity.interaction import Position
from onefold.identity.plan import Excess, Limit, OutcomeKind, Parked
from onefold.installation.doctor import examine, refuse_unsafe
from onefold.messages import tombstones
from onefold.messages.topics import CONTACTS_CHANGED
from onefold.observe import Health
from onefold.records import parked, progress, store_place
from onefold.records.incarnations import present
from onefold.records.numbers import TenureNumbers
from onefold.records.store import Store
from onefold.topics.producer import IdempotentProducer
from onefold.topics.tail import follow_topic
from onefold.visitors.challenges import Ask, Challenges
from streams import relay
from tests.e2e.check.stories import check
from tests.integration.contacts.canaries import everything, holder, left, play
from tests.support.dumps import dump, restored
from tests.support.installations import Installation, installation, settings_of
from tests.support.worlds import event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    from tests.support.servers import Database, Services

ANN = User("ann@host", "asked for it")
ASSERTED = Assurance.ASSERTED
NEVER = 5_000_000
"""Minutes: later than the clock."""
STORY = [
    event("anonymous_token:ann", "email:ann@example.com", assurance=ASSERTED, event_id="ann"),
    event("anonymous_token:ben", "email:ben@example.com", assurance=ASSERTED, event_id="ben"),
    event("user_id:carl", assurance=ASSERTED, event_id="carl"),
    event("user_id:cora", assurance=ASSERTED, event_id="cora"),
    event("user_id:mia", assurance=ASSERTED, event_id="mia"),
    event("user_id:max", assurance=ASSERTED, event_id="max"),
]
SINCE = [
    event("anonymous_token:ann", "email:ann-second@example.com", assurance=ASSERTED, event_id="since", minutes=1),
    event("user_id:late", assurance=ASSERTED, event_id="late", minutes=2),
    event("user_id:lost", assurance=ASSERTED, event_id="lost", minutes=3),
]


@dataclass(frozen=True)
class Restored:
    """An installation, and its store as it was before people were erased."""

    mine: Installation
    database: Database
    store: Store


@asynccontextmanager
async def restored_since(
    services: Services, database: Database, prefix: str, redis_url: str, folder: Path
) -> AsyncIterator[tuple[Restored, dict[str, UUID]]]:
    """After the dump two were taken apart, of whom one was erased, twice; Ann, who went on, was erased; somebody came and was erased."""
    async with installation(services, database, prefix, redis_url, partitions=1) as mine:
        store = mine.store
        await progress.claim(store, progress.PartitionKey("resolver", "interactions", 0), "test")
        await refuse_unsafe(mine.role, uses_index=False)
        await play(store, *STORY)
        ids = {name: await holder(store, f"user_id:{name}") for name in ("carl", "cora", "mia", "max")}
        ids["ann"] = await holder(store, "anonymous_token:ann")
        async with store.transaction(["acme"]) as connection:
            await merge(connection, "acme", Wish(ids["carl"], ids["cora"], {}), ANN, shards=4)
            await merge(connection, "acme", Wish(ids["mia"], ids["max"], {}), ANN, shards=4)
        await relayed(mine)
        dumped = await dump(database, folder / "dump")
        await play(store, *SINCE)
        ids |= {name: await holder(store, f"user_id:{name}") for name in ("late", "lost")}
        for name in ("cora", "max"):
            async with store.transaction(["acme"]) as connection:
                await unmerge(connection, "acme", ids[name], ANN, shards=4)
        for name in ("ann", "carl", "max", "late"):
            async with store.transaction(["acme"]) as connection:
                await erase(connection, "acme", ids[name], ANN, shards=4)
        await relayed(mine)
        async with restored(services, dumped) as copy:
            second = await Store.connect(copy.app_url)
            try:
                yield Restored(mine, copy, second), ids
            finally:
                await second.close()


async def relayed(mine: Installation) -> None:
    """Move what waits in the outbox."""
    stopping = asyncio.Event()
    role = bootstrap.begin("relay", mine.role.settings)
    running = asyncio.create_task(relay.run(role, Health("relay", role.metrics.registry), stopping))
    async with asyncio.timeout(60), mine.store.connection() as connection:
        while await connection.fetchval("select exists (select from outbox)"):
            await asyncio.sleep(0.05)
    stopping.set()
    await running


@pytest.mark.asyncio
async def test_whoever_was_erased_after_the_dump_is_erased_again_and_nobody_else(
    services: Services, database: Database, topic_prefix: str, redis_url: str, tmp_path: Path
) -> None:
    """S108, S107: also those who came after the dump, identifiers that came after it, and merges that were undone after it."""
    async with restored_since(services, database, topic_prefix, redis_url, tmp_path) as (there, ids):
        store, kafka = there.store, there.mine.role.kafka
        assert await left(there.database, "ann@example.com") != []
        async with store.connection() as connection:
            since = await store_place.last_sign(connection)
        await refuse_incomplete(store, kafka, since)
        told = await read_since(kafka, since)
        assert told.contacts.keys() == {ids[name] for name in ("ann", "carl", "max", "late")}
        gone = {ids[name] for name in ("ann", "carl", "max")}
        assert set((await found_again(store, told)).contacts) == gone
        again = await erase_again(store, told)
        assert (set(again.contacts), again.beside) == (gone, [])
        assert await erase_again(store, told) == type(again)()
        for word in ("ann@example.com", "carl", "max"):
            # What waits for the relay tells Mia's followers which identifiers left her, as the first unmerge did.
            assert await left(there.database, word) == (["outbox"] if word == "max" else [])
        assert await holder(store, "user_id:cora") == ids["cora"]
        assert await holder(store, "user_id:mia") == ids["mia"]
        outcomes = await play(store, *STORY, *SINCE)
        barred = {each.interaction.event_id for each in outcomes if each.kind is OutcomeKind.BARRED}
        assert barred == {"ann", "carl", "max", "since", "late"}
        for word in ("ann", "carl", "max", "late"):
            assert await left(there.database, f"{word}@example.com") == []
        await play(store, event("anonymous_token:ann", event_id="new", minutes=NEVER))
        assert await holder(store, "anonymous_token:ann") != ids["ann"]


@pytest.mark.asyncio
async def test_no_table_of_a_restored_store_says_anything_of_whoever_was_erased_since(
    services: Services, database: Database, topic_prefix: str, redis_url: str, tmp_path: Path
) -> None:
    """S103, S108: also what waited of an address that nobody held yet when the dump was made, and became hers after it."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1, policy="eager") as mine:
        her, ben = await everything(mine.store)
        second = event("email:canary-second@example.com", event_id="second", minutes=8)
        waits = msgspec.structs.replace(second, raw=b'{"email": "canary-second@example.com"}', position=Position("t", 0, 2_000_000))
        excess = Excess(Limit.CONTACTS_PER_VALUE_DAY, "email", identifier_key("email", "canary-second@example.com"))
        async with mine.store.transaction(["acme"]) as connection:
            await parked.park(connection, [Parked(waits, (excess,), ContactId(ben))])
            await Challenges(b"c" * 32).ask(connection, Ask("acme", "validate", "email", "canary-second@example.com", "https://a.example"))
        dumped = await dump(database, tmp_path / "dump")
        both = event("user_id:canary1", "email:canary-second@example.com", assurance=ASSERTED, event_id="both-of-hers", minutes=9)
        await play(mine.store, both)
        async with mine.store.transaction(["acme"]) as connection:
            await erase(connection, "acme", her, ANN, shards=4)
        await relayed(mine)
        async with restored(services, dumped) as copy:
            store = await Store.connect(copy.app_url)
            assert {"contacts", "parked", "challenges", "outbox", "outreach_messages"} <= set(await left(copy, "canary"))
            told = await read_since(mine.role.kafka, None)
            again = await erase_again(store, told)
            await store.close()
            assert (len(again.contacts), again.beside) == (3, [])
            assert await left(copy, "canary") == []


@pytest.mark.asyncio
async def test_followers_who_heard_more_from_the_former_life_are_told_what_is_so_now(
    services: Services, database: Database, topic_prefix: str, redis_url: str, tmp_path: Path
) -> None:
    """S108, I7: of Mia as she was before her unmerge, of Cora that she was absorbed; of whoever came after the dump that they are gone."""
    async with restored_since(services, database, topic_prefix, redis_url, tmp_path) as (there, ids):
        store, kafka = there.store, there.mine.role.kafka
        async with store.begin() as connection:
            since = await store_place.last_sign(connection)
            await store_place.begin_life(connection)
            incarnation = (await present(connection)).name
        told = await read_since(kafka, since)
        assert told.changed.keys() == {ids[name] for name in ("cora", "mia", "lost")} | {await holder(store, "anonymous_token:ben")}
        await erase_again(store, told)
        await tell_again(store, told)
        again = {**there.mine.environment, "ONEFOLD_POSTGRES__URL": there.database.app_url}
        second = Installation(again, bootstrap.begin("test", settings_of(again)), store)
        await relayed(second)
        last: dict[str, Any] = {
            (record.key or b"").decode(): msgspec.json.decode(record.value) if record.value is not None else None
            async for record in follow_topic(kafka, CONTACTS_CHANGED, from_start=True, to_end=True)
        }
        assert last[str(ids["lost"])] is None
        mia = last[str(ids["mia"])]
        assert (mia["cause"]["rule"], mia["incarnation"], mia["changes"]) == ("restored", incarnation, {})
        assert [each["identifier"] for each in mia["contact"]["identifiers"]] == ["mia"]
        report = await check(again, "--only", "I7,I17")
        assert report.findings[0]["checked"] > 5
        assert report.differing == set()


@pytest.mark.asyncio
async def test_a_restored_store_is_not_served_until_it_is_settled_and_its_new_life_is_ahead_of_the_former(
    services: Services, database: Database, topic_prefix: str, redis_url: str, tmp_path: Path
) -> None:
    """S108: epochs and numbers of tenures that the former life gave after the dump are not given once more."""
    async with restored_since(services, database, topic_prefix, redis_url, tmp_path) as (there, _):
        settings = there.mine.role.settings
        moved = settings.postgres.model_copy(update={"url": type(settings.postgres.url)(there.database.app_url)})
        role = type(there.mine.role)("test", settings.model_copy(update={"postgres": moved}), there.mine.role.log, there.mine.role.metrics)
        with pytest.raises(ConfigurationError, match="onefold erasures reapply"):
            await refuse_unsafe(role, uses_index=False)
        assert next(each for each in await examine(role) if each.what == "place").is_well is False
        async with there.store.begin() as connection:
            before = await present(connection)
            (first,) = await TenureNumbers().take(connection, 1)
            await store_place.begin_life(connection)
            await store_place.settle(connection)
        async with there.store.begin() as connection:
            assert (await present(connection)).name != before.name
            (second,) = await TenureNumbers().take(connection, 1)
            assert await connection.fetchval("select epoch from progress") == store_place.EPOCHS + 1
            assert await connection.fetchval("select life from store_place") == 2
            assert await store_place.at_work(connection) == []
        assert second - first > store_place.NUMBERS
        await refuse_unsafe(role, uses_index=False)
        await refuse_unsafe(there.mine.role, uses_index=False)


@pytest.mark.asyncio
async def test_a_log_that_cannot_tell_of_everybody_is_refused(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """S108: tombstones go after 30 days, and a log that was made anew has none."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        now = datetime.now(UTC)
        await refuse_incomplete(mine.store, mine.role.kafka, now - timedelta(days=29))
        await refuse_incomplete(mine.store, mine.role.kafka, None)
        with pytest.raises(Refused, match="keeps tombstones for 30 days only"):
            await refuse_incomplete(mine.store, mine.role.kafka, now - timedelta(days=31))
        async with mine.store.begin() as connection:
            await connection.execute(
                "insert into progress (consumer, topic, partition, next_offset) values ('resolver', 'interactions', 0, 5)"
            )
        with pytest.raises(Refused, match="not the log that it lived with"):
            await refuse_incomplete(mine.store, mine.role.kafka, now)


@pytest.mark.asyncio
async def test_tombstones_of_an_earlier_release_are_counted_and_those_that_are_no_tombstones_passed_by(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """S108: whoever restores learns that somebody may be missing."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        async with IdempotentProducer(mine.role.kafka) as producer:
            await producer.send_many(CONTACTS_CHANGED, [(b"6e2b9a52-8f0c-4d3a-9f0e-0d8f4b1c7a11", None), (b"x", b"{}")])
        assert await read_since(mine.role.kafka, None) == Told(None, silent=1)


@pytest.mark.asyncio
async def test_a_tombstone_says_in_its_headers_when_and_what_was_erased(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """S105, S107: the ids of one person share the hashes of what they held; no header names an identifier."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        await play(mine.store, event("user_id:ann", "email:ann@example.com", assurance=ASSERTED), event("user_id:anna", assurance=ASSERTED))
        ann, anna = await holder(mine.store, "user_id:ann"), await holder(mine.store, "user_id:anna")
        async with mine.store.transaction(["acme"]) as connection:
            await merge(connection, "acme", Wish(ann, anna, {}), ANN, shards=4)
            erasing = await erase(connection, "acme", ann, ANN, shards=4)
            stored = {tuple(row) for row in await connection.fetch("select hash, at from suppressions")}
        await relayed(mine)
        found = [
            (record.key, tombstones.read(record.headers))
            async for record in follow_topic(mine.role.kafka, CONTACTS_CHANGED, from_start=True, to_end=True)
            if record.value is None
        ]
    (erasure,) = erasing.plan.erasures
    assert {key for key, _ in found} == {str(ann).encode(), str(anna).encode()}
    told = [each for _, each in found if each is not None]
    assert {tuple(bar) for each in told for bar in each.bars} == stored
    assert [len(each.bars) for each in told].count(0) == 0
    assert len(stored) == 3
    assert {each.workspace for each in told} == {"acme"}
    assert all(abs(each.at - erasure.act.at) < timedelta(milliseconds=1) for each in told)
