"""Whom the identifiers of one interaction resolve to, and what the guards hold back (product.md, section 4).

Pure reading: nothing is changed here. `decide` carries out what `gather` found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from onefold.identity.assurance import Assurance
from onefold.identity.contact import Contact
from onefold.identity.identifiers import IdentifierKey
from onefold.identity.limits import beyond
from onefold.identity.plan import Excess, Reason

if TYPE_CHECKING:
    from onefold.identity.catalog import CatalogEntry
    from onefold.identity.contact import Tenure
    from onefold.identity.identifiers import Identifier
    from onefold.identity.interaction import Interaction, Moment
    from onefold.identity.rules import Rules
    from onefold.identity.workbench import Workbench


class Bound(NamedTuple):
    """One identifier of an interaction with what is known about it."""

    identifier: Identifier
    entry: CatalogEntry
    assurance: Assurance
    """How strongly this interaction binds it."""
    tenure: Tenure | None
    """The tenure that the event falls into."""
    holder: Contact | None
    is_late: bool
    """The event is older than the present holder's tenure: it is credited, and changes no tenure."""
    is_barred: bool = False
    """The event is older than a separation of the identifier: it joins nothing through it, and takes or attaches it no more."""


class Case(NamedTuple):
    """What deciding on one interaction looks at."""

    work: Workbench
    interaction: Interaction
    rules: Rules
    bounds: list[Bound]
    """All its identifiers, in the order in which they choose its contact."""


class Refusal(NamedTuple):
    """An identifier whose holder the event does not join, and the guard that says so."""

    bound: Bound
    reason: Reason


class Gathering(Struct):
    """How the identifiers of one interaction sort themselves around one contact."""

    unique: dict[str, IdentifierKey]
    """Values of `unique_per_contact` types that it holds, or that the event names."""
    joined: list[Contact] = field(default_factory=list)
    """Contacts that are, or become, the contact of the event."""
    fresh: list[Bound] = field(default_factory=list)
    """Identifiers that nobody holds."""
    held: list[Bound] = field(default_factory=list)
    """Identifiers that one of `joined` holds."""
    handed_over: list[Bound] = field(default_factory=list)
    """Device-bound identifiers of contacts that conflict."""
    evicted: list[Bound] = field(default_factory=list)
    """The proved identifier, where it moves here from another contact (see `proof`)."""
    refused: list[Refusal] = field(default_factory=list)
    """What a claim would have joined: each is a proposal."""
    side: Gathering | None = None
    """What a claim may not join to this contact, and gathers around one of its own (R1)."""
    is_aside: bool = False
    """Whether it is the side of another one."""
    reason: Reason | None = None
    """The guard that left something out."""
    excesses: list[Excess] = field(default_factory=list)
    """What limits left out: the interaction is parked."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing of which a contact could be."""
        return not (self.joined or self.fresh or self.handed_over or self.evicted)

    def holds(self, contact: Contact) -> bool:
        """Whether the contact is among those that it joins."""
        return any(each.contact_id == contact.contact_id for each in self.joined)

    def leave(self, reason: Reason) -> None:
        """Note that a guard left something where it is; the first guard is the one that is told."""
        self.reason = self.reason or reason

    def exceed(self, *excesses: Excess) -> None:
        """Note that limits left something out (guard 4)."""
        self.leave(Reason.LIMIT)
        self.excesses.extend(excesses)

    def refuse(self, bound: Bound, reason: Reason) -> None:
        """Leave it where it is, and propose to join its holder."""
        self.leave(reason)
        self.refused.append(Refusal(bound, reason))


def bind(work: Workbench, interaction: Interaction, rules: Rules) -> list[Bound]:
    """The interaction's identifiers with their holders, in the order in which they choose its contact (R5)."""
    found = []
    workspace, moment = interaction.workspace, interaction.moment
    for identifier in interaction.identifiers:
        entry = rules.catalog.entry(identifier.semantic_type)
        tenure, is_barred = work.tenure_at(workspace, identifier.key, moment), work.is_barred(interaction, identifier.key)
        if is_barred and tenure is not None and tenure.held_until == interaction.at:
            tenure = None  # it ended by this very event, of somebody who is erased
        holder = work.contact(workspace, tenure.contact_id) if tenure is not None else None
        assurance = interaction.assurance_of(identifier, device_bound=entry.device_bound)
        is_late = tenure is not None and not tenure.is_open
        found.append(Bound(identifier, entry, assurance, tenure, holder, is_late, is_barred))
    found.sort(key=lambda bound: (not bound.entry.unique_per_contact, bound.entry.device_bound, bound.entry.priority))
    return found


def gather(case: Case, bounds: list[Bound]) -> Gathering:
    """Join all that guards let join: asserted interactions, and claims among contacts that are open to them.

    Without `joined` the event has a new contact, of what is `fresh` or handed over.
    """
    open_to, sealed = apart_sealed(bounds)
    result = Gathering(named_once(bounds))
    for bound in open_to:
        take(case, result, bound)
    leave_sealed(case, result, sealed)
    return result


def take(case: Case, result: Gathering, bound: Bound) -> None:
    """Sort one more identifier: new, held, in conflict, kept apart, over a limit, or joined with its holder."""
    holder = bound.holder
    if holder is None:
        result.fresh.append(bound)
    elif result.holds(holder):
        result.held.append(bound)
    elif not compatible(case, result, holder):
        leave_conflict(case, result, bound)
    elif any(case.work.are_kept_apart(each, holder) for each in result.joined):
        result.leave(Reason.KEPT_APART)
    elif excesses := beyond(case.bounds, result.joined, bound, case.interaction, case.rules):
        result.exceed(*excesses)
    else:
        begin_with(case, result, holder)
        result.held.append(bound)


def begin_with(case: Case, result: Gathering, holder: Contact) -> None:
    """Make a contact one of those that the event joins."""
    result.joined.append(holder)
    result.unique.update(held_once(case, holder))


def named_once(bounds: list[Bound]) -> dict[str, IdentifierKey]:
    """The values of `unique_per_contact` types that an event names; what is barred takes nothing."""
    return {bound.entry.semantic_type: bound.identifier.key for bound in bounds if bound.entry.unique_per_contact and not bound.is_barred}


def apart_sealed(bounds: list[Bound]) -> tuple[list[Bound], list[Bound]]:
    """The identifiers through which the event may join, and those that stay whose they are."""
    sealed = [bound for bound in bounds if is_sealed(bound)]
    if not sealed:
        return bounds, sealed
    return [bound for bound in bounds if bound not in sealed], sealed


def is_sealed(bound: Bound) -> bool:
    """Whether the event may not join through the identifier, and never takes it.

    Guard 2 (R4): a claim does not where another contact holds it validated. And old news takes nothing back: an event from before a
    separation does not join through what was separated.
    """
    return bound.is_barred or (bound.assurance is Assurance.CLAIMED and bound.tenure is not None and bound.tenure.is_validated)


def leave_sealed(case: Case, result: Gathering, sealed: list[Bound]) -> None:
    """Sealed identifiers lead to their holder only where the event is its own anyway, or names nothing else."""
    for bound in sealed:
        if bound.holder is not None and result.is_empty:
            begin_with(case, result, bound.holder)
        if bound.holder is not None and result.holds(bound.holder):
            result.held.append(bound)
        elif bound.is_barred:
            result.leave(Reason.BARRED)
        else:
            result.refuse(bound, Reason.PROOF)


def credit(result: Gathering, bounds: list[Bound]) -> bool:
    """Credit an event that nobody has any more to whoever held its identifier then, though he holds another value of the type by now."""
    then = next((bound for bound in bounds if bound.is_late and not bound.is_barred and bound.holder is not None), None)
    if then is None or then.holder is None:
        return False
    result.joined.append(then.holder)
    result.held.append(then)
    return True


def compatible(case: Case, result: Gathering, contact: Contact) -> bool:
    """Guard 1: different values of a `unique_per_contact` type never come together by an event; a person may have put them together."""
    unique = result.unique
    return all(unique.get(kind, key) == key or _holds(case, contact, unique[kind]) for kind, key in held_once(case, contact).items())


def _holds(case: Case, contact: Contact, key: IdentifierKey) -> bool:
    """Whether the contact holds an identifier that the event names: of a unique type it may hold two, since a person merged them (R19)."""
    return any(bound.identifier.key == key and bound.holder is contact and not bound.is_late for bound in case.bounds)


def held_once(case: Case, contact: Contact) -> dict[str, IdentifierKey]:
    """What the contact holds of types that are `unique_per_contact`; a summary still names those that were so earlier (R18)."""
    return {kind: key for kind, key in contact.summary.unique.items() if case.rules.is_unique(kind)}


def leave_conflict(case: Case, result: Gathering, bound: Bound) -> None:
    """A device-bound identifier is handed over where event time allows (R2, R7); a personal one stays where it is (R5, R26)."""
    if not bound.entry.device_bound:
        if bound.assurance is Assurance.CLAIMED:
            result.refuse(bound, Reason.CONFLICT)
        else:
            result.leave(Reason.CONFLICT)
    elif not bound.is_late and bound.tenure is not None and _is_later(case.interaction.moment, bound.tenure):
        result.handed_over.append(bound)
    else:
        result.leave(Reason.CONFLICT)


def _is_later(moment: Moment, tenure: Tenure) -> bool:
    """Whether an event is later than the holder's last use, and than the hand-over that it has the identifier from (R7)."""
    return (tenure.used is None or moment > tenure.used) and (tenure.held_from is None or moment > tenure.held_from)
