"""A simulated run decides as resolvers do, on plain lines, without a store."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from onefold.identity.assurance import Assurance
from onefold.identity.decide import decide
from onefold.identity.rules import Rules
from onefold.identity.rules_document import rules_of
from onefold.identity.rules_reading import document_of
from onefold.ops.simulate.shapes import schema
from tests.support.worlds import World, event
from tests.unit.ops.simulate.lines import groups, line, lines_of, outcomes, simulated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onefold.identity.interaction import Interaction
    from onefold.identity.plan import Plan

NAMES = st.sampled_from(
    [
        "anonymous_token:t1",
        "anonymous_token:t2",
        "device_id:d1",
        "email:a@x.io",
        "email:b@x.io",
        "phone:+4915112345678",
        "user_id:u1",
        "user_id:u2",
    ]
)


FIELDS: list[Mapping[str, str]] = [{}, {}, {"given_name": "Ann", "last_name": "Lee"}]
ATTRIBUTES: list[Mapping[str, object]] = [{}, {}, {"plan": "pro"}, {"plan": None}]


@st.composite
def interactions(draw: st.DrawFn) -> Interaction:
    """One that collides with others often, early or late, with or without values and proof."""
    identifiers = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    # Of two user ids one is dropped (R6), and a line cannot say that it proves what it does not name.
    proof = draw(st.sampled_from([None, None, None, *(each for each in identifiers if not each.startswith("user_id:"))]))
    return event(
        *identifiers,
        minutes=draw(st.integers(0, 300)),
        assurance=Assurance.PROVED if proof is not None else draw(st.sampled_from([Assurance.CLAIMED, Assurance.ASSERTED])),
        proof=proof,
        fields=draw(st.sampled_from(FIELDS)),
        attributes=draw(st.sampled_from(ATTRIBUTES)),
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Interaction]:
    """Interactions whose ids follow another order than they do, some of them twice."""
    events = draw(st.lists(interactions(), max_size=25))
    ids = draw(st.permutations(range(len(events))))
    named = [replace(each, event_id=f"e{number:03}") for each, number in zip(events, ids, strict=True)]
    return named + (draw(st.lists(st.sampled_from(named), max_size=5)) if named else [])


@settings(deadline=None)
@given(histories(), st.sampled_from([0, 3_600]))
def test_a_run_is_what_deciding_one_by_one_gives(events: list[Interaction], recency_seconds: int) -> None:
    """Merges and hand-overs, proofs, late and repeated events; whoever is merely seen again is not decided on, and it changes nothing."""
    expected = World(rules=Rules(recency=timedelta(seconds=recency_seconds)))
    told = expected.play(*events)
    said = simulated(lines_of(events), rules={"recency_seconds": recency_seconds})
    assert outcomes(said) == [(each.kind, each.reason) for each in told]
    assert [each["contact_id"] for each in said["outcomes"]] == [str(each.contact_id) for each in told]
    assert groups(said) == [[] for contact in said["contacts"] if not contact["identifiers"]] + expected.groups()
    for contact in said["contacts"]:
        stored = next(each for each in expected.contacts.values() if str(each.contact_id) == contact["id"])
        assert (contact["type"], contact["given_name"]) == (stored.type, stored.given_name)
        assert contact["attributes"].get("unbound", {}) == stored.attributes.get("unbound", {})
        assert {each["normalised"]: each["slug"] for each in contact["identifiers"]} == expected.labels(stored)


def test_whoever_is_merely_seen_again_is_not_decided_on(monkeypatch: pytest.MonkeyPatch) -> None:
    decided = []

    def noted(*given: Any) -> Plan:
        decided.append(given)
        return decide(*given)

    monkeypatch.setattr("onefold.ops.simulate.world.decide", noted)
    said = simulated([line("anonymous_token:t1", "email:a@x.io", event_id=f"e{number}") for number in range(5)])
    assert outcomes(said) == [("created", None), *[("seen", None)] * 4]
    assert len(decided) == 1


def test_the_report_is_of_the_shape_that_the_schema_says() -> None:
    """Issue 5, what-if: the shape is stable."""
    said = simulated(
        [
            line("anonymous_token:t1", event_id="e1", traits={"given_name": "Ann", "last_name": "Lee", "plan": "pro"}),
            line("email:Ann@X.io", event_id="e2"),
            line("anonymous_token:t1", "email:ann@x.io", event_id="e3"),
            b"{",
        ],
        rules={"blocked": {"email": {"exact": ["ann@x.io"]}}},
        diff=True,
    )
    Draft202012Validator(schema()).validate(said)
    first, second = (
        simulated([line("anonymous_token:t1", event_id="e1"), line("anonymous_token:t1", "email:Ann@X.io", event_id="e2")]),
        said,
    )
    assert list(first) == ["contacts", "outcomes", "proposals"]
    (contact,) = first["contacts"]
    assert list(contact) == ["id", "type", "given_name", "last_name", "identifiers", "attributes", "merged"]
    assert contact["identifiers"][1] == {
        "semantic_type": "email",
        "identifier": "Ann@X.io",
        "normalised": "ann@x.io",
        "slug": "main",
        "is_validated": False,
        "assurance": "asserted",
    }
    assert first["outcomes"][1] == {"event_id": "e2", "outcome": "attached", "reason": None, "contact_id": contact["id"]}
    assert list(second) == ["contacts", "outcomes", "proposals", "bad_lines", "diff"]


def test_nothing_at_all_is_a_report_too() -> None:
    assert simulated([]) == {"contacts": [], "outcomes": [], "proposals": []}


def test_an_outcome_names_the_contact_as_it_was_decided() -> None:
    """R27."""
    said = simulated(
        [
            line("anonymous_token:t1", event_id="e1", occurred_at="2026-11-01T09:00:00Z"),
            line("email:a@x.io", event_id="e2", occurred_at="2026-11-01T09:01:00Z"),
            line("anonymous_token:t1", "email:a@x.io", event_id="e3", occurred_at="2026-11-01T09:02:00Z"),
        ]
    )
    (contact,) = said["contacts"]
    ids = [each["contact_id"] for each in said["outcomes"]]
    assert contact["merged"] == [ids[1]]
    assert ids == [contact["id"], ids[1], contact["id"]]


def test_workspaces_are_kept_apart() -> None:
    """R27; what is of several says whose it is."""
    said = simulated([line("email:a@x.io", event_id="e1", workspace=workspace) for workspace in ("acme", "other", "acme")])
    assert outcomes(said) == [("created", None), ("created", None), ("seen", None)]
    assert [each["workspace"] for each in said["contacts"]] == ["acme", "other"]
    assert [each["workspace"] for each in said["outcomes"]] == ["acme", "other", "acme"]


def test_event_time_is_capped_by_when_it_was_received() -> None:
    """R27, R12: of two values the later one stands; a device whose clock runs ahead wins only until it was received."""
    early = line(
        "email:a@x.io", event_id="e1", occurred_at="2030-01-01T00:00:00Z", received_at="2026-11-01T09:00:00Z", traits={"plan": "a"}
    )
    late = line("email:a@x.io", event_id="e2", occurred_at="2026-11-01T09:30:00Z", traits={"plan": "b"})
    for lines in ([early, late], [late, early]):
        assert simulated(lines)["contacts"][0]["attributes"] == {"unbound": {"plan": "b"}}


def test_a_line_without_a_time_is_as_old_as_the_one_before() -> None:
    first = line("email:a@x.io", event_id="e1", occurred_at="2026-11-01T09:30:00Z", traits={"plan": "a"})
    second = line("email:a@x.io", event_id="e0", occurred_at=None, traits={"plan": "b"})
    third = line("email:a@x.io", event_id="e2", occurred_at="soon", traits={"plan": "c"})
    assert simulated([first, second])["contacts"][0]["attributes"] == {"unbound": {"plan": "a"}}, "the greater id wins (R12)"
    assert simulated([first, second, third])["contacts"][0]["attributes"] == {"unbound": {"plan": "c"}}


def test_rules_amend_what_is_built_in() -> None:
    """R28: a key that is not there follows the default."""
    lines = [line("loyalty_card:7", "email:a@x.io", event_id="e1"), line("loyalty_card:7", "email:b@x.io", event_id="e2")]
    assert groups(simulated(lines)) == [["email:a@x.io"], ["email:b@x.io"]]
    assert groups(simulated(lines, rules={"catalog": [{"semantic_type": "loyalty_card"}]})) == [
        ["email:a@x.io", "email:b@x.io", "loyalty_card:7"]
    ]


@pytest.mark.parametrize("chunk", [1, 2, 1_000])
def test_a_line_that_is_no_interaction_is_named_and_harms_no_neighbour(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onefold.ops.simulate.run.CHUNK", chunk)
    doubled = line("email:a@x.io", event_id="e4").replace(b'"identifier": ', b'"identifier": "b@x.io", "identifier": ')
    said = simulated(
        [
            line("email:a@x.io", event_id="e1"),
            b"{",
            b"",
            b"  ",
            line("email:a@x.io", event_id=""),
            line("email:a@x.io", event_id="e2", schema=9),
            b'"' + b"x" * 3_000_000 + b'"',
            doubled,
            line("email:a@x.io", event_id="e3"),
        ]
    )
    assert [each["event_id"] for each in said["outcomes"]] == ["e1", "e3"]
    assert [(each["line"], each["code"]) for each in said["bad_lines"]] == [
        (2, "truncated"),
        (5, "missing_event_id"),
        (6, "unsupported_version"),
        (7, "too_large"),
        (8, "duplicate_key"),
    ]
    assert all(each["reason"] for each in said["bad_lines"])


def test_a_value_that_a_run_puts_into_quarantine_resolves_no_more_in_it() -> None:
    """Guard 5, R11: as in the log, where the rules of the next batch know of it; also for visitors whom nobody need decide on."""
    limits = {"merges_per_identifier_hour": 100, "contacts_per_value_day": 2}
    visitors = [f"anonymous_token:t{number}" for number in range(3)]
    story = [
        event("email:a@x.io"),
        *(event(each, minutes=number) for number, each in enumerate(visitors)),
        *(event(each, "email:a@x.io", minutes=10 + number) for number, each in enumerate((*visitors, visitors[0]))),
        event("email:a@x.io", minutes=20),
    ]
    world = World(rules=rules_of(document_of({"limits": limits}), recency=timedelta(0)))
    expected = world.play(*story)
    said = simulated(lines_of(story), rules={"limits": limits})
    assert outcomes(said) == [(each.kind.value, each.reason) for each in expected]
    assert [each["outcome"] for each in said["outcomes"][-4:]] == ["parked", "seen", "seen", "unresolved"]
    assert groups(said) == world.groups()


KNOWN = line("user_id:u1", "email:ann@x.io", event_id="e1")
CLAIM = line("anonymous_token:t2", "phone:+4915112345678", "email:ann@x.io", event_id="e2", assurance="claimed")


def test_what_a_claim_may_not_join_is_proposed() -> None:
    """R1, R26: named with the guard, the identifier's type and both contacts."""
    said = simulated([KNOWN, CLAIM])
    known, ghost = said["contacts"]
    assert said["proposals"] == [
        {
            "event_id": "e2",
            "cause": "policy",
            "semantic_type": "phone",
            "contacts": sorted([known["id"], ghost["id"]]),
            "state": "open",
        }
    ]
    Draft202012Validator(schema()).validate(said)


def test_there_is_one_proposal_for_each_pair_and_interaction() -> None:
    """R26: the same event again makes none, another event of the same pair does."""
    again = CLAIM.replace(b'"e2"', b'"e3"')
    assert [each["event_id"] for each in simulated([KNOWN, CLAIM, CLAIM, again, CLAIM])["proposals"]] == ["e2", "e3"]


def proved(identifier: str, *beside: str) -> bytes:
    """The visitor proves an identifier."""
    kind, _, value = identifier.partition(":")
    proof = {"semantic_type": kind, "identifier": value, "method": "otp"}
    return line(*beside, identifier, event_id="e9", assurance="proved", proof=proof)


def test_a_proposal_is_carried_out_when_the_visitor_proves_it() -> None:
    """Product.md, section 4, R9, R10: two that both control it become one, and nothing waits any more."""
    lines = [
        line("email:ann@x.io", event_id="e1"),
        line("anonymous_token:t2", "email:bo@x.io", event_id="e2"),
        line("anonymous_token:t2", "email:ann@x.io", event_id="e3", assurance="claimed"),
    ]
    assert [(each["event_id"], each["cause"]) for each in simulated(lines)["proposals"]] == [("e3", "known")]
    said = simulated([*lines, proved("email:ann@x.io", "anonymous_token:t2")])
    assert (len(said["contacts"]), said["proposals"]) == (1, [])
    assert said["outcomes"][3]["outcome"] == "merged"


def test_a_ghost_that_a_proof_leaves_with_nothing_waits_for_nothing() -> None:
    """R9, R26: what was merely claimed moves to the prover, and no proposal names a contact without identifiers."""
    said = simulated([KNOWN, CLAIM, proved("phone:+4915112345678", "anonymous_token:t2")])
    assert (said["outcomes"][2]["outcome"], said["proposals"]) == ("evicted", [])
    assert sorted(map(len, (each["identifiers"] for each in said["contacts"]))) == [0, 4]


def test_proposals_name_whom_their_contacts_lead_to_by_now() -> None:
    lines = [KNOWN, CLAIM, line("user_id:u1", "email:other@x.io", event_id="e0"), line("email:other@x.io", "oauth:o1", event_id="e4")]
    said = simulated(lines)
    (proposal,) = said["proposals"]
    assert set(proposal["contacts"]) <= {each["id"] for each in said["contacts"]}
