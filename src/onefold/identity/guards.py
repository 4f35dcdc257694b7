"""Whom the identifiers of one interaction resolve to, and what the guards hold back (product.md, section 4).

Pure reading: nothing is changed here. `decide` carries out what `gather` found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from onefold.identity.assurance import Assurance
from onefold.identity.contact import Contact
from onefold.identity.identifiers import IdentifierKey
from onefold.identity.plan import Reason

if TYPE_CHECKING:
    from onefold.identity.catalog import CatalogEntry
    from onefold.identity.contact import Tenure
    from onefold.identity.identifiers import Identifier
    from onefold.identity.interaction import Interaction
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


class Refusal(NamedTuple):
    """An identifier whose holder the event does not join, and the guard that says so."""

    bound: Bound
    reason: Reason


class Gathering(Struct):
    """How the identifiers of one interaction sort themselves around one contact."""

    bounds: list[Bound]
    """All identifiers of the event."""
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
    refused: list[Refusal] = field(default_factory=list)
    """What a claim would have joined: each is a proposal."""
    side: Gathering | None = None
    """What a claim may not join to this contact, and gathers around one of its own (R1)."""
    is_aside: bool = False
    """Whether it is the side of another one."""
    reason: Reason | None = None
    """The guard that left something out."""
    limited: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing of which a contact could be."""
        return not (self.joined or self.fresh or self.handed_over)

    def holds(self, contact: Contact) -> bool:
        """Whether the contact is among those that it joins."""
        return any(each.contact_id == contact.contact_id for each in self.joined)

    def leave(self, reason: Reason) -> None:
        """Note that a guard left something where it is; the first guard is the one that is told."""
        self.reason = self.reason or reason
        self.limited = self.limited or reason is Reason.LIMIT

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
        tenure = work.tenure_at(workspace, identifier.key, moment)
        holder = work.contact(workspace, tenure.contact_id) if tenure is not None else None
        assurance = interaction.assurance_of(identifier, device_bound=entry.device_bound)
        found.append(Bound(identifier, entry, assurance, tenure, holder, tenure is not None and not tenure.is_open))
    found.sort(key=lambda bound: (not bound.entry.unique_per_contact, bound.entry.device_bound, bound.entry.priority))
    return found


def gather(bounds: list[Bound], interaction: Interaction, rules: Rules) -> Gathering:
    """Join all that guards let join: asserted interactions, and claims among contacts that are open to them.

    Without `joined` the event has a new contact.
    """
    open_to, sealed = apart_sealed(bounds)
    result = Gathering(bounds, named_once(bounds))
    for bound in open_to:
        take(result, bound, interaction, rules)
    leave_sealed(result, sealed)
    return result


def take(result: Gathering, bound: Bound, interaction: Interaction, rules: Rules) -> None:
    """Sort one more identifier: new, held, in conflict, over a limit, or joined with its holder."""
    if bound.holder is None:
        result.fresh.append(bound)
    elif result.holds(bound.holder):
        result.held.append(bound)
    elif not compatible(result, bound.holder, rules):
        leave_conflict(result, bound, interaction)
    elif not _within_limits(result.joined, bound.holder, rules) or not _may_join(result, bound, interaction, rules):
        result.leave(Reason.LIMIT)
    else:
        begin_with(result, bound.holder, rules)
        result.held.append(bound)


def begin_with(result: Gathering, holder: Contact, rules: Rules) -> None:
    """Make a contact one of those that the event joins."""
    result.joined.append(holder)
    result.unique.update(held_once(holder, rules))


def named_once(bounds: list[Bound]) -> dict[str, IdentifierKey]:
    """The values of `unique_per_contact` types that an event names."""
    return {bound.entry.semantic_type: bound.identifier.key for bound in bounds if bound.entry.unique_per_contact}


def apart_sealed(bounds: list[Bound]) -> tuple[list[Bound], list[Bound]]:
    """Guard 2 (R4): a claim never joins through, and never takes, an identifier that another contact holds validated."""
    sealed = [bound for bound in bounds if bound.assurance is Assurance.CLAIMED and bound.tenure is not None and bound.tenure.is_validated]
    if not sealed:
        return bounds, sealed
    return [bound for bound in bounds if bound not in sealed], sealed


def leave_sealed(result: Gathering, sealed: list[Bound]) -> None:
    """Validated identifiers that a claim names lead to their holder only where the event is its own anyway, or names nothing else."""
    for bound in sealed:
        assert bound.holder is not None, "what is validated is held"  # noqa: S101 -- for the type checker
        if result.is_empty:
            result.joined.append(bound.holder)
        if result.holds(bound.holder):
            result.held.append(bound)
        else:
            result.refuse(bound, Reason.PROOF)


def compatible(result: Gathering, contact: Contact, rules: Rules) -> bool:
    """Guard 1: different values of a `unique_per_contact` type never come together by an event."""
    unique = result.unique
    return all(unique.get(kind, key) == key for kind, key in held_once(contact, rules).items())


def held_once(contact: Contact, rules: Rules) -> dict[str, IdentifierKey]:
    """What the contact holds of types that are `unique_per_contact`; a summary still names those that were so earlier (R18)."""
    return {kind: key for kind, key in contact.summary.unique.items() if rules.is_unique(kind)}


def leave_conflict(result: Gathering, bound: Bound, interaction: Interaction) -> None:
    """A device-bound identifier is handed over where event time allows (R2, R7); a personal one stays where it is (R5, R26)."""
    used = bound.tenure.used if bound.tenure is not None else None
    if not bound.entry.device_bound:
        if bound.assurance is Assurance.CLAIMED:
            result.refuse(bound, Reason.CONFLICT)
        else:
            result.leave(Reason.CONFLICT)
    elif not bound.is_late and (used is None or interaction.moment > used):
        result.handed_over.append(bound)
    else:
        result.leave(Reason.CONFLICT)


def _may_join(result: Gathering, bound: Bound, interaction: Interaction, rules: Rules) -> bool:
    """Guard 4 over time (R11): merges an identifier and hour, and distinct contacts, the first included, a value and day.

    A merge counts for every identifier of the event that one of the merged contacts holds.
    """
    if not result.joined or bound.holder is None:
        return True
    pending = len(result.joined) - 1
    for each in result.bounds:
        if each.tenure is None or each.holder is None or not (each.holder is bound.holder or result.holds(each.holder)):
            continue
        in_hour, in_day = each.tenure.joins.until(interaction.at)
        if in_hour + pending >= rules.limits.merges_per_identifier_hour or in_day + pending + 2 > rules.limits.contacts_per_value_day:
            return False
    return True


def _within_limits(joined: list[Contact], other: Contact, rules: Rules) -> bool:
    """Guard 4: what would exceed a limit stays apart (R11)."""
    if not joined:
        return True
    total = sum(contact.summary.total for contact in joined) + other.summary.total
    if total > rules.limits.identifiers_per_contact:
        return False
    for kind, count in other.summary.open_by_type.items():
        mine = sum(contact.summary.open_by_type.get(kind, 0) for contact in joined)
        if mine and mine + count > rules.values_limit(kind):
            return False
    return True
