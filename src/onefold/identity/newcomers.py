"""Somebody of whom nothing is known: none of the identifiers has a past, so no guard has anything to weigh. The short way of `decide`.

It gives what the long way gives, tenure by tenure and change by change, in a fraction of the time; where it is not certain to, it declines.
Property tests hold the two ways against each other (decision 0040). Called by `decide` for every interaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity import survivorship
from onefold.identity.assurance import Assurance
from onefold.identity.attach import CONTACTS
from onefold.identity.catalog import TOKEN
from onefold.identity.contact import MAIN, Contact, ContactId, Provenance, Tenure
from onefold.identity.plan import Outcome, OutcomeKind, Rule

if TYPE_CHECKING:
    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.interaction import Interaction
    from onefold.identity.rules import Rules
    from onefold.identity.workbench import Workbench


def welcome(work: Workbench, interaction: Interaction, rules: Rules) -> Outcome | None:
    """Make the contact of an interaction whose identifiers nobody ever held; None, with nothing done, where there is more to it."""
    identifiers, assurance = interaction.identifiers, interaction.assurance
    if (assurance is not Assurance.CLAIMED and assurance is not Assurance.ASSERTED) or interaction.asserts is not None:
        return None
    if not _are_new(work, interaction, rules):
        return None
    contact = _contact_of(interaction)
    values = list(survivorship.values_of(interaction)) if interaction.carries_values else []
    if survivorship.fitting(contact, values) is not values:
        return None
    held = _attach(work, interaction, contact, rules)
    history = held[next((each for each in identifiers if each.semantic_type == TOKEN), identifiers[0]).key]
    if values:
        entries = rules.catalog.entries
        beside = tuple([held[each.key].tenure_id for each in identifiers if not entries[each.semantic_type].device_bound])
        beside = beside if len(beside) <= survivorship.MOST_BESIDE else ()
        origin = Provenance(interaction.value_assurance, interaction.at, interaction.event_id, history.tenure_id, beside)
        for path, _, value in values:
            survivorship.put(contact, path, value, origin)
    work.welcome(contact, list(held.values()), interaction, Rule.NEW_VISITOR)
    work.note_current(interaction)
    return Outcome(interaction, OutcomeKind.CREATED, None, contact.contact_id, history)


def _are_new(work: Workbench, interaction: Interaction, rules: Rules) -> bool:
    """Whether nobody ever held any of the identifiers, and a contact may hold them all. Whoever is known costs one look, as a rule."""
    identifiers, entries, workspace = interaction.identifiers, rules.catalog.entries, interaction.workspace
    kinds = set()
    for identifier in identifiers:
        kind = identifier.semantic_type
        if work.has_past(workspace, identifier.key) or kind in kinds or entries[kind].max_per_contact == 0:
            return False
        kinds.add(kind)
    return len(kinds) <= rules.limits.identifiers_per_contact and rules.limits.values_per_type > 0 and interaction.proof is None


def _contact_of(interaction: Interaction) -> Contact:
    first, seen, now = interaction.identifiers[0], interaction.at, interaction.appended_at
    name = f"{interaction.workspace}\0{first.semantic_type}\0{first.normalised}\0{interaction.event_id}"
    contact_id = ContactId(CONTACTS.id_of(name))
    return Contact(
        contact_id,
        interaction.workspace,
        1,
        now,
        now,
        seen,
        seen,
        is_vendor=interaction.is_vendor,
        tags=sorted(set(interaction.tags)) if interaction.tags else [],
        root=contact_id,
    )


def _attach(work: Workbench, interaction: Interaction, contact: Contact, rules: Rules) -> dict[IdentifierKey, Tenure]:
    """Give it all of them, in the order in which identifiers choose a contact (R5): each is the first of its type, so Main."""
    identifiers, entries, at = interaction.identifiers, rules.catalog.entries, interaction.at
    together = [(each, entries[each.semantic_type]) for each in identifiers]
    if len(together) > 1:
        together.sort(key=lambda each: (not each[1].unique_per_contact, each[1].device_bound, each[1].priority))
    used = interaction.moment if any(not entry.device_bound for _, entry in together) else None
    found: dict[IdentifierKey, Tenure] = {}
    via = None
    for identifier, entry in together:
        tenure = found[identifier.key] = Tenure(
            work.next_tenure_id(),
            interaction.workspace,
            contact.contact_id,
            identifier.key,
            identifier.semantic_type,
            identifier.identifier,
            identifier.normalised,
            MAIN,
            interaction.assurance,
            interaction.source,
            entry.outreach,
            at,
            at,
            used=used if entry.device_bound else None,
            via=via,
        )
        via = via if via is not None else tenure.tenure_id
        contact.summary.count(tenure, 1, unique=entry.unique_per_contact)
    return found
