"""What users hang on contacts unites and parts as product.md, section 4, says, and every difference is told."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from onefold.identity.classification import (
    UNCLASSIFIED,
    Classification,
    Related,
    Stage,
    differences,
    lost,
    ordered,
    part,
    relationships,
    unite,
)
from tests.support.worlds import World, event

AT = datetime(2026, 11, 1, tzinfo=UTC)
SLUGS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=2).map(ordered)
STAGES = st.builds(Stage, st.sampled_from(["first", "second"]), st.just(AT), SLUGS)
RELATED = st.builds(Related, st.sampled_from(["1", "2"]), st.sampled_from([{}, {"since": 2020}]))
ANY = st.builds(
    Classification,
    SLUGS,
    SLUGS,
    SLUGS,
    SLUGS,
    st.dictionaries(st.sampled_from(["sales", "care"]), STAGES, max_size=2),
    st.dictionaries(st.sampled_from(["boss"]), RELATED, max_size=1),
    st.dictionaries(
        st.sampled_from(["friends"]),
        st.lists(RELATED, min_size=1, max_size=2, unique_by=lambda each: each.id).map(lambda each: tuple(sorted(each, key=lambda r: r.id))),
        max_size=1,
    ),
)


def test_sets_unite_and_of_two_values_for_one_key_the_survivors_counts() -> None:
    """Product.md, section 4: unites profiles, taxonomies, relationships, owners, followers and workflow positions."""
    mine = Classification(profiles=("customer",), owners=("u1",), workflows={"sales": Stage("won", AT)}, to_one={"boss": Related("1")})
    theirs = Classification(
        profiles=("member",),
        owners=("u2",),
        workflows={"sales": Stage("new", AT), "care": Stage("open", AT)},
        to_one={"boss": Related("2")},
        to_many={"friends": (Related("3"),)},
    )
    united = unite(mine, theirs)
    assert united.profiles == ("customer", "member")
    assert united.owners == ("u1", "u2")
    assert {slug: stage.step for slug, stage in united.workflows.items()} == {"sales": "won", "care": "open"}
    assert relationships(united) == {"boss": [Related("1")], "friends": [Related("3")]}
    assert lost(mine, theirs) == {"workflows.sales": {"value": Stage("new", AT)}, "relationships.boss": {"value": Related("2")}}


@given(mine=ANY, theirs=ANY)
def test_what_is_united_and_parted_again_is_as_it_was(mine: Classification, theirs: Classification) -> None:
    """Merge then unmerge is the identity (issue 5, item 5)."""
    assert part(unite(mine, theirs), theirs, [mine]) == mine


@given(mine=ANY, theirs=ANY)
def test_nothing_of_either_is_lost_silently(mine: Classification, theirs: Classification) -> None:
    """R12: a merge never loses a value; what lost is in its record."""
    united, gone = unite(mine, theirs), lost(mine, theirs)
    for name, values in theirs.sets():
        assert set(values) <= set(getattr(united, name))
    for slug, stage in theirs.workflows.items():
        assert united.workflows[slug] == stage or gone[f"workflows.{slug}"] == {"value": stage}
    for slug, related in relationships(theirs).items():
        for each in related:
            told = gone.get(f"relationships.{slug}", {"value": ()})["value"]  # type: ignore[index]
            assert each in relationships(united)[slug] or each == told or each in told


@given(before=ANY, after=ANY)
def test_every_difference_is_told_and_only_differences(before: Classification, after: Classification) -> None:
    """I7: whoever follows the changes knows the record."""
    found = differences(before, after)
    assert (found == {}) == (before == after)
    assert all(old != new for old, new in found.values())
    assert differences(UNCLASSIFIED, after).keys() <= {"profiles", "taxonomies", "owners", "followers"} | {
        *(f"workflows.{slug}" for slug in after.workflows),
        *(f"relationships.{slug}" for slug in relationships(after)),
    }


def test_a_merge_and_its_undoing_carry_classification_and_organization() -> None:
    """Both sides get back what they had; the survivor keeps what a user gave it while they were one."""
    world = World()
    world.play(event("email:ann@example.com", "anonymous_token:a"), event("email:ben@example.com", "anonymous_token:b", minutes=1))
    ann, ben = world.holder("anonymous_token:a"), world.holder("anonymous_token:b")
    mill, forge = UUID(int=1), UUID(int=2)
    ann.classification, ann.organization_id, ann.organization_name = Classification(profiles=("customer",)), mill, "Mill"
    ben.classification, ben.organization_id, ben.organization_name = Classification(profiles=("member",), owners=("u1",)), forge, "Forge"
    plan = world.merge(ann.contact_id, ben.contact_id)
    one = world.holder("anonymous_token:b")
    assert (one.classification.profiles, one.organization_name) == (("customer", "member"), "Mill")
    (told,) = [change for change in plan.changes if change.contact_id == ann.contact_id]
    assert told.changes["profiles"] == (["customer"], ["customer", "member"])
    one.classification = Classification(profiles=("customer", "member", "student"), owners=("u1",))
    world.unmerge(ben.contact_id, minutes=1_001)
    back, stayed = world.holder("anonymous_token:b"), world.holder("anonymous_token:a")
    assert (back.classification.profiles, back.classification.owners, back.organization_name) == (("member",), ("u1",), "Forge")
    assert (stayed.classification.profiles, stayed.classification.owners, stayed.organization_name) == (("customer", "student"), (), "Mill")


def test_an_erased_contact_is_not_classified() -> None:
    """S103: of an erased person nothing is left that says something of them."""
    world = World()
    world.play(event("email:ann@example.com"))
    ann = world.holder("email:ann@example.com")
    ann.classification, ann.organization_name = Classification(owners=("u1",)), "Mill"
    world.erase(ann.contact_id)
    husk = world.contacts["acme", ann.contact_id]
    assert (husk.classification, husk.organization_name, husk.organization_id) == (UNCLASSIFIED, None, None)
