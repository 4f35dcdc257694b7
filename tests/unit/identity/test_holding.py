"""What somebody decides of a contact's identifiers, and contacts made by hand (product.md, sections 2, 3 and 6; R11, R17, R19)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

import pytest

from onefold.errors import IdentifierConflict, IdentifierHeld, InvalidMessage, LabelTaken, LimitReached, ValueHeld
from onefold.identity.assurance import Assurance
from onefold.identity.catalog import BUILT_IN, Catalog
from onefold.identity.contact import ContactId
from onefold.identity.plan import OutcomeKind
from onefold.identity.rules import Limits, Rules
from tests.support.worlds import EXACT, World, at, event

if TYPE_CHECKING:
    from onefold.identity.contact import Contact, Tenure

ASSERTED, PROVED = Assurance.ASSERTED, Assurance.PROVED
ANN, WORK, HOME, TOKEN = "email:ann@x.io", "email:ann@work.io", "email:ann@home.io", "anonymous_token:t"
NAMES = {"given_name": "Ann", "last_name": "Lee"}
WHO = ContactId(uuid5(UUID(int=0), "ann"))
OTHER = ContactId(uuid5(UUID(int=0), "other"))


def tenure(world: World, text: str) -> Tenure:
    (found,) = [each for each in world.tenures.values() if each.text == text and each.is_open]
    return found


def is_held(world: World, text: str) -> bool:
    return any(each.text == text and each.is_open for each in world.tenures.values())


def made(*identifiers: str, rules: Rules = EXACT) -> World:
    world = World(rules=rules)
    world.create(WHO, *identifiers, values=NAMES)
    return world


def ann(world: World) -> Contact:
    return world.contacts["acme", WHO]


def test_a_contact_by_hand_may_have_no_identifier_and_is_a_ghost_then() -> None:
    """Product.md, section 2."""
    world = World()
    (change,) = world.create(WHO).changes
    assert (ann(world).type, ann(world).version, change.version) == ("ghost", 1, 1)
    world.edit(WHO, NAMES)
    world.add(WHO, ANN)
    assert (ann(world).type, ann(world).email, ann(world).version) == ("lead", "ann@x.io", 3)


def test_a_contact_by_hand_begins_at_version_1_with_everything_that_was_said() -> None:
    world = World()
    plan = world.create(WHO, ANN, WORK, "phone:+4915112345678", values={**NAMES, "attributes.unbound.plan": "pro"})
    (change,) = plan.changes
    assert (change.version, change.cause.rule, change.cause.actor, change.cause.kind) == (1, "decided", "ann@host", "user")
    assert change.changes["identifiers"] == ([], [ANN, WORK, "phone:+4915112345678"])
    assert (ann(world).type, ann(world).email, ann(world).phone) == ("lead", "ann@x.io", "+4915112345678")
    assert [(tenure(world, each).slug, tenure(world, each).source) for each in (ANN, WORK)] == [("main", "manual"), (None, "manual")]
    assert tenure(world, ANN).assurance is Assurance.DECIDED
    assert [each.actor for each in plan.evidence] == ["ann@host"] * 3


def test_software_asserts_what_a_person_decides_and_replaces_none_of_it() -> None:
    """R12, R19: a key asserts; product.md, section 4."""
    world = World()
    world.create(WHO, ANN, values={"given_name": "Ann"}, kind="api")
    assert (tenure(world, ANN).assurance, tenure(world, ANN).source) == (ASSERTED, "api")
    world.edit(WHO, {"given_name": "Anna"})
    with pytest.raises(ValueHeld, match="given_name"):
        world.edit(WHO, {"given_name": "Eve"}, kind="api")
    assert not world.edit(WHO, {"given_name": "Anna"}, kind="api").writes, "the same value is no quarrel"


def test_the_first_of_a_type_is_main_and_a_later_one_is_what_it_is_called() -> None:
    """Product.md, section 3."""
    world = World()
    world.create(WHO)
    world.add(WHO, ANN, slug="work")
    world.add(WHO, WORK, slug="work")
    world.add(WHO, HOME)
    assert [tenure(world, each).slug for each in (ANN, WORK, HOME)] == ["main", "work", None]
    with pytest.raises(LabelTaken):
        world.add(WHO, "email:ann@more.io", slug="work")
    with pytest.raises(InvalidMessage, match="no label of email"):
        world.add(WHO, "email:ann@more.io", slug="boat")
    world.add(WHO, "email:ann@more.io", slug="work", kind="import")
    assert tenure(world, "email:ann@more.io").slug is None, "from an import it is stored unlabelled"


def test_an_identifier_has_one_owner_whoever_asks() -> None:
    """I3: the refusal names the holder."""
    world = made(ANN)
    world.create(OTHER)
    with pytest.raises(IdentifierHeld) as refused:
        world.add(OTHER, ANN)
    assert (refused.value.holder, refused.value.is_own) == (WHO, False)
    with pytest.raises(IdentifierHeld) as again:
        world.add(WHO, ANN)
    assert again.value.is_own
    with pytest.raises(IdentifierHeld):
        world.create(ContactId(uuid5(UUID(int=0), "third")), ANN)


def test_a_second_value_of_a_unique_type_is_a_conflict_and_limits_hold() -> None:
    """R11, product.md, section 3."""
    world = made("user_id:customer-1")
    with pytest.raises(IdentifierConflict):
        world.add(WHO, "user_id:customer-2")
    world.replace("user_id:customer-1", "customer-2")
    assert ann(world).summary.unique == {"user_id": tenure(world, "user_id:customer-2").key}
    small = made(ANN, rules=replace(EXACT, limits=Limits(values_per_type=1)))
    with pytest.raises(LimitReached):
        small.add(WHO, WORK)
    few = made(ANN, rules=replace(EXACT, limits=Limits(identifiers_per_contact=1)))
    with pytest.raises(LimitReached):
        few.add(WHO, "phone:+4915112345678")


def test_removing_the_main_one_promotes_a_validated_one_and_then_the_oldest() -> None:
    """Product.md, section 3."""
    world = made(ANN, WORK, HOME)
    world.validate(HOME)
    world.remove(ANN)
    assert (tenure(world, HOME).slug, ann(world).email, ann(world).type) == ("main", "ann@home.io", "contact")
    world.remove(HOME)
    assert (tenure(world, WORK).slug, ann(world).type) == ("main", "lead")


def test_whoever_loses_the_last_identifier_stays_as_a_ghost() -> None:
    """R17."""
    world = made(ANN)
    (change,) = world.remove(ANN).changes
    assert change.changes == {"type": ("lead", "ghost"), "email": ("ann@x.io", None), "identifiers": ([ANN], [])}
    assert (ann(world).type, ann(world).summary.total, ann(world).version) == ("ghost", 0, 2)


def test_no_older_event_brings_a_removed_identifier_back() -> None:
    """Product.md, section 4: old news takes nothing back; a later event makes a new ghost."""
    world = made(ANN)
    world.remove(ANN, minutes=2_000)
    (late,) = world.play(event(ANN, "email:new@x.io", minutes=1_500, assurance=ASSERTED))
    assert late.contact_id != WHO, "the other one came to a contact of its own"
    assert not is_held(world, ANN)
    (older,) = world.play(event(ANN, minutes=1_500, assurance=ASSERTED))
    assert (older.kind, older.contact_id) == (OutcomeKind.SEEN, WHO), "credited to whoever held it then"
    assert not is_held(world, ANN)
    (later,) = world.play(event(ANN, minutes=2_001, assurance=ASSERTED))
    assert later.kind is OutcomeKind.CREATED
    assert later.contact_id != WHO


def test_a_removal_bars_the_last_event_of_the_identifier_though_its_clock_is_ahead_of_ours() -> None:
    world = made(ANN)
    ahead = event(ANN, minutes=3_000, assurance=ASSERTED)
    world.play(ahead)
    world.remove(ANN, minutes=2_000)
    world.play(ahead)
    assert not is_held(world, ANN)


def test_an_edited_value_is_not_validated_and_keeps_its_label_and_outreach() -> None:
    """Product.md, section 3: one tenure ends, another begins; the old value is barred like a removed one."""
    world = made(ANN, WORK)
    world.relabel(ANN, "main", outreach=False)
    world.validate(ANN)
    assert ann(world).type == "contact"
    plan = world.replace(ANN, "ann@new.io", minutes=2_000)
    new = tenure(world, "email:ann@new.io")
    assert (new.slug, new.outreach, new.is_validated, ann(world).email, ann(world).type) == ("main", False, False, "ann@new.io", "lead")
    assert (len(plan.changes), [each.at for each in plan.barriers]) == (1, [at(2_000)])
    world.play(event(ANN, minutes=1_500))
    assert not is_held(world, ANN)


def test_another_spelling_is_the_same_identifier_and_stays_validated() -> None:
    world = made(ANN)
    world.validate(ANN)
    plan = world.replace(ANN, "Ann@X.io")
    assert (tenure(world, ANN).identifier, tenure(world, ANN).is_validated, ann(world).email) == ("Ann@X.io", True, "Ann@X.io")
    assert (plan.separated, plan.barriers, ann(world).version) == ([], [], 3)
    assert not world.replace(ANN, "Ann@X.io").writes


def test_a_value_that_changed_on_a_merged_contact_goes_back_with_whom_it_came_from() -> None:
    """Unmerge: what came through the absorbed one's identifiers leaves with it."""
    world = made(ANN)
    world.create(OTHER, WORK)
    world.merge(WHO, OTHER)
    world.replace(WORK, "ann@new.io", minutes=1_100)
    world.unmerge(OTHER, minutes=1_200)
    assert (world.holder("email:ann@new.io").contact_id, world.holder(ANN).contact_id) == (OTHER, WHO)


def test_a_label_is_moved_taken_over_or_given_up_and_a_type_is_never_without_a_main_one() -> None:
    """Product.md, section 3."""
    world = made(ANN, WORK)
    with pytest.raises(InvalidMessage, match="only phone"):
        World.relabel(made("phone:+4915112345678"), "phone:+4915112345678", "work")
    with pytest.raises(LabelTaken):
        world.relabel(WORK, "main")
    world.relabel(WORK, "main", takes_over=True)
    assert ((tenure(world, ANN).slug, tenure(world, WORK).slug), ann(world).email) == ((None, "main"), "ann@work.io")
    world.relabel(WORK, "personal")
    assert ((tenure(world, ANN).slug, tenure(world, WORK).slug), ann(world).email) == (("main", "personal"), "ann@x.io")
    world.relabel(WORK, None)
    assert tenure(world, WORK).slug is None
    assert not world.relabel(WORK, None).writes


def test_an_identifier_by_hand_is_known_and_no_claim_adds_personal_ones_to_its_holder() -> None:
    """Product.md, section 4: a contact is known when it holds an asserted, proved or decided identifier."""
    world = made(ANN)
    world.play(event(ANN, TOKEN, "email:eve@x.io"))
    assert world.holder("email:eve@x.io").contact_id != WHO
    assert world.holder(TOKEN).contact_id == WHO, "a device may join"


def test_a_type_that_became_unique_binds_what_comes() -> None:
    entries = {each.semantic_type: replace(each, unique_per_contact=each.semantic_type in {"email", "user_id"}) for each in BUILT_IN}
    world = made(ANN, WORK)
    world.rules = replace(EXACT, catalog=Catalog(entries))
    with pytest.raises(IdentifierConflict):
        world.add(WHO, HOME)
    world.remove(ANN)
    assert tenure(world, WORK).slug == "main"
