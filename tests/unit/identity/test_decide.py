"""What `decide` makes of single interactions and of small stories (product.md, sections 2 to 4; R5 to R16)."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from onefold.identity.assurance import Assurance
from onefold.identity.catalog import Catalog
from onefold.identity.plan import OutcomeKind, Reason
from tests.support.worlds import World, event

ASSERTED, PROVED = Assurance.ASSERTED, Assurance.PROVED


def test_an_unknown_visitor_becomes_a_ghost_that_holds_every_identifier() -> None:
    world = World()
    (outcome,) = world.play(event("anonymous_token:t1", "device_id:d1"))
    assert outcome.kind is OutcomeKind.CREATED
    assert world.groups() == [["anonymous_token:t1", "device_id:d1"]]
    contact = world.holder("anonymous_token:t1")
    assert (contact.type, contact.version) == ("ghost", 1)


def test_the_same_event_creates_the_same_contact_id_in_another_world() -> None:
    """The same log in the same interleaving gives the same ids."""
    first, second = World(), World()
    story = event("anonymous_token:t1", event_id="e1")
    assert first.play(story)[0].contact_id == second.play(story)[0].contact_id


def test_the_type_follows_name_and_identifiers_up_and_down() -> None:
    world = World()
    world.play(event("anonymous_token:t1", "email:ann@example.com"))
    assert world.holder("anonymous_token:t1").type == "ghost"
    world.play(event("anonymous_token:t1", fields={"given_name": "Ann", "last_name": "Lee"}, minutes=1))
    assert world.holder("anonymous_token:t1").type == "lead"
    world.play(event("anonymous_token:t1", "email:ann@example.com", assurance=PROVED, proof="email:ann@example.com", minutes=2))
    contact = world.holder("anonymous_token:t1")
    assert (contact.type, contact.email) == ("contact", "ann@example.com")


def test_an_email_a_phone_and_both_make_one_contact_in_all_orders() -> None:
    """I5, product.md section 4: the groups do not depend on the order of arrival."""
    story = [
        event("email:ann@example.com", minutes=1),
        event("phone:+4915112345678", minutes=2),
        event("email:ann@example.com", "phone:+4915112345678", minutes=3),
    ]
    for order in permutations(story):
        world = World()
        world.play(*order)
        assert world.groups() == [["email:ann@example.com", "phone:+4915112345678"]]


def test_a_log_in_joins_two_devices_of_one_person() -> None:
    world = World()
    world.play(
        event("anonymous_token:t1", "user_id:u1", assurance=ASSERTED),
        event("anonymous_token:t2", minutes=1),
    )
    (outcome,) = world.play(event("anonymous_token:t2", "user_id:u1", assurance=ASSERTED, minutes=2))
    assert outcome.kind is OutcomeKind.MERGED
    assert world.groups() == [["anonymous_token:t1", "anonymous_token:t2", "user_id:u1"]]


def test_the_survivor_has_the_strongest_assurance_then_was_seen_first() -> None:
    """R14: by what each held before the event."""
    world = World()
    world.play(event("anonymous_token:t1"), event("email:ann@example.com", assurance=ASSERTED, minutes=5))
    strong = world.holder("email:ann@example.com").contact_id
    (outcome,) = world.play(event("anonymous_token:t1", "email:ann@example.com", minutes=6))
    assert outcome.contact_id == strong
    world.play(event("anonymous_token:t2", minutes=1), event("anonymous_token:t3", minutes=2))
    older = world.holder("anonymous_token:t2").contact_id
    (outcome,) = world.play(event("anonymous_token:t3", "anonymous_token:t2", minutes=7))
    assert outcome.contact_id == older


def test_an_absorbed_id_redirects_and_tells_it() -> None:
    world = World()
    world.play(event("anonymous_token:t1"), event("email:ann@example.com", minutes=1))
    survivor, absorbed = world.holder("anonymous_token:t1"), world.holder("email:ann@example.com")
    world.play(event("anonymous_token:t1", "email:ann@example.com", minutes=2))
    changes = {change.contact_id: change for change in world.plans[-1].changes}
    assert changes[survivor.contact_id].merged == (absorbed.contact_id,)
    assert changes[absorbed.contact_id].merged_into == survivor.contact_id
    assert changes[absorbed.contact_id].snapshot is None
    assert changes[absorbed.contact_id].version == 2


def test_the_same_event_again_changes_nothing() -> None:
    """R7, I2: wherever it comes again, an event changes no contact and emits no change."""
    story = event("anonymous_token:t1", "email:ann@example.com", fields={"given_name": "Ann"}, attributes={"plan": "pro"})
    world = World()
    world.play(story)
    (outcome,) = world.play(story)
    assert outcome.kind is OutcomeKind.SEEN
    assert not world.plans[-1].writes
    assert not world.plans[-1].changes


def test_two_people_on_one_device_hand_it_over_and_never_merge() -> None:
    """Guard 1: different user ids never merge; the token goes to whoever is using it."""
    world = World()
    world.play(event("anonymous_token:t1", "user_id:u1", assurance=ASSERTED))
    (outcome,) = world.play(event("anonymous_token:t1", "user_id:u2", assurance=ASSERTED, minutes=10))
    assert outcome.kind is OutcomeKind.HANDED_OVER
    assert world.groups() == [["anonymous_token:t1", "user_id:u2"], ["user_id:u1"]]
    assert len(world.plans[-1].separated) == 1


def test_a_device_is_not_handed_over_by_old_news() -> None:
    """R7: a hand-over needs an event time later than the holder's last use."""
    world = World()
    world.play(event("anonymous_token:t1", "user_id:u1", assurance=ASSERTED, minutes=10))
    (outcome,) = world.play(event("anonymous_token:t1", "user_id:u2", assurance=ASSERTED, minutes=5))
    assert outcome.reason is Reason.CONFLICT
    assert world.groups() == [["anonymous_token:t1", "user_id:u1"], ["user_id:u2"]]


def test_at_equal_times_the_greater_event_id_takes_the_device() -> None:
    """R7: whatever the position."""
    one = event("anonymous_token:t1", "user_id:u1", assurance=ASSERTED, event_id="a")
    other = event("anonymous_token:t1", "user_id:u2", assurance=ASSERTED, event_id="b")
    for order in permutations([one, other]):
        world = World()
        world.play(*order)
        assert world.holder("anonymous_token:t1") is world.holder("user_id:u2")


def test_an_event_id_that_comes_with_another_body_creates_another_contact() -> None:
    """Poison 24: anybody chooses event ids. Were the contact's id the first one's, the store would refuse the event for ever."""
    world = World()
    world.play(event("anonymous_token:t1", "user_id:u1", event_id="same", minutes=1))
    world.play(event("anonymous_token:t1", "user_id:u2", minutes=2))
    world.play(event("anonymous_token:t1", "user_id:u3", event_id="same", minutes=3))
    assert world.groups() == [["anonymous_token:t1", "user_id:u3"], ["user_id:u1"], ["user_id:u2"]]
    assert len(world.contacts) == 3


def test_an_interaction_older_than_the_hand_over_is_credited_to_the_holder_of_then() -> None:
    world = World()
    world.play(
        event("anonymous_token:t1", "user_id:u1", assurance=ASSERTED),
        event("anonymous_token:t1", "user_id:u2", assurance=ASSERTED, minutes=10),
    )
    (outcome,) = world.play(event("anonymous_token:t1", minutes=5))
    assert outcome.contact_id == world.holder("user_id:u1").contact_id
    assert outcome.kind is OutcomeKind.SEEN


def test_a_handed_over_device_returns_with_its_owner() -> None:
    world = World()
    for minutes, user in enumerate(("u1", "u2", "u1", "u2", "u1")):
        world.play(event("anonymous_token:t1", f"user_id:{user}", assurance=ASSERTED, minutes=minutes))
    assert world.groups() == [["anonymous_token:t1", "user_id:u1"], ["user_id:u2"]]


def test_personal_identifiers_that_conflict_stay_where_they_are() -> None:
    """R5."""
    world = World()
    world.play(event("email:ann@example.com", "user_id:u1", assurance=ASSERTED))
    (outcome,) = world.play(event("email:ann@example.com", "user_id:u2", assurance=ASSERTED, minutes=1))
    assert outcome.reason is Reason.CONFLICT
    assert world.groups() == [["email:ann@example.com", "user_id:u1"], ["user_id:u2"]]


def test_a_claim_never_joins_through_a_validated_identifier() -> None:
    """Guard 2 (R4), S40: typing someone's proved email moves nothing."""
    world = World()
    world.play(event("anonymous_token:t1", "email:ann@example.com", assurance=PROVED, proof="email:ann@example.com"))
    (outcome,) = world.play(event("anonymous_token:t2", "email:ann@example.com", fields={"given_name": "Eve"}, minutes=1))
    assert outcome.reason is Reason.PROOF
    assert world.groups() == [["anonymous_token:t1", "email:ann@example.com"], ["anonymous_token:t2"]]
    assert world.holder("email:ann@example.com").given_name is None


def test_a_token_takes_no_validated_identifier_that_it_does_not_name() -> None:
    """S40, S50, guard 2: a page adds a victim's e-mail to its own visitor's token; only a token that names it joins through it."""
    world = World()
    world.play(event("anonymous_token:t1", "email:ann@example.com", assurance=PROVED, proof="email:ann@example.com"))
    call = ("anonymous_token:t2", "user_id:eve", "email:ann@example.com")
    (outcome,) = world.play(event(*call, assurance=ASSERTED, asserts=["user_id:eve"], minutes=1))
    assert outcome.reason is Reason.PROOF
    assert world.groups() == [["anonymous_token:t1", "email:ann@example.com"], ["anonymous_token:t2", "user_id:eve"]]
    (outcome,) = world.play(event(*call, assurance=ASSERTED, asserts=["user_id:eve", "email:ann@example.com"], minutes=2))
    assert outcome.kind is OutcomeKind.MERGED


def test_a_token_makes_nobody_known_by_what_it_does_not_name() -> None:
    """S50: tenures keep the assurance that their evidence has."""
    world = World()
    world.play(event("anonymous_token:t1", "user_id:u1", "email:u1@example.com", assurance=ASSERTED, asserts=["user_id:u1"]))
    held = {tenure.semantic_type: tenure.assurance for tenure in world.tenures.values()}
    assert held == {"anonymous_token": Assurance.CLAIMED, "user_id": ASSERTED, "email": Assurance.CLAIMED}


def test_traits_beside_a_token_replace_nothing_that_a_server_said() -> None:
    """S47, R12: a visitor edits the page, not his plan."""
    world = World()
    world.play(event("user_id:u1", assurance=ASSERTED, attributes={"plan": "free"}))
    world.play(event("user_id:u1", assurance=ASSERTED, asserts=["user_id:u1"], attributes={"plan": "pro", "colour": "red"}, minutes=1))
    contact = world.holder("user_id:u1")
    assert contact.attributes == {"unbound": {"plan": "free", "colour": "red"}}


def test_values_compete_by_assurance_then_event_time_then_event_id() -> None:
    """R12: a maximum, so all orders agree."""
    story = [
        event("anonymous_token:t1", attributes={"plan": "free"}, assurance=ASSERTED, minutes=1),
        event("anonymous_token:t1", attributes={"plan": "claimed"}, minutes=9),
        event("anonymous_token:t1", attributes={"plan": "pro"}, assurance=ASSERTED, minutes=2),
    ]
    for order in permutations(story):
        world = World()
        world.play(*order)
        assert world.holder("anonymous_token:t1").attributes == {"unbound": {"plan": "pro"}}


def test_a_null_clears_and_keeps_its_place() -> None:
    """R12."""
    story = [
        event("anonymous_token:t1", attributes={"plan": "pro"}, minutes=1),
        event("anonymous_token:t1", attributes={"plan": None}, minutes=3),
        event("anonymous_token:t1", attributes={"plan": "free"}, minutes=2),
    ]
    for order in permutations(story):
        world = World()
        world.play(*order)
        assert world.holder("anonymous_token:t1").attributes.get("unbound", {}) == {}


def test_a_null_for_what_was_never_set_changes_nothing_that_is_told() -> None:
    """I7: a row is what its version told."""
    world = World()
    world.play(event("anonymous_token:t1"), event("anonymous_token:t1", attributes={"plan": None}, minutes=1))
    assert (world.holder("anonymous_token:t1").attributes, world.plans[-1].changes) == ({}, [])


def test_whoever_was_absorbed_earlier_in_the_batch_leads_to_the_survivor() -> None:
    """I4; mutant redirects-not-followed: the token still says the absorbed one's id."""
    world = World()
    outcomes = world.play(
        event("anonymous_token:t1", minutes=0),
        event("anonymous_token:t2", minutes=1),
        event("anonymous_token:t1", "anonymous_token:t2", minutes=2),
        event("anonymous_token:t2", attributes={"plan": "pro"}, minutes=3),
        size=4,
    )
    survivor = world.holder("anonymous_token:t1")
    assert survivor is world.holder("anonymous_token:t2")
    assert outcomes[3].contact_id == survivor.contact_id == outcomes[0].contact_id
    assert survivor.attributes == {"unbound": {"plan": "pro"}}


def test_a_merge_keeps_what_lost() -> None:
    """R12: a merge never loses a value."""
    world = World()
    world.play(
        event("anonymous_token:t1", fields={"given_name": "Ann"}, minutes=1),
        event("email:ann@example.com", fields={"given_name": "Anna"}, minutes=2),
        event("anonymous_token:t1", "email:ann@example.com", minutes=3),
    )
    assert world.holder("anonymous_token:t1").given_name == "Anna"
    (merge,) = world.plans[-1].merges
    assert merge.lost["given_name"]["value"] == "Ann"  # type: ignore[index]


def test_the_first_identifier_of_a_type_is_main_and_the_survivors_labels_win() -> None:
    world = World()
    world.play(event("anonymous_token:t1", "email:a@example.com", slug="work"))
    world.play(event("anonymous_token:t1", "email:b@example.com", slug="work", minutes=1))
    world.play(event("anonymous_token:t1", "email:c@example.com", slug="work", minutes=2))
    contact = world.holder("anonymous_token:t1")
    assert world.labels(contact) == {"t1": "main", "a@example.com": "main", "b@example.com": "work", "c@example.com": None}
    world.play(event("anonymous_token:t2", "email:d@example.com", minutes=3))
    world.play(event("anonymous_token:t1", "anonymous_token:t2", minutes=4))
    contact = world.holder("anonymous_token:t1")
    assert world.labels(contact)["d@example.com"] is None
    assert contact.email == "a@example.com"


def test_a_handed_over_main_promotes_the_next() -> None:
    world = World()
    world.play(
        event("anonymous_token:t1", "user_id:u1", assurance=ASSERTED),
        event("anonymous_token:t2", "user_id:u1", assurance=ASSERTED, minutes=1),
        event("anonymous_token:t1", "user_id:u2", assurance=ASSERTED, minutes=2),
    )
    assert world.labels(world.holder("user_id:u1")) == {"u1": "main", "t2": "main"}


def test_an_event_without_identifiers_is_unresolved() -> None:
    world = World()
    (outcome,) = world.play(event("anonymous_token:null"))
    assert (outcome.kind, outcome.contact_id) == (OutcomeKind.UNRESOLVED, None)


def test_workspaces_never_meet() -> None:
    """S55: the same identifiers in two workspaces are two contacts."""
    world = World()
    world.play(event("email:ann@example.com"), event("email:ann@example.com", workspace="other"), size=2)
    assert world.holder("email:ann@example.com").contact_id != world.holder("email:ann@example.com", "other").contact_id


def test_versions_have_no_gaps_within_one_batch() -> None:
    """I7: every interaction that changes a contact is a version of its own, whatever the size of the batch."""
    story = [
        event("anonymous_token:t1"),
        event("anonymous_token:t1", "email:ann@example.com", minutes=1),
        event("anonymous_token:t1", fields={"given_name": "Ann"}, minutes=2),
    ]
    world = World()
    world.play(*story, size=3)
    assert [change.version for change in world.plans[0].changes] == [1, 2, 3]
    assert [change.snapshot.given_name for change in world.plans[0].changes if change.snapshot] == [None, None, "Ann"]
    assert [len(change.listed) for change in world.plans[0].changes] == [1, 2, 2]


def test_a_type_that_is_unique_no_more_keeps_nobody_apart() -> None:
    """R18: rules apply to what is decided after them, also to contacts whose values came under the earlier ones."""
    world = World()
    world.play(event("anonymous_token:a", "user_id:1"), event("anonymous_token:b", "user_id:2", minutes=1))
    bridge = event("anonymous_token:a", "anonymous_token:b", minutes=2)
    freed = Catalog({**Catalog().entries, "user_id": replace(Catalog().entry("user_id"), unique_per_contact=False)})
    world.rules = replace(world.rules, catalog=freed)
    (outcome,) = world.play(bridge)
    assert outcome.kind is OutcomeKind.MERGED
    assert world.groups() == [["anonymous_token:a", "anonymous_token:b", "user_id:1", "user_id:2"]]
