"""Pairs that are kept apart and barriers, on real Postgres: written, found again through trees, and read only where they may matter."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import pytest

from onefold.errors import ContactNotFound, Refused
from onefold.identity.assurance import Assurance
from onefold.identity.identifiers import identifier_key
from onefold.identity.plan import Barrier, KeptApart, OutcomeKind, Reason
from onefold.records import erased, snapshots
from onefold.records.apart import insert_barriers, keep_apart
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from tests.support.worlds import EXACT, START, at, event

if TYPE_CHECKING:
    from onefold.identity.contact import ContactId
    from onefold.identity.interaction import Interaction
    from onefold.identity.plan import Outcome
    from onefold.records.store import Store
    from tests.support.servers import Database

ANN, BEN = "email:ann@example.com", "email:ben@example.com"
ASSERTED = Assurance.ASSERTED


async def play(store: Store, *interactions: Interaction) -> list[Outcome]:
    resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        return (await resolution.resolve(connection, interactions, {"acme": EXACT}, "test")).outcomes


async def contact_of(store: Store, identifier: str) -> ContactId:
    (outcome,) = await play(store, event(identifier, assurance=ASSERTED))
    assert outcome.contact_id is not None
    return outcome.contact_id


def pair(one: UUID, other: UUID) -> KeptApart:
    return KeptApart("acme", one, other, "refused", "ann@host", "two people", START)  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_a_pair_holds_for_whoever_absorbed_its_sides_since(store: Store) -> None:
    """Architecture, section 4: and neither side gets a version of it, since nothing of it shows."""
    ann, ben = await contact_of(store, ANN), await contact_of(store, BEN)
    async with store.transaction(["acme"]) as connection:
        await keep_apart(connection, pair(ben, ann))
        assert {row["version"] for row in await connection.fetch("select version from contacts")} == {1}
    await play(store, event("user_id:7", assurance=ASSERTED, minutes=-5), event("user_id:7", BEN, assurance=ASSERTED, minutes=1))
    seven = await contact_of(store, "user_id:7")
    assert await contact_of(store, BEN) == seven != ben
    (outcome,) = await play(store, event("user_id:7", ANN, assurance=ASSERTED, minutes=2))
    assert (outcome.kind, outcome.reason, outcome.contact_id) == (OutcomeKind.SEEN, Reason.KEPT_APART, seven)
    assert await contact_of(store, ANN) == ann


@pytest.mark.asyncio
async def test_whoever_is_apart_from_somebody_joins_everybody_else(store: Store) -> None:
    ann, ben = await contact_of(store, ANN), await contact_of(store, BEN)
    other = [await contact_of(store, f"email:{name}@example.com") for name in ("cid", "dan")]
    async with store.transaction(["acme"]) as connection:
        await keep_apart(connection, pair(ann, ben))
        await keep_apart(connection, pair(*other))
    (outcome,) = await play(store, event(ANN, "email:cid@example.com", assurance=ASSERTED, minutes=2))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.MERGED, None)
    outcomes = await play(
        store,
        event(ANN, "email:dan@example.com", assurance=ASSERTED, minutes=3),
        event(BEN, "email:dan@example.com", assurance=ASSERTED, minutes=4),
    )
    assert [each.reason for each in outcomes] == [Reason.KEPT_APART, None]


@pytest.mark.asyncio
async def test_two_that_are_one_by_now_are_not_kept_apart(store: Store) -> None:
    ann, ben = await contact_of(store, ANN), await contact_of(store, BEN)
    await play(store, event(ANN, BEN, assurance=ASSERTED, minutes=1))
    async with store.transaction(["acme"]) as connection:
        with pytest.raises(Refused, match="are one contact by now"):
            await keep_apart(connection, pair(ann, ben))
        with pytest.raises(ContactNotFound):
            await keep_apart(connection, pair(ann, UUID(int=9)))


@pytest.mark.asyncio
async def test_a_barrier_is_found_by_older_events_only_and_never_gets_earlier(store: Store) -> None:
    """Old news takes nothing back; of a value that nobody holds, too."""
    ann = await contact_of(store, ANN)
    phone = identifier_key("phone", "+4915112345678")
    async with store.transaction(["acme"]) as connection:
        await insert_barriers(connection, [Barrier("acme", phone, at(10)), Barrier("acme", phone, at(5))])
        await insert_barriers(connection, [Barrier("acme", phone, at(7))])
    late = event(ANN, "phone:+4915112345678", assurance=ASSERTED, minutes=9)
    outcomes = await play(store, late, event("phone:+4915112345678", minutes=9.5))
    assert [(each.kind, each.reason) for each in outcomes] == [
        (OutcomeKind.SEEN, Reason.BARRED),
        (OutcomeKind.BARRED, Reason.BARRED),
    ]
    (outcome,) = await play(store, event(ANN, "phone:+4915112345678", assurance=ASSERTED, minutes=10))
    assert (outcome.kind, outcome.reason, outcome.contact_id) == (OutcomeKind.ATTACHED, None, ann)


@pytest.mark.asyncio
async def test_pairs_and_barriers_are_seen_in_their_own_workspace_only(store: Store) -> None:
    """S90."""
    ann, ben = await contact_of(store, ANN), await contact_of(store, BEN)
    async with store.transaction(["acme"]) as connection:
        await keep_apart(connection, pair(ann, ben))
        await insert_barriers(connection, [Barrier("acme", identifier_key("email", "x@example.com"), at(1))])
    for workspace, expected in (("acme", 2), ("other", 0)):
        async with store.transaction([workspace]) as connection:
            found = "select (select count(*) from kept_apart) + (select count(*) from barriers)"
            assert await connection.fetchval(found) == expected


@pytest.mark.asyncio
async def test_the_statements_go_by_index_at_size(store: Store, database: Database) -> None:
    """Prepared on empty tables, run on full ones (architecture, section 4)."""
    ids, keys = [UUID(int=number) for number in range(20)], [bytes(15) + bytes([number]) for number in range(200)]
    statements = (
        (snapshots.TENURES, (keys, ["acme"], START), ("barriers", "identifiers", "suppressions")),
        (snapshots.APART, (ids, ["acme"]), ("kept_apart",)),
        (snapshots.TREES, (ids, ["acme"]), ("contacts",)),
        (erased.BARRED, (keys, "acme"), ("suppressions",)),
    )
    async with store.transaction(["acme"]) as connection:
        for statement, arguments, _ in statements:
            await connection.fetch(statement, *arguments)
    admin = await asyncpg.connect(database.admin_url)
    await admin.execute("select set_config('onefold.workspaces', 'acme', false)")
    await admin.execute(
        "insert into kept_apart select 'acme', lpad(to_hex(i), 32, '0')::uuid, lpad(to_hex(i + 1), 32, '0')::uuid, 'refused', 'x', null, now()"
        " from generate_series(1, 20000) i"
    )
    await admin.execute(
        "insert into barriers select 'acme', decode(lpad(to_hex(i), 32, '0'), 'hex'), now() from generate_series(1, 20000) i"
    )
    await admin.execute(
        "insert into suppressions select 'acme', sha256(convert_to(i::text, 'UTF8')), now() from generate_series(1, 20000) i"
    )
    await admin.close()
    async with store.transaction(["acme"]) as connection:
        for statement, arguments, tables in statements:
            plan = "\n".join(row[0] for row in await connection.fetch(f"explain {statement}", *arguments))
            for table in tables:
                assert f"Seq Scan on {table}" not in plan, plan
