"""Whom the identifiers of one interaction resolve to, and what the guards hold back (product.md, section 4).

Pure reading: nothing is changed here. `decide` carries out what `gather` found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from onefold.identity.assurance import Assurance
from onefold.identity.contact import Contact
from onefold.identity.plan import Reason

if TYPE_CHECKING:
    from onefold.identity.catalog import CatalogEntry
    from onefold.identity.contact import Tenure
    from onefold.identity.identifiers import Identifier, IdentifierKey
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
    is_barred: bool = False
    """The event is older than a separation of the identifier: it joins nothing through it, and takes or attaches it no more."""


class Gathering(Struct):
    """How the identifiers of one interaction sort themselves."""

    joined: list[Contact] = field(default_factory=list)
    """Contacts that are, or become, the contact of the event."""
    fresh: list[Bound] = field(default_factory=list)
    """Identifiers that nobody holds."""
    held: list[Bound] = field(default_factory=list)
    """Identifiers that one of `joined` holds."""
    handed_over: list[Bound] = field(default_factory=list)
    """Device-bound identifiers of contacts that conflict."""
    reason: Reason | None = None
    """The guard that left something out."""
    limited: bool = False

    def leave(self, reason: Reason) -> None:
        """Note that a guard left something where it is; the first guard is the one that is told."""
        self.reason = self.reason or reason
        self.limited = self.limited or reason is Reason.LIMIT


def bind(work: Workbench, interaction: Interaction, rules: Rules) -> list[Bound]:
    """The interaction's identifiers with their holders, in the order in which they choose its contact (R5)."""
    found = []
    workspace, moment = interaction.workspace, interaction.moment
    for identifier in interaction.identifiers:
        entry = rules.catalog.entry(identifier.semantic_type)
        tenure = work.tenure_at(workspace, identifier.key, moment)
        holder = work.contact(workspace, tenure.contact_id) if tenure is not None else None
        assurance = interaction.assurance_of(identifier, device_bound=entry.device_bound)
        is_late, is_barred = tenure is not None and not tenure.is_open, work.is_barred(interaction, identifier.key)
        found.append(Bound(identifier, entry, assurance, tenure, holder, is_late, is_barred))
    found.sort(key=lambda bound: (not bound.entry.unique_per_contact, bound.entry.priority))
    return found


def gather(work: Workbench, bounds: list[Bound], interaction: Interaction, rules: Rules) -> Gathering:
    """Sort the identifiers by what becomes of them. Without `joined` the event has a new contact, of what is `fresh`."""
    open_to, sealed = _apart_sealed(bounds)
    if not open_to:
        # An event that names nothing else is its holder's, and joins nothing through it.
        open_to = [bound for bound in sealed if bound.holder is not None][:1]
        sealed = [bound for bound in sealed if bound not in open_to]
    result = Gathering()
    unique: dict[str, IdentifierKey] = {
        bound.entry.semantic_type: bound.identifier.key for bound in open_to if bound.entry.unique_per_contact
    }
    for bound in open_to:
        if bound.holder is None:
            result.fresh.append(bound)
        elif _same(result.joined, bound.holder):
            result.held.append(bound)
        elif not _compatible(unique, bound.holder, rules):
            _conflict(result, bound, interaction)
        elif any(work.are_kept_apart(each, bound.holder) for each in result.joined):
            result.leave(Reason.KEPT_APART)
        elif not _within_limits(result.joined, bound.holder, rules) or not _may_join(bounds, result.joined, bound, interaction, rules):
            result.leave(Reason.LIMIT)
        else:
            result.joined.append(bound.holder)
            result.held.append(bound)
            unique.update(_held_once(bound.holder, rules))
    for bound in sealed:
        if bound.holder is not None and _same(result.joined, bound.holder):
            result.held.append(bound)
        else:
            result.leave(Reason.BARRED if bound.is_barred else Reason.PROOF)
    return result


def _apart_sealed(bounds: list[Bound]) -> tuple[list[Bound], list[Bound]]:
    """The identifiers through which the event may join, and those that stay whose they are.

    Guard 2 (R4): a claim never joins through, and never takes, an identifier that another contact holds validated. And old news takes
    nothing back: an event from before a separation does not join through what was separated.
    """
    sealed = [bound for bound in bounds if bound.is_barred or _is_proved_elsewhere(bound)]
    if not sealed:
        return bounds, sealed
    return [bound for bound in bounds if bound not in sealed], sealed


def _is_proved_elsewhere(bound: Bound) -> bool:
    return bound.assurance is Assurance.CLAIMED and bound.tenure is not None and bound.tenure.is_validated


def _same(joined: list[Contact], contact: Contact) -> bool:
    return any(each.contact_id == contact.contact_id for each in joined)


def _compatible(unique: dict[str, IdentifierKey], contact: Contact, rules: Rules) -> bool:
    """Guard 1: different values of a `unique_per_contact` type never come together by an event."""
    return all(unique.get(kind, key) == key for kind, key in _held_once(contact, rules).items())


def _held_once(contact: Contact, rules: Rules) -> dict[str, IdentifierKey]:
    """What the contact holds of types that are `unique_per_contact`; a summary still names those that were so earlier (R18)."""
    return {kind: key for kind, key in contact.summary.unique.items() if rules.is_unique(kind)}


def _conflict(result: Gathering, bound: Bound, interaction: Interaction) -> None:
    """A device-bound identifier is handed over where event time allows (R7); a personal one stays where it is (R5)."""
    used = bound.tenure.used if bound.tenure is not None else None
    if bound.entry.device_bound and not bound.is_late and (used is None or interaction.moment > used):
        result.handed_over.append(bound)
    else:
        result.leave(Reason.CONFLICT)


def _may_join(bounds: list[Bound], joined: list[Contact], bound: Bound, interaction: Interaction, rules: Rules) -> bool:
    """Guard 4 over time (R11): merges an identifier and hour, and distinct contacts, the first included, a value and day.

    A merge counts for every identifier of the event that one of the merged contacts holds.
    """
    if not joined or bound.holder is None:
        return True
    pending, together = len(joined) - 1, [*joined, bound.holder]
    for each in bounds:
        if each.tenure is None or each.holder is None or not _same(together, each.holder):
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
