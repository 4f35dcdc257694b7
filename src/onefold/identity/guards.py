"""Whom the identifiers of one interaction resolve to, and what the guards hold back (product.md, section 4).

Pure reading: nothing is changed here. `decide` carries out what `gather` found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from onefold.identity.assurance import Assurance
from onefold.identity.contact import Contact
from onefold.identity.limits import beyond
from onefold.identity.plan import Excess, Reason

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
    excesses: list[Excess] = field(default_factory=list)
    """What limits left out: the interaction is parked."""

    def leave(self, reason: Reason) -> None:
        """Note that a guard left something where it is; the first guard is the one that is told."""
        self.reason = self.reason or reason

    def exceed(self, *excesses: Excess) -> None:
        """Note that limits left something out (guard 4)."""
        self.leave(Reason.LIMIT)
        self.excesses.extend(excesses)


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
        elif excesses := beyond(bounds, result.joined, bound, interaction, rules):
            result.exceed(*excesses)
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
