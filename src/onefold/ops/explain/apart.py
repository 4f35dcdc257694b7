"""Why two contacts are not one: all that stands between them, the strongest first. Pure.

What the guards would say is read from what each holds, under the rules in force now: rules apply to events that are decided after them
(R18). Of events only those that are kept as evidence can be named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onefold.identity.contact import Summary
from onefold.identity.limits import too_large
from onefold.ops.explain.shapes import Between

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from onefold.identity.contact import Tenure
    from onefold.identity.rules import Rules
    from onefold.ops.explain.standing import Standing
    from onefold.records.histories import Pair
    from onefold.records.proposals import Proposal
    from onefold.records.reads import EvidenceRow

SHOWN = 10
"""Of identifiers and events, that a clause names."""


class Side(NamedTuple):
    """One of the two."""

    contact_id: UUID
    held: Sequence[Tenure]
    """Those that ended, too."""
    summary: Summary
    """Of those that are open."""
    events: dict[tuple[str, int, int], EvidenceRow]
    """What is kept as evidence, by topic, partition and offset."""


def side_of(standing: Standing, contact_id: UUID, rules: Rules) -> Side:
    """What there is to know about one of the two."""
    held, summary, events = standing.held_by(contact_id), Summary(), {}
    for tenure in held:
        if tenure.is_open:
            summary.count(tenure, 1, unique=rules.is_unique(tenure.semantic_type))
        for each in standing.evidence(tenure):
            events[each.topic, each.partition, each.offset] = each
    return Side(contact_id, held, summary, events)


def between(one: Side, other: Side, pairs: Sequence[Pair], proposals: Sequence[Proposal], rules: Rules) -> list[Between]:
    """Everything that stands between two contacts that are two."""
    found = [_kept_apart(each) for each in pairs]
    found += [_proposed(each) for each in proposals[:SHOWN]]
    found += _conflicts(one, other)
    limit = too_large(one.summary, other.summary, rules)
    if limit is not None:
        text = f"together they would hold more identifiers than limits.{limit.value} allows"
        found.append(Between("limit", text, {"limit": limit.value, "identifiers": [one.summary.total, other.summary.total]}))
    split = [*_split_events(one, other), *_moved(one, other, rules)]
    found += split
    found += _for_claims(one, other, rules)
    if not split:
        text = "no event that is kept as evidence named identifiers of both"
        found.append(Between("nothing_in_common", text, {}))
    return found


def _kept_apart(pair: Pair) -> Between:
    how = "a merge of them was undone" if pair.why == "unmerged" else "a proposal to merge them was refused"
    text = f"kept apart: {how} by {pair.actor}" + (f" ({pair.reason})" if pair.reason else "") + "; no event joins them, a person may"
    facts = {"one": pair.one, "other": pair.other, "why": pair.why, "actor": pair.actor, "reason": pair.reason, "at": pair.at}
    return Between("kept_apart", text, facts)


def _proposed(each: Proposal) -> Between:
    text = f"event {each.last.event_id} would have joined them, had {each.guard} let it: proposal {each.proposal_id}, {each.state}"
    facts = {
        "proposal_id": each.proposal_id,
        "state": each.state,
        "guard": each.guard,
        "semantic_type": each.semantic_type,
        "first": each.first._asdict(),
        "last": each.last._asdict(),
        "expires_at": each.expires_at,
    }
    return Between("proposed", text, facts)


def _conflicts(one: Side, other: Side) -> Iterator[Between]:
    """Guard 1."""
    for kind in sorted(one.summary.unique.keys() & other.summary.unique.keys()):
        sides = [[each.normalised for each in side.held if each.is_open and each.semantic_type == kind][:SHOWN] for side in (one, other)]
        text = f"guard 1: a contact has one {kind}, and they have different ones; no event merges them"
        yield Between("conflict", text, {"semantic_type": kind, "values": sides})


def _split_events(one: Side, other: Side) -> Iterator[Between]:
    """Events that a guard divided between the two."""
    both = [each for place, each in one.events.items() if place in other.events and each.guard is not None]
    for each in sorted(both, key=lambda event: event.at)[:SHOWN]:
        text = f"event {each.event_id} named identifiers of both; the guard that kept them apart is {each.guard}"
        where = {"topic": each.topic, "partition": each.partition, "offset": each.offset}
        yield Between("event", text, {"event_id": each.event_id, **where, "at": each.at, "guard": each.guard})


def _moved(one: Side, other: Side, rules: Rules) -> Iterator[Between]:
    """Identifiers that one had and the other got: devices by a hand-over, all else by a proof."""
    mine = {tenure.key: tenure for tenure in one.held}
    for theirs in other.held:
        tenure = mine.get(theirs.key)
        if tenure is not None:
            newer = max(tenure, theirs, key=lambda each: (each.since, each.tenure_id))
            loser, winner = (one, other) if newer is theirs else (other, one)
            facts = {"identifier": newer.text, "from": loser.contact_id, "to": winner.contact_id, "at": newer.since}
            entry = rules.catalog.find(newer.semantic_type)
            if entry is not None and entry.device_bound:
                text = f"{newer.text} was of both, one after the other: a shared device goes from hand to hand, and joins nobody"
                yield Between("handed_over", text, facts)
            else:
                yield Between("evicted", f"{newer.text} was proved by one, who took it from the other, and joins nobody", facts)


def _for_claims(one: Side, other: Side, rules: Rules) -> Iterator[Between]:
    """Guards 2 and 3, and the policy: they hold back what is merely claimed."""
    known = [side.contact_id for side in (one, other) if any(side.summary.by_assurance[1:])]
    if rules.policy != "eager" and len(known) > 1:
        yield Between("known", "guard 3: both are known, so a claim does not merge them; an assertion may", {"known": known})
    elif rules.policy == "strict":
        text = "under policy strict a claim joins ghosts only, and none that is known"
        yield Between("policy", text, {"policy": rules.policy, "known": known})
    elif rules.policy == "careful" and known:
        text = "one of them is known: under policy careful a claim joins it with devices, and ghosts that hold nothing else, alone"
        yield Between("policy", text, {"policy": rules.policy, "known": known})
    validated = [each.text for side in (one, other) for each in side.held if each.is_open and each.is_validated]
    if validated:
        text = f"guard 2: a claim joins nothing through what is validated: {', '.join(validated[:SHOWN])}"
        yield Between("validated", text, {"identifiers": validated[:SHOWN], "identifiers_total": len(validated)})
