"""Decide what some interactions change: `decide(snapshot, interactions, rules) → plan`. Pure: no I/O, no clock, no randomness.

Resolver, what-if, simulator and tests all come through here. Interactions are taken in the given order, each on what the ones
before it left behind, so the size of a batch changes no outcome.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity import survivorship
from onefold.identity.assurance import Assurance
from onefold.identity.attach import attach_fresh, create, evict, hand_over, touch
from onefold.identity.catalog import TOKEN
from onefold.identity.contact import Provenance
from onefold.identity.guards import Case, bind, credit
from onefold.identity.merge import merge
from onefold.identity.newcomers import welcome
from onefold.identity.plan import Excess, Limit, Outcome, OutcomeKind, Parked, Plan, Reason, Rule
from onefold.identity.policy import sort_out, takes_values
from onefold.identity.proposals import propose
from onefold.identity.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from onefold.identity.contact import Contact, ContactId, Tenure, TenureId
    from onefold.identity.guards import Gathering
    from onefold.identity.interaction import Interaction
    from onefold.identity.rules import Rules
    from onefold.identity.snapshot import Snapshot

_RULES = {
    OutcomeKind.MERGED: Rule.SHARED_IDENTIFIER,
    OutcomeKind.EVICTED: Rule.EVICTION,
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
    welcomed = welcome(work, interaction, rules)
    return welcomed if welcomed is not None else _weigh(work, interaction, rules)


def _weigh(work: Workbench, interaction: Interaction, rules: Rules) -> Outcome:
    """The outcome of an interaction some of whose identifiers have a past."""
    bounds = bind(work, interaction, rules)
    gathering = sort_out(Case(work, interaction, rules, bounds))
    # All that an event of somebody erased says was theirs, and what nobody knew as well.
    is_nobodys = not gathering.joined and (gathering.is_empty or work.names_somebody_erased(interaction))
    if is_nobodys and not (gathering.is_empty and credit(gathering, bounds)):
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
    _hang(work, interaction, contact_id)
    if gathering.evicted:
        _copy_values(work, interaction, contact_id, gathering)
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
    taken = evict(work, interaction, rules, contact_id, gathering) if gathering.evicted else []
    with_personal = bool(taken) or any(not bound.entry.device_bound for bound in (*gathering.held, *attached))
    touch(work, interaction, rules, [*gathering.held, *attached, *moved, *taken], with_personal=with_personal)
    if taken and kind is not OutcomeKind.MERGED:
        kind = OutcomeKind.EVICTED
    elif kind is OutcomeKind.SEEN or (moved and kind is OutcomeKind.CREATED):
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
    via = history.tenure_id if history is not None else None
    beside = _named_beside(work, interaction, rules, contact)
    mine = Provenance(interaction.value_assurance, interaction.at, interaction.event_id, via, beside)
    won = survivorship.offered(contact, interaction, mine, rules.recency)
    fitting = survivorship.fitting(contact, won)
    if fitting:
        twin = work.edit(contact)
        for path, _, value in fitting:
            survivorship.put(twin, path, value, survivorship.beside_before(twin, path, value, mine))
    return len(fitting) == len(won)


def _hang(work: Workbench, interaction: Interaction, contact_id: ContactId) -> None:
    """Add what an import hangs on its contact. It takes nothing away, so the order of its lines does not matter."""
    if not interaction.tags and not interaction.is_vendor:
        return
    contact = work.contact(interaction.workspace, contact_id)
    if not set(interaction.tags) <= set(contact.tags):
        twin = work.edit(contact)
        twin.tags = sorted({*twin.tags, *interaction.tags})
    if interaction.is_vendor and not contact.is_vendor:
        work.edit(contact).is_vendor = True


def _named_beside(work: Workbench, interaction: Interaction, rules: Rules, contact: Contact) -> tuple[TenureId, ...]:
    """The contact's personal identifiers that its values came with; none where they are more than somebody says of himself."""
    found = []
    for identifier in interaction.identifiers:
        if not rules.catalog.entry(identifier.semantic_type).device_bound:
            tenure = work.tenure_at(interaction.workspace, identifier.key, interaction.moment)
            if tenure is not None and work.contact(tenure.workspace, tenure.contact_id).contact_id == contact.contact_id:
                found.append(tenure.tenure_id)
    return tuple(found) if len(found) <= survivorship.MOST_BESIDE else ()


def _copy_values(work: Workbench, interaction: Interaction, contact_id: ContactId, gathering: Gathering) -> None:
    """Give the prover copies of the values that came with what he took, where he has none (R9)."""
    workspace = interaction.workspace
    for bound in gathering.evicted:
        tenure = work.open_tenure(workspace, bound.identifier.key)
        if tenure is None or bound.tenure is None or bound.holder is None or tenure.tenure_id == bound.tenure.tenure_id:
            continue
        left, prover = work.contact(workspace, bound.holder.contact_id), work.contact(workspace, contact_id)
        copies = survivorship.copied(prover, left, bound.tenure.tenure_id)
        if copies:
            twin = work.edit(prover)
            for path, value, origin in copies:
                survivorship.put(
                    twin, path, value, origin._replace(assurance=Assurance.CLAIMED, via=tenure.tenure_id, beside=(tenure.tenure_id,))
                )


def _see(work: Workbench, interaction: Interaction, rules: Rules, contact_id: ContactId) -> None:
    """When the contact was first and last seen; the latter to within `recency`."""
    contact, at = work.contact(interaction.workspace, contact_id), interaction.at
    if at < contact.first_seen_at:
        work.edit(contact).first_seen_at = at
    elif at > contact.last_seen_at and at >= contact.last_seen_at + rules.recency:
        work.edit(contact).last_seen_at = at


def _history(work: Workbench, interaction: Interaction, contact_id: ContactId) -> Tenure | None:
    """The tenure that the interaction's history hangs on: its anonymous token's, else the first that led to the contact.

    A proof that comes late finds its contact by who holds its identifier now (R10).
    """
    ordered = sorted(interaction.identifiers, key=lambda identifier: identifier.semantic_type != TOKEN)
    for identifier in ordered:
        tenure = work.tenure_at(interaction.workspace, identifier.key, interaction.moment)
        if tenure is not None and work.contact(tenure.workspace, tenure.contact_id).contact_id == contact_id:
            return tenure
    held = work.open_tenure(interaction.workspace, interaction.proof.key) if interaction.proof is not None else None
    return held if held is not None and work.contact(held.workspace, held.contact_id).contact_id == contact_id else None
