"""What a merge leaves behind, by an event or by a user, and that undoing it needs nothing else (security.md, S54)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from onefold.identity.assurance import Assurance
from onefold.records.reads import load_record
from tests.integration.contacts.test_merging import groups, holder, join, part, play
from tests.support.worlds import event

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.records.reads import ContactRecord
    from onefold.records.store import Store

pytestmark = [pytest.mark.asyncio, pytest.mark.policy("eager")]
ASSERTED = Assurance.ASSERTED
RECORDS = "select cause, survivor_record, absorbed_record, lost, undone from merges"
CHANGES = "select payload from outbox order by id"


async def record_of(store: Store, contact_id: UUID) -> ContactRecord:
    async with store.transaction(["acme"]) as connection:
        found = await load_record(connection, ["acme"], contact_id)
    assert found is not None
    return found


async def person(store: Store, contact_id: UUID) -> dict[str, Any]:
    """All that a merge mixes of a contact, and what it holds."""
    record = await record_of(store, contact_id)
    contact = record.contact
    held = sorted((each.semantic_type, each.normalised, each.assurance, each.is_validated) for each in record.tenures if each.is_open)
    plain = {name: getattr(contact, name) for name in ("contact_id", "given_name", "last_name", "type", "attributes", "created_at")}
    return {**plain, "held": held}


async def merge_of(store: Store) -> dict[str, Any]:
    """The one merge, as its record has it."""
    async with store.transaction(["acme"]) as connection:
        (row,) = await connection.fetch(RECORDS)
    return {name: msgspec.json.decode(value) if value is not None else None for name, value in row.items()}


async def told(store: Store, contact_id: UUID) -> dict[str, Any]:
    """The last change of a contact."""
    async with store.transaction(["acme"]) as connection:
        found = [msgspec.json.decode(row["payload"]) for row in await connection.fetch(CHANGES)]
    last: dict[str, Any] = [each for each in found if each.get("contact_id") == str(contact_id) and "version" in each][-1]
    return last


@pytest.mark.parametrize("by", ["event", "user"])
async def test_a_merge_keeps_who_and_why_and_both_sides_and_an_unmerge_restores_them(store: Store, by: str) -> None:
    """S54: who, why, on what evidence, before and after; the round trip leaves the same people with the same identifiers (I5)."""
    ann_said: dict[str, Any] = {"fields": {"given_name": "Ann", "last_name": "Lee"}, "attributes": {"plan": "pro"}}
    ben_said: dict[str, Any] = {"fields": {"given_name": "Ben"}, "attributes": {"plan": "free", "size": 7}}
    await play(
        store,
        event("email:a@example.com", "anonymous_token:a", assurance=ASSERTED, **ann_said),
        event("email:b@example.com", "anonymous_token:b", assurance=ASSERTED, minutes=1, **ben_said),
    )
    ann, ben = await holder(store, "email:a@example.com"), await holder(store, "email:b@example.com")
    people, partition = [await person(store, each) for each in (ann, ben)], await groups(store)
    if by == "event":
        await play(store, event("email:a@example.com", "email:b@example.com", assurance=ASSERTED, minutes=2, event_id="both"))
    else:
        await join(store, ann, ben, {"given_name": ben})

    kept, after, record = await merge_of(store), await told(store, ann), await record_of(store, ann)
    who = {name: kept["cause"].get(name) for name in ("kind", "rule", "event_id", "topic", "semantic_type", "actor", "reason")}
    if by == "event":
        assert who == {"kind": "interaction", "rule": "shared_identifier", "event_id": "both", "topic": "interactions",
            "semantic_type": "email", "actor": None, "reason": None}  # fmt: skip
        assert "offset" in kept["cause"], "where its evidence lies on the log"
    else:
        assert who == {"kind": "user", "rule": "decided", "event_id": None, "topic": None, "semantic_type": None, "actor": "ann@host",
            "reason": "one person after all"}  # fmt: skip
    assert len(record.tenures) == 4
    assert all(record.evidence[each.tenure_id] for each in record.tenures), "each identifier says by which events it came"
    for side, before in zip(("survivor_record", "absorbed_record"), people, strict=True):
        assert (kept[side]["given_name"], kept[side].get("last_name")) == (before["given_name"], before["last_name"]), "before"
        assert kept[side]["attributes"] == before["attributes"]
    merged = await person(store, ann)
    assert (after["version"], after["contact"]["given_name"], [each["contact_id"] for each in after["merged"]]) == (
        2, merged["given_name"], [str(ben)],
    )  # fmt: skip
    assert set(kept["lost"]) >= {"given_name", "attributes.unbound.plan"}, "what gave way"
    assert (await told(store, ben))["merged_into"] == str(ann)

    await part(store, ben)
    assert [await person(store, each) for each in (ann, ben)] == people
    assert await groups(store) == partition
    undone = (await merge_of(store))["undone"]
    assert (undone["actor"], undone["reason"]) == ("ann@host", "one person after all")
