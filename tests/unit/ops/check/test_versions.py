"""I7: versions one after the other, and the last one told is the row; clean and each broken."""

from __future__ import annotations

import itertools
from typing import Any
from uuid import UUID

import msgspec
import pytest

from onefold.identity.contact import Contact, ContactId
from onefold.messages.contacts import ContactChange
from onefold.ops.check.differences import Found
from onefold.ops.check.versions import IDS, Versions, canonical, passes
from onefold.records.changes import change_row
from onefold.records.rows import summary_text
from tests.support.worlds import World, at, event

DAY_MS = 86_400_000.0
NOW = at(0).timestamp() * 1000


def story() -> tuple[World, list[ContactChange]]:
    """Ann, who changes twice, and a contact that she absorbs; with everything that was told."""
    world = World()
    world.play(
        event("anonymous_token:a", "email:ann@example.com", fields={"given_name": "Ann", "last_name": "Lee"}, minutes=0),
        event("anonymous_token:a", attributes={"plan": 1.0, "deep": {"x": [1, 2.5, None]}}, minutes=1),
        event("anonymous_token:b", minutes=2),
        event("anonymous_token:a", "anonymous_token:b", minutes=3),
    )
    told = [msgspec.json.decode(change_row(each, "life").payload, type=ContactChange) for plan in world.plans for each in plan.changes]
    return world, told


def rows(world: World) -> list[Contact]:
    """The contacts as they are stored, with what they hold."""
    found = []
    for contact in world.contacts.values():
        row = contact.fork()
        row.listed = [each for each in world.tenures.values() if each.contact_id == contact.contact_id and each.is_open]
        found.append(row)
    return found


def said(told: list[ContactChange], contacts: list[Contact], waiting: list[ContactChange] | None = None, *, horizon_ms: float = 0.0) -> str:
    versions, found = Versions(horizon_ms), Found()
    for contact in contacts:
        versions.row(contact)
    for change in told:
        versions.told(change, NOW)
    for change in waiting or []:
        versions.told(change, NOW, from_outbox=True)
    versions.compare(found)
    assert found.checked >= len(contacts)
    return "\n".join(each.what for each in found.differences)


def test_what_was_told_is_what_is() -> None:
    """I7."""
    world, told = story()
    assert len(told) == 5
    assert said(told, rows(world)) == ""
    assert said([], []) == ""


def test_repeats_are_no_difference() -> None:
    """I7: the relay sends a batch again after a failure."""
    world, told = story()
    assert said([*told[:3], *told[1:3], *told], rows(world)) == ""


@pytest.mark.parametrize("count", [1, 3, 5])
def test_what_waits_in_the_outbox_is_told(count: int) -> None:
    """I7: it may be on the topic as well, sent and not deleted yet."""
    world, told = story()
    assert said(told[:-count], rows(world), told[-count:]) == ""
    assert said(told, rows(world), told[-count:]) == ""


def test_a_gap_is_found_though_the_rest_is_there() -> None:
    """I7."""
    world, told = story()
    assert said([told[0], *told[2:]], rows(world)) == "versions 2 to 2 were not told before version 3"
    assert said(told[1:], rows(world)) == "versions 1 to 1 were not told before version 2"
    assert said([told[1], told[0], *told[2:]], rows(world)) == "versions 1 to 1 were not told before version 2"


def test_what_compaction_may_have_removed_is_no_gap() -> None:
    """I7: the missing version is no younger than the one after it, and may be as old as the one before."""
    world, told = story()
    assert said(told[1:], rows(world), horizon_ms=NOW + DAY_MS) == ""
    assert said([told[0], *told[2:]], rows(world), horizon_ms=NOW + DAY_MS) == ""


def test_a_last_version_that_was_not_told_is_found() -> None:
    """I7."""
    world, told = story()
    ann = next(contact for contact in rows(world) if contact.version == 3)
    assert said([each for each in told if each.version < 3], rows(world)).startswith("its row is at version 3; told")
    ann.version = 2
    assert "its row is at version 2; told, or waiting in the outbox, is version 3" in said(told, [ann])


def test_a_contact_that_was_told_and_is_no_row_is_found() -> None:
    """I7."""
    world, told = story()
    assert said(told, rows(world)[:1]) == "was told up to version 2, and there is no such row"


def _absorbed(contact: Contact) -> None:
    contact.merged_into = ContactId(UUID(int=9))


CHANGES: dict[str, Any] = {
    "type": lambda contact: setattr(contact, "type", "vendor"),
    "given_name": lambda contact: setattr(contact, "given_name", "Bea"),
    "email": lambda contact: setattr(contact, "email", None),
    "attributes": lambda contact: contact.attributes["unbound"].update(plan=2),
    "identifiers": lambda contact: contact.listed.pop(),
    "identifiers_total": lambda contact: contact.summary.by_assurance.__setitem__(0, 9),
    "merged_into": _absorbed,
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_row_that_is_not_what_was_told_last_names_the_field(field: str) -> None:
    """I7."""
    world, told = story()
    contacts = rows(world)
    CHANGES[field](next(contact for contact in contacts if contact.version == 3))
    assert field in said(told, contacts).partition("otherwise than its row is now: ")[2].split(", ")


def test_being_seen_again_is_no_change() -> None:
    """I7: times of being seen are no part of a version."""
    world, told = story()
    contacts = rows(world)
    for contact in contacts:
        contact.last_seen_at = at(99)
        for tenure in contact.listed:
            tenure.last_seen_at = at(99)
    assert said(told, contacts) == ""


def test_numbers_are_compared_as_postgres_keeps_them() -> None:
    assert canonical({"a": [1.0, 1e20]}) == canonical({"a": [1, 10**20]})
    assert canonical(1) != canonical(True)
    assert canonical(1) != canonical("1")
    assert canonical(2.5) == 2.5


def test_a_store_that_lost_commits_goes_on_under_another_incarnation() -> None:
    """F29: versions begin again after the last one that was kept."""
    world, told = story()
    lost = msgspec.structs.replace(told[1], version=2, changes={})
    again = [msgspec.structs.replace(each, incarnation="another life") for each in told[1:]]
    assert said([told[0], lost, *again], rows(world)) == ""
    beyond = msgspec.structs.replace(told[1], version=4)
    assert "versions 3 to 3 were not told" in said([told[0], told[1], beyond], rows(world))


def test_a_tombstone_forgets_a_contact_that_is_gone() -> None:
    _, told = story()
    versions, found = Versions(0.0), Found()
    for change in told[:2]:
        versions.told(change, NOW)
    versions.erased(told[0].contact_id)
    versions.compare(found)
    assert found.count == 0


@pytest.mark.parametrize(("incarnation", "what"), [("life", "versions 1 to 2 were not told before version 3"), ("another life", "")])
def test_a_restored_store_tells_a_husk_behind_the_tombstone_that_it_goes_by(incarnation: str, what: str) -> None:
    """S108, I7: under an incarnation of its own; in the same one it is a gap."""
    world, told = story()
    ann = next(contact for contact in rows(world) if contact.version == 3)
    ann.erased_at = at(9)
    husk = msgspec.structs.replace(told[0], contact_id=ann.contact_id, version=3, incarnation=incarnation, contact=None)
    versions, found = Versions(0.0), Found()
    versions.row(ann)
    for change in (each for each in told if each.contact_id == ann.contact_id and each.version < 3):
        versions.told(change, NOW)
    versions.erased(ann.contact_id)
    versions.told(husk, NOW)
    versions.erased(ann.contact_id)
    versions.compare(found)
    assert "\n".join(each.what for each in found.differences) == what


def test_passes_cover_every_id_once() -> None:
    """Memory is bounded by the contacts of one pass."""
    assert list(passes(0)) == [(UUID(int=0), UUID(int=IDS - 1))]
    several = list(passes(1_001, 250))
    assert len(several) == 5
    assert several[0][0].int == 0
    assert several[-1][1].int == IDS - 1
    assert all(after.int == last.int + 1 for (_, last), (after, _) in itertools.pairwise(several))


def test_summaries_are_what_rows_hold() -> None:
    """The fixture stands for rows: a summary that is stored and read again is the same."""
    world, _ = story()
    assert all(summary_text(contact.summary) for contact in rows(world))
