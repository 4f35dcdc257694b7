"""Proposals on real Postgres: kept with their plan, decided on by people, carried out by proof (product.md, section 4; R26)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from msgspec import structs

from onefold.contacts.acting import User
from onefold.contacts.merge import Wish, merge
from onefold.contacts.proposals import accept, refuse
from onefold.contacts.unmerge import unmerge
from onefold.errors import ProposalClosed, ProposalNotFound
from onefold.identity.assurance import Assurance
from onefold.identity.plan import Reason
from onefold.records import proposals as records
from onefold.records.numbers import TenureNumbers
from onefold.records.reads import find_holder
from onefold.records.resolution import Resolution
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from onefold.identity.interaction import Interaction
    from onefold.identity.plan import Outcome
    from onefold.records.proposals import Proposal
    from onefold.records.store import Store

pytestmark = pytest.mark.policy("careful")
SHARDS = 4
BEA = User("bea@desk", "it is him")
ASSERTED, PROVED = Assurance.ASSERTED, Assurance.PROVED
CAREFUL = replace(EXACT, policy="careful")
ANN, BO = "email:ann@example.com", "email:bo@example.com"
TOKEN, ANNS = "anonymous_token:t", "anonymous_token:ann"


async def play(store: Store, *interactions: Interaction) -> list[Outcome]:
    """As resolvers do; appended now, since proposals expire by that time."""
    resolution = Resolution(shards=SHARDS, numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme", "other"]) as connection:
        now = await connection.fetchval("select now()")
        appended = [structs.replace(each, appended_at=now) for each in interactions]
        return (await resolution.resolve(connection, appended, {"acme": CAREFUL, "other": CAREFUL}, "test")).outcomes


async def listed(store: Store, workspace: str = "acme", *, all_: bool = False) -> list[Proposal]:
    async with store.transaction([workspace]) as connection:
        return await records.list_proposals(connection, workspace, 100, states=records.STATES if all_ else {"open"})


async def holder(store: Store, identifier: str) -> UUID:
    kind, _, value = identifier.partition(":")
    async with store.transaction(["acme"]) as connection:
        found = await find_holder(connection, ["acme"], kind, value)
    assert found is not None
    return found[1]


async def take(store: Store, named: UUID) -> None:
    async with store.transaction(["acme"]) as connection:
        await accept(connection, "acme", named, BEA, shards=SHARDS)


async def turn_down(store: Store, named: UUID) -> None:
    async with store.transaction(["acme"]) as connection:
        await refuse(connection, "acme", named, BEA, execute=True)


async def states(store: Store) -> Sequence[str]:
    return [each.state for each in await listed(store, all_=True)]


def claim(*identifiers: str, minutes: int = 10) -> Interaction:
    return event(*identifiers, minutes=minutes)


async def two_known(store: Store) -> Proposal:
    """A claim on Bo's device names Ann."""
    await play(store, event(ANN, assurance=ASSERTED), event(BO, TOKEN, assurance=ASSERTED, minutes=1))
    await play(store, claim(TOKEN, ANN))
    (proposal,) = await listed(store)
    return proposal


@pytest.mark.asyncio
async def test_what_a_guard_kept_apart_is_kept_with_its_cause(store: Store) -> None:
    """R26, guard 3: with the interaction's position; nobody was locked, nothing else was written."""
    proposal = await two_known(store)
    assert set(proposal.contacts) == {await holder(store, ANN), await holder(store, BO)}
    assert (proposal.guard, proposal.semantic_type, proposal.first) == (Reason.KNOWN, "anonymous_token", proposal.last)
    assert proposal.expires_at - proposal.proposed_at == timedelta(days=90)
    assert await listed(store, "other") == []


@pytest.mark.asyncio
async def test_a_pair_has_one_proposal_however_often_it_is_named(store: Store) -> None:
    """R26, R7: the same event, and a thousand others, leave the one row with the first of them, and the last to within an hour."""
    proposal = await two_known(store)
    await play(store, *(claim(TOKEN, ANN, minutes=minute) for minute in range(11, 20)))
    assert await listed(store) == [proposal]
    async with store.transaction(["acme"]) as connection:
        await connection.execute("update proposals set proposed_at = proposed_at - interval '2 hours'")
    again = claim(TOKEN, ANN, minutes=30)
    await play(store, again)
    (later,) = await listed(store)
    assert (later.proposal_id, later.first, later.last.event_id) == (proposal.proposal_id, proposal.first, again.event_id)


@pytest.mark.asyncio
async def test_an_accepted_proposal_makes_the_two_one_and_says_who_did_it(store: Store) -> None:
    proposal = await two_known(store)
    await take(store, proposal.proposal_id)
    assert await holder(store, ANN) == await holder(store, BO)
    (closed,) = await listed(store, all_=True)
    assert (closed.state, closed.actor, closed.reason) == ("accepted", "bea@desk", "it is him")
    assert await listed(store) == []
    with pytest.raises(ProposalClosed, match="one by now"):
        await take(store, proposal.proposal_id)


@pytest.mark.asyncio
async def test_a_refused_proposal_keeps_the_two_apart_for_events(store: Store) -> None:
    """Product.md, section 4: not even an assertion joins them, and nothing proposes them again."""
    proposal = await two_known(store)
    await turn_down(store, proposal.proposal_id)
    assert await states(store) == ["refused"]
    (outcome,) = await play(store, event(ANN, BO, assurance=ASSERTED, minutes=20))
    assert outcome.reason is Reason.KEPT_APART
    await play(store, claim(TOKEN, ANN, minutes=21))
    assert (await states(store), await holder(store, ANN) == await holder(store, BO)) == (["refused"], False)
    with pytest.raises(ProposalClosed, match="kept apart"):
        await turn_down(store, proposal.proposal_id)


@pytest.mark.asyncio
async def test_a_proposal_is_carried_out_by_itself_when_the_visitor_proves_it(store: Store) -> None:
    """Product.md, section 4, R10."""
    await two_known(store)
    await play(store, event(TOKEN, ANN, assurance=PROVED, proof=ANN, minutes=20))
    assert (await states(store), await holder(store, ANN) == await holder(store, BO)) == (["carried_out"], True)


@pytest.mark.asyncio
async def test_a_ghost_that_a_proof_leaves_with_nothing_is_proposed_no_more(store: Store) -> None:
    """R1, R9, R26: what was proved went to the prover, and a contact without identifiers has no proposal."""
    await play(store, event(ANN, ANNS, assurance=ASSERTED), claim(ANNS, BO))
    assert await states(store) == ["open"]
    await play(store, event(ANNS, BO, assurance=PROVED, proof=BO, minutes=20))
    assert (await states(store), await holder(store, ANN) == await holder(store, BO)) == (["void"], True)


@pytest.mark.asyncio
async def test_a_proposal_follows_the_contacts_that_its_own_were_merged_into(store: Store) -> None:
    """One for each pair: what was proposed of an absorbed contact counts for its survivor."""
    proposal = await two_known(store)
    await play(store, event("email:cy@example.com", "phone:+4915112345678", assurance=ASSERTED, minutes=2))
    cy = await holder(store, "email:cy@example.com")
    async with store.transaction(["acme"]) as connection:
        await merge(connection, "acme", Wish(cy, await holder(store, BO), {}), BEA, shards=SHARDS)
    await play(store, claim(TOKEN, ANN, minutes=30))
    (led,) = await listed(store)
    assert set(led.contacts) == {cy, await holder(store, ANN)}
    async with store.transaction(["acme"]) as connection:
        assert [each.state for each in await records.proposals_of(connection, "acme", cy, 10)] == ["open", "open"]
        assert len(await records.between(connection, "acme", {cy, *proposal.sides}, {await holder(store, ANN)})) == 2
    await take(store, proposal.proposal_id)
    assert await states(store) == ["accepted", "accepted"], "the other one is of the same pair"


@pytest.mark.asyncio
async def test_an_unmerge_refuses_what_had_been_accepted(store: Store) -> None:
    proposal = await two_known(store)
    await take(store, proposal.proposal_id)
    survivor = await holder(store, ANN)
    absorbed = next(each for each in proposal.sides if each != survivor)
    async with store.transaction(["acme"]) as connection:
        await unmerge(connection, "acme", absorbed, BEA, shards=SHARDS)
    assert await states(store) == ["refused"]


@pytest.mark.asyncio
async def test_a_proposal_expires_and_is_forgotten_in_the_end(store: Store) -> None:
    """Product.md, section 4: after 90 days nobody accepts it; once more as long after that its row goes, by the way."""
    proposal = await two_known(store)
    async with store.transaction(["acme"]) as connection:
        await connection.execute("update proposals set proposed_at = now() - interval '91 days'")
    assert (await listed(store), await states(store)) == ([], ["expired"])
    with pytest.raises(ProposalClosed, match="90 days"):
        await take(store, proposal.proposal_id)
    async with store.transaction(["acme"]) as connection:
        await connection.execute("update proposals set proposed_at = now() - interval '181 days'")
    await play(store, claim("anonymous_token:x", ANN, "phone:+4915112345679", minutes=40))
    (left,) = await listed(store, all_=True)
    assert left.proposal_id != proposal.proposal_id


@pytest.mark.asyncio
async def test_a_preview_writes_nothing(store: Store) -> None:
    proposal = await two_known(store)
    async with store.transaction(["acme"]) as connection:
        merging = await accept(connection, "acme", proposal.proposal_id, BEA)
        await refuse(connection, "acme", proposal.proposal_id, BEA, execute=False)
    assert merging.survivor.contact_id == await holder(store, ANN), "the one that was seen first"
    assert await listed(store) == [proposal]


@pytest.mark.asyncio
async def test_proposals_of_another_workspace_are_nobodys(store: Store) -> None:
    """S90, S94."""
    proposal = await two_known(store)
    async with store.transaction(["other"]) as connection:
        with pytest.raises(ProposalNotFound):
            await accept(connection, "other", proposal.proposal_id, BEA, shards=SHARDS)
        assert await records.find_proposal(connection, "acme", proposal.proposal_id) is None
        assert await records.find_proposal(connection, "other", uuid4()) is None


@pytest.mark.asyncio
async def test_proposals_are_written_and_read_by_their_indexes_whatever_lies_there(store: Store) -> None:
    """On tables that were empty when the statements were prepared, and then grew."""
    fill = """
    insert into proposals (workspace, proposal_id, one, other, guard, semantic_type, first_at, first_event, first_partition, first_offset,
      last_at, last_event, last_partition, last_offset, proposed_at)
    select 'w' || n % 50, gen_random_uuid(), ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid,
      ('ffffffff-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'known', 'email', now(), n, 0, n, now(), n, 0, n,
      now() - n * interval '1 s'
    from generate_series(1, 20000) n
    """
    some = [uuid4()]
    questions: list[tuple[str, tuple[object, ...]]] = [
        (records.NEWEST, (records.EXPIRES, "w1", None, None, records.EXPIRES, 20)),
        (records.OF, (records.EXPIRES, "w1", some, 20)),
        (records.ONE, (records.EXPIRES, "w1", some[0], None, None)),
        (records.ONE, (records.EXPIRES, "w1", some[0], ["owner"], str(some[0]))),
        (records.DECIDE, (some, "w1", "refused", None, "a", None)),
        (records.FORGET, (["w1"], records.KEPT, 10)),
        (records.TREE, (some[0], "w1")),
    ]
    async with store.transaction([f"w{number}" for number in range(50)]) as connection:
        for statement, arguments in questions:
            await connection.fetch(statement, *arguments)
        await connection.execute(fill)
        for statement, arguments in questions:
            plan = "\n".join(row[0] for row in await connection.fetch(f"explain {statement}", *arguments))
            assert "Seq Scan on proposals" not in plan, plan
