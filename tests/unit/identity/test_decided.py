"""What a user decides of one contact (R19; product.md, sections 2 and 4): no event replaces it, and everything else follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from onefold.errors import InvalidMessage
from onefold.identity.assurance import Assurance
from onefold.identity.plan import OutcomeKind, Reason
from onefold.identity.survivorship import MOST_VALUE_BYTES
from tests.support.worlds import World, event

if TYPE_CHECKING:
    from onefold.identity.contact import Contact, ContactId

ASSERTED, PROVED = Assurance.ASSERTED, Assurance.PROVED
ANN, TOKEN, PLAN = "email:ann@x.io", "anonymous_token:t", "attributes.unbound.plan"


def lead() -> tuple[World, ContactId]:
    world = World()
    world.play(event(ANN, TOKEN, fields={"given_name": "Ann", "last_name": "Lee"}, attributes={"plan": "free"}))
    return world, world.holder(ANN).contact_id


def ann(world: World) -> Contact:
    return world.holder(ANN)


def test_no_event_replaces_what_a_user_decided() -> None:
    """R12, R19: not a proved nor a later one; another decision does."""
    world, who = lead()
    world.edit(who, {"given_name": "Anna", PLAN: {"name": "pro"}}, minutes=5)
    world.play(event(ANN, TOKEN, fields={"given_name": "Eve"}, attributes={"plan": "none"}, assurance=PROVED, proof=ANN, minutes=9_000))
    assert (ann(world).given_name, ann(world).attributes["unbound"]) == ("Anna", {"plan": {"name": "pro"}})
    world.edit(who, {"given_name": "Ana"}, minutes=6)
    assert ann(world).given_name == "Ana"


def test_what_a_user_cleared_stays_clear_and_the_type_follows() -> None:
    """Product.md, section 2: the type can go down as well."""
    world, who = lead()
    assert ann(world).type == "lead"
    plan = world.edit(who, {"last_name": None, PLAN: None})
    world.play(event(ANN, fields={"last_name": "Lee"}, attributes={"plan": "free"}, assurance=ASSERTED, minutes=9_000))
    assert (ann(world).type, ann(world).last_name, ann(world).attributes["unbound"]) == ("ghost", None, {})
    (change,) = plan.changes
    assert change.changes == {"type": ("lead", "ghost"), "last_name": ("Lee", None), PLAN: ("free", None)}
    assert (change.version, change.cause.actor, change.cause.rule) == (2, "ann@host", "decided")


def test_the_same_value_makes_no_version_and_is_decided_all_the_same() -> None:
    world, who = lead()
    assert world.edit(who, {"given_name": "Ann"}, minutes=5).changes == []
    world.play(event(ANN, fields={"given_name": "Eve"}, assurance=ASSERTED, minutes=9_000))
    assert (ann(world).given_name, ann(world).version) == ("Ann", 2), "version 2: it became asserted"
    assert not world.edit(who, {"given_name": "Ann"}, minutes=6).writes


def test_values_beyond_what_a_contact_has_room_for_are_refused() -> None:
    """R11."""
    world, who = lead()
    with pytest.raises(InvalidMessage, match="131,072 bytes"):
        world.edit(who, {PLAN: "x" * MOST_VALUE_BYTES})
    assert ann(world).attributes["unbound"] == {"plan": "free"}


def test_an_identifier_that_a_user_validated_makes_a_contact_and_claims_join_nothing_through_it() -> None:
    """Product.md, sections 2 and 6; guard 2."""
    world, who = lead()
    (change,) = world.validate(ANN).changes
    assert (change.changes["type"], change.changes["identifiers"]) == (("lead", "contact"), ([], [ANN]))
    (tenure,) = [each for each in world.tenures.values() if each.text == ANN]
    assert (tenure.is_validated, tenure.validated_by, tenure.assurance) == (True, "manual", Assurance.DECIDED)
    (outcome,) = world.play(event(ANN, "anonymous_token:stranger", minutes=2_000))
    assert (outcome.reason, outcome.contact_id == who) == (Reason.PROOF, False)
    assert not world.validate(ANN).writes


def test_an_archived_contact_goes_on_resolving_and_stays_archived() -> None:
    """Product.md, section 4."""
    world, who = lead()
    (change,) = world.archive(who, minutes=5).changes
    assert set(change.changes) == {"archived_at"}
    (outcome,) = world.play(event(TOKEN, "email:two@x.io", minutes=9_000))
    assert (outcome.kind, outcome.contact_id, ann(world).archived_at is not None) == (OutcomeKind.ATTACHED, who, True)
    assert not world.archive(who).writes
    assert [set(each.changes) for each in world.restore(who).changes] == [{"archived_at"}]
    assert not world.restore(who).writes


def test_a_merge_is_active_if_either_side_was_and_an_unmerge_archives_the_other_again() -> None:
    """Product.md, section 4."""
    world, who = lead()
    world.play(event("email:bo@x.io", minutes=1))
    other = world.holder("email:bo@x.io").contact_id
    world.archive(who, minutes=5)
    world.merge(who, other)
    assert ann(world).archived_at is None
    world.unmerge(other)
    assert [world.holder(each).archived_at is not None for each in (ANN, "email:bo@x.io")] == [True, False]


@pytest.mark.parametrize("was_archived_again", [False, True])
def test_an_unmerge_does_not_archive_again_whom_a_person_restored_since(was_archived_again: bool) -> None:
    """Product.md, section 4: what was decided later stands, also where the merge alone had made it active already."""
    world, who = lead()
    world.play(event("email:bo@x.io", minutes=1))
    other = world.holder("email:bo@x.io").contact_id
    world.archive(who, minutes=5)
    world.merge(who, other, minutes=10)
    if was_archived_again:
        world.archive(who, minutes=15)
    plan = world.restore(who, minutes=20)
    assert len(plan.changes) == was_archived_again, "a version only where something changed"
    world.unmerge(other, minutes=30)
    assert [world.holder(each).archived_at for each in (ANN, "email:bo@x.io")] == [None, None]


def test_a_restoring_from_before_the_merge_or_of_the_other_side_archives_nobody_less() -> None:
    """Merge then unmerge is the identity: each side is archived by what was decided of it alone."""
    world, who = lead()
    world.play(event("email:bo@x.io", minutes=1))
    other = world.holder("email:bo@x.io").contact_id
    world.restore(who, minutes=4)
    world.archive(who, minutes=5)
    world.restore(other, minutes=6)
    world.merge(who, other, minutes=10)
    world.unmerge(other, minutes=30)
    assert [world.holder(each).archived_at is not None for each in (ANN, "email:bo@x.io")] == [True, False]


def test_whom_a_person_restored_stays_active_in_a_chain() -> None:
    """C left B's tree, in which B was restored, after A had absorbed B: neither A, nor B once it leaves, is archived again."""
    world, b = lead()
    world.play(event("email:a@x.io", minutes=1), event("email:c@x.io", minutes=2))
    a, c = (world.holder(f"email:{each}@x.io").contact_id for each in "ac")
    world.archive(b, minutes=5)
    world.archive(a, minutes=5)
    world.merge(b, c, minutes=10)
    world.restore(b, minutes=20)
    world.merge(a, b, minutes=30)
    world.unmerge(c, minutes=40)
    assert world.holder("email:a@x.io").archived_at is None
    world.unmerge(b, minutes=50)
    assert [world.holder(each).archived_at is not None for each in (ANN, "email:a@x.io", "email:c@x.io")] == [False, True, False]


def test_whether_it_is_a_vendor_decides_the_type() -> None:
    world, who = lead()
    world.edit(who, {}, is_vendor=True)
    assert ann(world).type == "vendor"


def test_what_was_edited_while_two_were_one_stays_with_whoever_stays() -> None:
    """Product.md, section 4: what was learnt later stays with the survivor."""
    world, who = lead()
    world.play(event("email:bo@x.io", attributes={"plan": "gold"}, minutes=1))
    other = world.holder("email:bo@x.io").contact_id
    world.merge(who, other, minutes=10)
    world.edit(other, {PLAN: "pro"}, minutes=20)
    world.unmerge(other, minutes=30)
    assert [world.holder(each).attributes["unbound"]["plan"] for each in (ANN, "email:bo@x.io")] == ["pro", "gold"]
