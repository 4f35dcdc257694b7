"""What a claim may do, by the policy of its workspace: `careful`, `eager` or `strict` (product.md, section 4; R1 to R5, R16).

Asserted identifiers join by the guards alone, and what is proved as `proof` says. Claims join freely what is open to them. What is closed
takes, under `careful`, device-bound identifiers and ghosts that hold nothing else; all else of the event gathers on its own *side*, and
each pair of contacts that stays two is a proposal. Pure reading, like `guards`. Called by `decide`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity.assurance import Assurance
from onefold.identity.guards import (
    Gathering,
    apart_sealed,
    begin_with,
    compatible,
    gather,
    held_once,
    is_sealed,
    leave_conflict,
    leave_sealed,
    named_once,
    take,
)
from onefold.identity.plan import Reason
from onefold.identity.proof import gather_proved

if TYPE_CHECKING:
    from onefold.identity.contact import Contact
    from onefold.identity.guards import Bound, Case
    from onefold.identity.interaction import Interaction
    from onefold.identity.rules import Rules


def sort_out(case: Case) -> Gathering:
    """Sort the identifiers of an event by what becomes of them."""
    is_eager = case.rules.policy == "eager"
    if case.interaction.proof is None and is_eager:  # a claim joins as if asserted (R4)
        return gather(case, case.bounds)
    claims = [bound for bound in case.bounds if bound.assurance is Assurance.CLAIMED]
    gather_firm = gather if case.interaction.proof is None else gather_proved
    if not claims:
        return gather_firm(case, case.bounds)
    if len(claims) < len(case.bounds):
        core = gather_firm(case, [bound for bound in case.bounds if bound.assurance is not Assurance.CLAIMED])
        if not core.is_empty:
            core.unique = {**named_once(claims), **core.unique}  # what conflicts with a claim changes hands beside an assertion, too (R2)
            return _around(case, core, claims)
    if is_eager:
        return gather(case, case.bounds)
    closed = [bound for bound in claims if bound.holder is not None and is_closed(bound.holder, case.rules) and not is_sealed(bound)]
    if not closed:
        return gather(case, case.bounds)
    return _meet(case, claims, closed)


def is_closed(contact: Contact, rules: Rules) -> bool:
    """Whether a claim may not join the contact freely: it is known or, under `strict`, no ghost (R3)."""
    return contact.is_known or (rules.policy == "strict" and contact.type != "ghost")


def takes_values(contact: Contact, interaction: Interaction, rules: Rules) -> bool:
    """Whether the interaction's values may compete with the contact's: under `strict` claims fill open ghosts only (R12)."""
    return not (rules.policy == "strict" and interaction.value_assurance is Assurance.CLAIMED and is_closed(contact, rules))


def _is_device(case: Case, contact: Contact) -> bool:
    """Whether it is a ghost that holds nothing but device-bound identifiers (R16)."""
    if contact.type != "ghost":
        return False
    kinds = (case.rules.catalog.find(kind) for kind, count in contact.summary.open_by_type.items() if count)
    return all(entry is not None and entry.device_bound for entry in kinds)


def _meet(case: Case, claims: list[Bound], closed: list[Bound]) -> Gathering:
    """Claims that lead to closed contacts: either the first of them is the event's contact, or what is free is (R1)."""
    open_to, sealed = apart_sealed(claims)
    free = [bound for bound in open_to if bound not in closed]
    chosen = next(bound for bound in open_to if bound.holder is not None)
    own = Gathering({**(held_once(case, chosen.holder) if chosen.holder is not None else {}), **named_once(claims)})
    if _goes_its_own_way(case, own, chosen, free, closed):
        for bound in free:
            take(case, own, bound)
        for bound in closed:
            _leave_closed(case, own, bound)
        if not own.is_empty:
            leave_sealed(case, own, sealed)
            return own
    own = Gathering(named_once(claims))
    first = next((bound for bound in closed if bound.holder is not None and compatible(case, own, bound.holder)), closed[0])
    assert first.holder is not None, "what is closed is held"  # noqa: S101 -- for the type checker
    begin_with(case, own, first.holder)
    own.held.append(first)
    guard = Reason.KNOWN if first.holder.is_known else Reason.POLICY
    return _around(case, own, [bound for bound in claims if bound is not first], guard)


def _goes_its_own_way(case: Case, own: Gathering, chosen: Bound, free: list[Bound], closed: list[Bound]) -> bool:
    """Whether the event is that of its free identifiers, and nothing of it reaches a closed contact (R1).

    So it is where no closed one holds its `unique_per_contact` identifier, where they conflict with what is closed, where its device
    belongs to somebody who may not join, and always under `strict`. Whether something is new or in a ghost on the side makes no
    difference (R7).
    """
    if case.rules.policy == "strict":
        return True
    named = next((bound for bound in case.bounds if bound.entry.unique_per_contact), None)
    if named is not None:
        return named.holder is None or all(bound.holder is not named.holder for bound in closed)
    if chosen in free and any(bound.holder is not None and not compatible(case, own, bound.holder) for bound in closed):
        return True
    both = Gathering({**own.unique, **(held_once(case, closed[0].holder) if closed[0].holder is not None else {})})
    theirs = (bound.holder for bound in free if bound.entry.device_bound and bound.holder is not None)
    return any(not _is_device(case, holder) and compatible(case, both, holder) for holder in theirs)


def _leave_closed(case: Case, own: Gathering, bound: Bound) -> None:
    """What a closed contact holds stays with it, but for a device that guard 1 takes from it (R2)."""
    assert bound.holder is not None, "what is closed is held"  # noqa: S101 -- for the type checker
    if compatible(case, own, bound.holder):
        own.refuse(bound, Reason.POLICY)
    else:
        leave_conflict(case, own, bound)


def _around(case: Case, own: Gathering, bounds: list[Bound], guard: Reason = Reason.KNOWN) -> Gathering:
    """Let claims come to a closed contact as far as the policy lets them; the rest gathers on the side.

    `guard` keeps known contacts from it.
    """
    claims, sealed = apart_sealed(bounds)
    aside: list[Bound] = []
    stranded: list[Bound] = []
    lets_devices, is_eager = case.rules.policy != "strict", case.rules.policy == "eager"
    for bound in claims:
        holder = bound.holder
        if holder is not None and (own.holds(holder) or not compatible(case, own, holder)):
            if own.holds(holder) or lets_devices or not bound.entry.device_bound:
                take(case, own, bound)
            else:
                stranded.append(bound)
        elif is_eager and own.unique.get(bound.entry.semantic_type, bound.identifier.key) == bound.identifier.key:
            take(case, own, bound)
        elif holder is not None and is_closed(holder, case.rules):
            own.refuse(bound, guard if holder.is_known else Reason.POLICY)
        elif lets_devices and bound.entry.device_bound and (holder is None or _is_device(case, holder)):
            take(case, own, bound)
        else:
            aside.append(bound)
    if aside or stranded:
        _set_aside(case, own, aside, stranded)
    leave_sealed(case, own, sealed)
    return own


def _set_aside(case: Case, own: Gathering, aside: list[Bound], stranded: list[Bound]) -> None:
    """Gather on the side what may not come to the contact, with the devices that guard 1 takes and that may not either (R2).

    A ghost that came to the contact after all, by a device of its own, takes nothing to the side, nor what lies there to the contact.
    """
    here = [bound for bound in aside if bound.holder is not None and own.holds(bound.holder)]
    own.held.extend(here)
    aside = [bound for bound in aside if bound not in here]
    side = gather(case, aside)
    side.is_aside = True
    for bound in stranded:
        leave_conflict(case, side, bound)
    if aside or stranded:
        own.leave(Reason.POLICY if aside else Reason.CONFLICT)
    if not side.is_empty:
        own.side = side
