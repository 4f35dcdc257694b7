"""Two resolvers, Postgres and Valkey in one process, without Kafka; and what must be true of them at rest."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple
from uuid import UUID

import asyncpg
from msgspec.structs import replace

from onefold.contacts import acting, change, identifiers
from onefold.contacts.acting import User
from onefold.contacts.consent import Word, consent
from onefold.contacts.create import Draft, create
from onefold.contacts.erase import erase
from onefold.contacts.merge import Wish, merge
from onefold.contacts.unmerge import unmerge
from onefold.identity import decided
from onefold.identity.contact import ContactId
from onefold.identity.identifiers import Identifier, identifier_key
from onefold.identity.plan import Quarantined
from onefold.index.recognise import recognise
from onefold.index.upkeep import IndexUpkeep
from onefold.ops.check import erasure, index, people
from onefold.ops.check.differences import Found
from onefold.ops.check.lines import Lines
from onefold.ops.check.look import Examined, Look
from onefold.ops.check.versions import Versions
from onefold.records import checks, quarantine
from onefold.records.histories import tenure_then
from onefold.records.incarnations import begin_incarnation
from onefold.records.numbers import TenureNumbers
from onefold.records.store import Store
from tests.integration.index.workers import SECRET, worker
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from onefold.identity.classification import Classification
    from onefold.identity.interaction import Interaction
    from onefold.index.naming import Naming
    from onefold.topics.client import KafkaConnection
    from tests.integration.index.workers import Worker
    from tests.support.servers import Database

GROUPS = """
select array_agg(i.semantic_type || ':' || i.normalised || '=' || i.assurance) as members, c.type, c.given_name, c.last_name,
  c.attributes ->> 'unbound' as attributes, c.tags::text as tags, c.archived_at is not null as is_archived, c.consent -> 'newsletter' ->> 'state' as consent,
  array_agg(i.semantic_type || ':' || i.slug) filter (where i.slug is not null) as labels
from contacts c join identifiers i on i.contact_id = c.contact_id and i.workspace = c.workspace and i.held_until is null
group by c.workspace, c.contact_id
"""
EVERYTHING = (
    "truncate contacts, links, identifiers, evidence, merges, outbox, separations, kept_apart, barriers, proposals, quarantine, erasures,"
    " erased_tenures, suppressions, log_entries, log_details, log_heads"
)
TABLES = """
select table_name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'
  and table_name not in ('outbox', 'alembic_version') order by table_name
"""
ANN = User("ann@host", "a test")
EVERYBODY = (UUID(int=0), UUID(int=(1 << 128) - 1))


class Person(NamedTuple):
    """A contact without its id, which tells who came first."""

    identifiers: list[str]
    """`type:normalised=assurance`, sorted."""
    type: str
    given_name: str | None
    last_name: str | None
    attributes: dict[str, object]
    tags: list[str]
    is_archived: bool
    consent: str | None
    """The word on the one purpose that there is."""
    labels: list[str]
    """`type:slug`, sorted."""


@dataclass
class Met:
    """An interaction as recognising sees it."""

    interaction: Interaction
    naming: Naming
    seconds: float = field(init=False)
    assurance: int = field(init=False)
    may_change: bool = field(init=False)

    def __post_init__(self) -> None:
        self.seconds = self.interaction.at.timestamp()
        self.assurance = int(self.interaction.assurance)
        self.may_change = self.interaction.carries_values or self.interaction.proof is not None


@dataclass
class System:
    """What the rules of the machine act on."""

    store: Store
    owner: asyncpg.Connection
    """Of the schema."""
    upkeep: IndexUpkeep
    workers: Sequence[Worker]
    numbers: TenureNumbers = field(default_factory=TenureNumbers)
    hot: int = 0
    """Interactions for which the index vouched."""
    saved: dict[bytes, bytes] = field(default_factory=dict)
    """The index as it once was."""

    async def take(self, worker: Worker, interactions: Sequence[Interaction]) -> list[ContactId | None]:
        """One batch by its path: look up, fence, recognise, resolve the rest, commit, tell the index. Gives whom they are credited to."""
        credited = await self.take_untold(worker, interactions)
        await worker.write_back()
        return credited

    async def take_untold(self, worker: Worker, interactions: Sequence[Interaction]) -> list[ContactId | None]:
        """The same by a worker that dies before it tells the index."""
        credited = await self._resolve(worker, interactions)
        await worker.commit()
        return credited

    async def begin_in_vain(self, worker: Worker, interactions: Sequence[Interaction]) -> None:
        """The same by a worker that dies before its commit."""
        await self._resolve(worker, interactions)
        await worker.roll_back()

    async def _resolve(self, worker: Worker, interactions: Sequence[Interaction]) -> list[ContactId | None]:
        interactions = await self._without_quarantined(interactions)
        hints = await worker.look_up(*interactions)
        met = [Met(each, worker.naming(each)) for each in interactions]
        found = recognise(met, await worker.valid(hints))
        await worker.resolve(*(each.interaction for each, voucher in zip(met, found, strict=True) if voucher is None))
        self.hot += sum(voucher is not None for voucher in found)
        decided = iter(worker.plan.outcomes)
        return [next(decided).contact_id if voucher is None else ContactId(UUID(voucher.contact.decode())) for voucher in found]

    async def _without_quarantined(self, interactions: Sequence[Interaction]) -> list[Interaction]:
        """As resolvers read them, under rules that know what is in quarantine."""
        async with self.store.transaction(["acme"]) as connection:
            held = {each.identifier_key for each in await quarantine.list_values(connection, "acme", 100)}
        return [each.without(held) for each in interactions]

    async def merge(self, survivor: ContactId, absorbed: ContactId) -> None:
        """A person makes one of two contacts."""
        async with self.store.transaction(["acme"]) as connection:
            await merge(connection, "acme", Wish(survivor, absorbed, {}), ANN, shards=4)

    async def unmerge(self, absorbed: ContactId) -> None:
        """A person undoes the merge that absorbed a contact."""
        async with self.store.transaction(["acme"]) as connection:
            await unmerge(connection, "acme", absorbed, ANN, shards=4)

    async def erase(self, who: ContactId) -> None:
        """A person erases another one."""
        async with self.store.transaction(["acme"]) as connection:
            await erase(connection, "acme", who, ANN, shards=4)

    async def create(self, given: Sequence[str], name: str | None, act_id: str) -> ContactId:
        """A person makes a contact. Acts are named at random otherwise, and a run would not be the same again."""
        raw = [identifiers.Raw(kind, value) for kind, _, value in (each.partition(":") for each in given)]
        draft = Draft(raw, {"given_name": name} if name is not None else {})
        async with self.store.transaction(["acme"]) as connection:
            act = replace(await acting.begin(connection, ANN), act_id=act_id)
            return (await create(connection, "acme", draft, ANN, numbers=self.numbers, act=act, shards=4)).contact_id

    async def add(self, who: ContactId, identifier: str) -> None:
        """A person gives a contact an identifier."""
        kind, _, value = identifier.partition(":")
        async with self.store.transaction(["acme"]) as connection:
            await identifiers.add(connection, "acme", who, [identifiers.Raw(kind, value)], ANN, numbers=self.numbers, shards=4)

    async def remove(self, who: ContactId, identifier: str) -> None:
        """A person takes an identifier from a contact."""
        kind, _, value = identifier.partition(":")
        async with self.store.transaction(["acme"]) as connection:
            await identifiers.remove(connection, "acme", who, identifier_key(kind, value), ANN, shards=4)

    async def amend(self, who: ContactId, identifier: str, wanted: identifiers.Amendment) -> None:
        """A person calls an identifier otherwise, or changes its value."""
        kind, _, value = identifier.partition(":")
        key = identifier_key(kind, value)
        async with self.store.transaction(["acme"]) as connection:
            await identifiers.amend(connection, "acme", who, key, wanted, ANN, numbers=self.numbers, shards=4)

    async def classify(self, who: ContactId, wanted: Classification, tags: Sequence[str]) -> None:
        """A person hangs something on a contact."""
        async with self.store.transaction(["acme"]) as connection:
            snapshot, contact = await acting.one_contact(connection, "acme", who, will_write=True)
            plan = decided.classify(snapshot, contact, wanted, await acting.begin(connection, ANN), tags=tags)
            if plan.writes:
                await acting.write(connection, plan, 4, ANN)

    async def edit(self, who: ContactId, path: str, value: object) -> None:
        """A person changes a value."""
        async with self.store.transaction(["acme"]) as connection:
            await change.edit(connection, "acme", who, change.Edit({path: value}), ANN, shards=4)

    async def validate(self, identifier: str) -> None:
        """A person has checked an identifier."""
        kind, _, value = identifier.partition(":")
        async with self.store.transaction(["acme"]) as connection:
            await change.validate(connection, "acme", Identifier(kind, value, value, None, identifier_key(kind, value)), ANN, shards=4)

    async def archive(self, who: ContactId, what: Literal["archive", "restore"]) -> None:
        """A person archives a contact, or takes it out of the archive."""
        async with self.store.transaction(["acme"]) as connection:
            await change.archive(connection, "acme", who, what, ANN, shards=4)

    async def consent(self, who: ContactId, state: Literal["granted", "denied"]) -> None:
        """A person said something of a purpose."""
        async with self.store.transaction(["acme"]) as connection:
            await consent(connection, "acme", who, [Word("newsletter", state, "call")], ANN, shards=4)

    async def quarantine(self, identifier: str, interaction: Interaction) -> None:
        """A value joined too many contacts, as an interaction found out."""
        kind, _, value = identifier.partition(":")
        async with self.store.transaction(["acme"]) as connection:
            tenure = await tenure_then(connection, "acme", identifier_key(kind, value), None)
            assert tenure is not None
            await quarantine.put(connection, [Quarantined(tenure, 50, interaction)])

    async def release(self, identifier: str) -> None:
        """A person lets a value resolve again."""
        kind, _, value = identifier.partition(":")
        async with self.store.transaction(["acme"]) as connection:
            await quarantine.release_value(connection, "acme", identifier_key(kind, value), actor="ann@host", reason=None)

    async def empty(self) -> None:
        """Nobody was ever here."""
        await self.owner.execute(EVERYTHING)
        await self.begin_anew()
        await self.lose_index()

    async def lose_index(self) -> None:
        """Redis is empty."""
        await self.upkeep.remove(await self._entries())

    async def save_index(self) -> None:
        """Keep the index as it is."""
        self.saved = await self._entries()

    async def restore_index(self) -> None:
        """Redis is what it was when it was kept."""
        await self.upkeep.remove(await self._entries())
        await self.upkeep.write(self.saved)

    async def begin_anew(self) -> None:
        """A new incarnation, as after a restore of the store."""
        async with self.store.begin() as connection:
            await begin_incarnation(connection)

    async def people(self) -> list[Person]:
        """Who holds identifiers."""
        async with self.store.transaction(["acme"]) as connection:
            rows = await connection.fetch(GROUPS)
        return sorted(
            Person(
                sorted(row[0]), row[1], row[2], row[3], json.loads(row[4] or "{}"), json.loads(row[5]), row[6], row[7], sorted(row[8] or ())
            )
            for row in rows
        )

    async def left_of(self, values: Sequence[str]) -> list[str]:
        """Tables, but for what waits for the relay, in which one of these values lies."""
        found = []
        await self.owner.execute("select set_config('onefold.workspaces', 'acme', false)")
        for row in await self.owner.fetch(TABLES):
            looked = f"select v from unnest($1::text[]) v where exists (select from {row[0]} t where strpos(t::text, v) > 0)"  # noqa: S608
            found += [f"{row[0]}: {each[0]}" for each in await self.owner.fetch(looked, values)]
        return found

    async def check(self) -> list[str]:
        """What is wrong: I3, I4, I5 without lines, I6, I17, and I7 of what waits in the outbox."""
        kafka: KafkaConnection = None  # type: ignore[assignment]  # none of these asks for it
        examined = Examined(self.store, kafka, frozenset({"acme"}), "none", self.upkeep, SECRET, timedelta(days=30))
        look = Look(examined, _lines=Lines({}, examined.sees))
        looks = (people.one_owner, people.redirects_sound, people.same_people, index.index_equals_truth, erasure.erasure_sticks)
        found = [await each(look) for each in looks]
        return [str(each) for one in (*found, await self._versions()) for each in one.differences]

    async def _versions(self) -> Found:
        found, versions = Found(), Versions(0.0)
        async with checks.looking(self.store, ["acme"]) as connection:
            async for contact in checks.listed_contacts(connection, *EVERYBODY, ["acme"]):
                versions.row(contact)
            async for key, payload in checks.waiting_changes(connection, b"", b"\xff"):
                versions.waiting(key, payload, lambda _: True)
        versions.compare(found)
        return found

    async def _entries(self) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        async for page in self.upkeep.scan():
            found |= page
        return found


@asynccontextmanager
async def system(database: Database, redis_url: str) -> AsyncIterator[System]:
    """A system of two workers on servers of the test's own."""
    store, upkeep = await Store.connect(database.app_url, idle_in_transaction_ms=120_000), IndexUpkeep(redis_url)
    owner = await asyncpg.connect(database.admin_url)
    try:
        await add_workspace(store, "acme")
        async with worker(store, redis_url, 0) as one, worker(store, redis_url, 1) as other:
            yield System(store, owner, upkeep, (one, other))
    finally:
        await owner.close()
        await upkeep.close()
        await store.close()
