"""Decide what some interactions change: `decide(snapshot, interactions, rules) → plan`. Pure: no I/O, no clock, no randomness.

Resolver, what-if, simulator and tests all come through here. Interactions are taken in the given order, each on what the ones
before it left behind, so the size of a batch changes no outcome.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity import survivorship
from onefold.identity.attach import attach_fresh, create, hand_over, touch
from onefold.identity.contact import Provenance
from onefold.identity.guards import Case, bind
from onefold.identity.merge import merge
from onefold.identity.plan import Excess, Limit, Outcome, OutcomeKind, Parked, Plan, Reason, Rule
from onefold.identity.policy import sort_out, takes_values
from onefold.identity.proposals import propose
from onefold.identity.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from onefold.identity.contact import ContactId, Tenure, TenureId
    from onefold.identity.guards import Gathering
    from onefold.identity.interaction import Interaction
    from onefold.identity.rules import Rules
    from onefold.identity.snapshot import Snapshot

TOKEN = "anonymous_token"  # noqa: S105 -- the name of a type

_RULES = {
    OutcomeKind.MERGED: Rule.SHARED_IDENTIFIER,
    OutcomeKind.HANDED_OVER: Rule.HAND_OVER,
    OutcomeKind.CREATED: Rule.NEW_VISITOR,
    OutcomeKind.ATTACHED: Rule.SHARED_IDENTIFIER,
}


def decide(
    snapshot: Snapshot,
    interactions: Sequence[Interaction],
    rules: Mapping[str, Rules],
    tenure_ids: Iterator[TenureId],
    *,
    budget: int | None = None,
) -> Plan:
    """The plan for these interactions, in order. `rules` by workspace; `tenure_ids` numbers new tenures.

    With a `budget` of tenures that merges may move, the plan may end early: it has outcomes for the interactions that it covers,
    at least one, and the rest waits for the next transaction.
    """
    work = Workbench(snapshot, tenure_ids)
    outcomes: list[Outcome] = []
    for interaction in interactions:
        if budget is not None and work.plan.moved > budget:
            break
        outcomes.append(_decide_one(work, interaction, rules[interaction.workspace]))
    return work.finish(outcomes)


def _decide_one(work: Workbench, interaction: Interaction, rules: Rules) -> Outcome:
    if work.quarantined and (gone := work.quarantined.get(interaction.workspace)):
        interaction = interaction.without(gone)
    if not interaction.identifiers:
        return Outcome(interaction, OutcomeKind.UNRESOLVED, Reason.NO_IDENTIFIER, None, None)
    gathering = sort_out(Case(work, interaction, rules, bind(work, interaction, rules)))
    if gathering.is_empty:
        return Outcome(interaction, OutcomeKind.BARRED, Reason.BARRED, None, None)
    contact_id, kind = _carry_out(work, interaction, rules, gathering)
    rule, beside = _RULES.get(kind), None
    if gathering.side is not None:
        beside, what = _carry_out(work, interaction, rules, gathering.side)
        rule = rule or (Rule.ASIDE if what is not OutcomeKind.SEEN else None)
        gathering.excesses.extend(gathering.side.excesses)
    history = _history(work, interaction, contact_id)
    if not _put_values(work, interaction, rules, contact_id, history):
        gathering.exceed(Excess(Limit.BYTES_PER_CONTACT))
    _see(work, interaction, rules, contact_id)
    if gathering.reason is not None:
        propose(work, interaction, gathering, contact_id, beside)
        work.note_guard(interaction, gathering.reason)
    changed = work.close(interaction, rule or (Rule.PROOF if interaction.proof is not None else Rule.VALUES))
    if changed and kind is OutcomeKind.SEEN:
        kind = OutcomeKind.UPDATED
    if gathering.excesses:
        kind = OutcomeKind.PARKED
        _park(work, interaction, gathering, contact_id)
    work.note_current(interaction)
    return Outcome(interaction, kind, gathering.reason, contact_id, history)


def _carry_out(work: Workbench, interaction: Interaction, rules: Rules, gathering: Gathering) -> tuple[ContactId, OutcomeKind]:
    """Make one contact of what gathered; gives it, and what was done."""
    kind = OutcomeKind.SEEN
    if not gathering.joined:
        contact_id, kind = create(work, interaction, gathering), OutcomeKind.CREATED
    elif len(gathering.joined) > 1:
        contact_id, kind = merge(work, interaction, gathering), OutcomeKind.MERGED
    else:
        contact_id = gathering.joined[0].contact_id
    attached = attach_fresh(work, interaction, rules, contact_id, gathering)
    moved = hand_over(work, interaction, rules, contact_id, gathering)
    with_personal = any(not bound.entry.device_bound for bound in (*gathering.held, *attached))
    touch(work, interaction, rules, [*gathering.held, *attached, *moved], with_personal=with_personal)
    if kind is OutcomeKind.SEEN or (moved and kind is OutcomeKind.CREATED):
        kind = OutcomeKind.HANDED_OVER if moved else OutcomeKind.ATTACHED if attached else kind
    return contact_id, kind


def _park(work: Workbench, interaction: Interaction, gathering: Gathering, contact_id: ContactId) -> None:
    """Keep what a limit left something out of; a value that tries to join too many contacts on a day resolves no more (R11)."""
    work.plan.parked.append(Parked(interaction, tuple(gathering.excesses), contact_id))
    for excess in gathering.excesses:
        if excess.limit is Limit.CONTACTS_PER_VALUE_DAY and excess.key is not None:
            work.quarantine(interaction, excess.key)


def _put_values(work: Workbench, interaction: Interaction, rules: Rules, contact_id: ContactId, history: Tenure | None) -> bool:
    """Let the interaction's fields and attributes compete with the contact's (R12); gives whether there was room for all that won."""
    if not interaction.carries_values:
        return True
    contact = work.contact(interaction.workspace, contact_id)
    if not takes_values(contact, interaction, rules):
        return True
    won = survivorship.offered(contact, interaction, rules.recency)
    fitting = survivorship.fitting(contact, won)
    if fitting:
        via = history.tenure_id if history is not None else None
        provenance = Provenance(interaction.value_assurance, interaction.at, interaction.event_id, via)
        twin = work.edit(contact)
        for path, _, value in fitting:
            survivorship.put(twin, path, value, provenance)
    return len(fitting) == len(won)


def _see(work: Workbench, interaction: Interaction, rules: Rules, contact_id: ContactId) -> None:
    """When the contact was first and last seen; the latter to within `recency`."""
    contact, at = work.contact(interaction.workspace, contact_id), interaction.at
    if at < contact.first_seen_at:
        work.edit(contact).first_seen_at = at
    elif at > contact.last_seen_at and at >= contact.last_seen_at + rules.recency:
        work.edit(contact).last_seen_at = at


def _history(work: Workbench, interaction: Interaction, contact_id: ContactId) -> Tenure | None:
    """The tenure that the interaction's history hangs on: its anonymous token's, else the first that led to the contact."""
    ordered = sorted(interaction.identifiers, key=lambda identifier: identifier.semantic_type != TOKEN)
    for identifier in ordered:
        tenure = work.tenure_at(interaction.workspace, identifier.key, interaction.moment)
        if tenure is not None and work.contact(tenure.workspace, tenure.contact_id).contact_id == contact_id:
            return tenure
    return None
