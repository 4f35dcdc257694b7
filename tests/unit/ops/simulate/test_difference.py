"""What other rules would change, against the present ones (R18)."""

from __future__ import annotations

from tests.unit.ops.simulate.lines import line, simulated

ANN = {"given_name": "Ann", "last_name": "Lee"}


def test_the_same_rules_make_no_difference() -> None:
    said = simulated([line("email:a@x.io", event_id="e1"), line("email:a@x.io", "anonymous_token:t1", event_id="e2")], diff=True)
    assert said["diff"] == {
        "merged": [],
        "split": [],
        "types": [],
        "gone": [],
        "new": [],
        "outcomes": [],
        "proposals": {"gone": [], "new": []},
    }


def test_contacts_that_come_together_are_named_with_whom_they_were() -> None:
    lines = [
        line("email:a@x.io", "card:7", event_id="e1"),
        line("email:b@x.io", "card:7", event_id="e2"),
    ]
    diff = simulated(lines, rules={"catalog": [{"semantic_type": "card"}]}, diff=True)["diff"]
    (merged,) = diff["merged"]
    assert sorted(merged["contact"]["identifiers"]) == ["card:7", "email:a@x.io", "email:b@x.io"]
    assert [each["identifiers"] for each in merged["before"]] == [["email:a@x.io"], ["email:b@x.io"]]
    assert diff["new"] == ["card:7"]
    (outcome,) = diff["outcomes"]
    assert (outcome["event_id"], outcome["before"]["outcome"], outcome["after"]["outcome"]) == ("e2", "created", "attached")
    assert diff["split"] == diff["types"] == diff["gone"] == []


def test_a_contact_that_falls_apart_is_named_with_what_becomes_of_it() -> None:
    lines = [
        line("anonymous_token:t1", "email:info@x.io", event_id="e1", traits=ANN),
        line("anonymous_token:t2", "email:info@x.io", event_id="e2"),
    ]
    diff = simulated(lines, rules={"blocked": {"email": {"exact": ["info@x.io"]}}}, diff=True)["diff"]
    (split,) = diff["split"]
    assert sorted(split["contact"]["identifiers"]) == ["anonymous_token:t1", "anonymous_token:t2", "email:info@x.io"]
    assert [each["identifiers"] for each in split["after"]] == [["anonymous_token:t1"], ["anonymous_token:t2"]]
    assert diff["gone"] == ["email:info@x.io"]
    (retyped,) = diff["types"]
    assert (retyped["before"]["type"], retyped["after"]["type"]) == ("lead", "ghost")
    assert [each["event_id"] for each in diff["outcomes"]] == ["e2"]


def test_a_type_is_followed_also_where_another_event_made_the_contact() -> None:
    """Who is held together by identifiers is the same person, whatever the id."""
    lines = [
        line("phone:030 1234567", event_id="e1", traits=ANN),
        line("phone:030 1234567", "anonymous_token:t1", event_id="e2", traits=ANN),
    ]
    diff = simulated(lines, rules={"normalise": {"phone_region": "DE"}}, diff=True)["diff"]
    (retyped,) = diff["types"]
    assert (retyped["before"]["type"], retyped["after"]["type"]) == ("ghost", "lead")
    assert retyped["before"]["id"] != retyped["after"]["id"]


def test_proposals_that_other_rules_would_make_or_spare_are_named() -> None:
    """R26."""
    lines = [
        line("user_id:u1", "email:a@x.io", event_id="e1"),
        line("anonymous_token:t1", "email:a@x.io", event_id="e2", assurance="claimed"),
        line("anonymous_token:t2", "email:b@x.io", event_id="e3", assurance="claimed"),
    ]
    diff = simulated(lines, rules={"policy": "strict"}, diff=True)["diff"]["proposals"]
    assert [(each["event_id"], each["cause"]) for each in diff["new"]] == [("e2", "policy")]
    assert diff["gone"] == []
    diff = simulated(
        [lines[0], line("anonymous_token:t1", "email:a@x.io", "phone:+4915112345678", event_id="e2", assurance="claimed")],
        rules={"policy": "eager"},
        diff=True,
    )["diff"]["proposals"]
    assert [(each["event_id"], each["cause"]) for each in diff["gone"]] == [("e2", "policy")]
    assert diff["new"] == []
