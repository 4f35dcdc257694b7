"""An eviction on real Postgres: what a proof takes is written as a separation, told for both contacts, and found again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from onefold.identity.assurance import Assurance
from onefold.identity.plan import OutcomeKind, Reason
from onefold.identity.separation import bucket
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from onefold.identity.interaction import Interaction
    from onefold.identity.plan import Outcome
    from onefold.records.store import Store

ANN, T1, T2, T3 = "email:ann@example.com", "anonymous_token:t1", "anonymous_token:t2", "anonymous_token:t3"
TENURES = """
select i.contact_id, i.held_from, i.held_until, i.is_validated, e.rule
from identifiers i join evidence e on e.tenure_id = i.tenure_id and e.ordinal = 1
where i.identifier_key = $1 order by i.held_until nulls last
"""


async def play(store: Store, *interactions: Interaction) -> list[Outcome]:
    resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        return (await resolution.resolve(connection, interactions, {"acme": EXACT}, "test")).outcomes


def proof(token: str, minutes: float) -> Interaction:
    return event(token, ANN, assurance=Assurance.PROVED, proof=ANN, minutes=minutes)


async def stored(store: Store, statement: str, *arguments: object) -> list[Any]:
    async with store.transaction(["acme"]) as connection:
        return list(await connection.fetch(statement, *arguments))


@pytest.mark.asyncio
async def test_an_eviction_is_a_separation_that_both_contacts_tell(store: Store) -> None:
    """R9, I5, I7: its bucket makes index entries of the identifier doubtful; values that came with it are found by what was stored."""
    claim = event(T2, ANN, "phone:+4915112345678", attributes={"plan": "pro"})
    await play(store, claim, event(T2, attributes={"page": "x"}, minutes=1), event(T1, minutes=2))
    assert await stored(store, "select * from separations") == []
    (outcome,) = await play(store, proof(T1, 10))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.EVICTED, Reason.PROOF)

    key = claim.identifiers[1].key
    assert [row["bucket"] for row in await stored(store, "select bucket from separations")] == [bucket("acme", key)]
    ended, present = await stored(store, TENURES, key)
    assert (ended["held_until"], present["held_from"], present["held_until"]) == (outcome.interaction.at, outcome.interaction.at, None)
    assert (ended["is_validated"], present["is_validated"], present["rule"]) == (False, True, "eviction")
    assert (present["contact_id"], ended["contact_id"] != present["contact_id"]) == (outcome.contact_id, True)

    told = [msgspec.json.decode(row["payload"]) for row in await stored(store, "select payload from outbox order by id")][-2:]
    assert {each["contact_id"]: each["changes"]["identifiers"] for each in told} == {
        str(ended["contact_id"]): [[ANN], []],
        str(present["contact_id"]): [[], [ANN, T1]],
    }
    assert {each["cause"]["rule"] for each in told} == {"eviction"}
    values = {
        row["contact_id"]: msgspec.json.decode(row["attributes"])
        for row in await stored(store, "select contact_id, attributes from contacts")
    }
    assert values == {
        ended["contact_id"]: {"unbound": {"plan": "pro", "page": "x"}},
        present["contact_id"]: {"unbound": {"plan": "pro"}},
    }


@pytest.mark.asyncio
async def test_after_an_eviction_events_find_whoever_had_the_identifier_at_their_time(store: Store) -> None:
    """R7, R10: the same proof again changes nothing, a claim from before it is credited to the claimant, a later proof joins."""
    (claimed, _) = await play(store, event(T2, ANN), event(T1, minutes=1))
    (first,) = await play(store, taken := proof(T1, 10))
    again, late, later = await play(store, taken, event(ANN, minutes=5), proof(T3, 20))
    assert (again.kind, again.contact_id) == (OutcomeKind.SEEN, first.contact_id)
    assert late.contact_id == claimed.contact_id != first.contact_id
    assert later.contact_id == first.contact_id
