"""Guard 4: how much one contact holds, and how often one identifier joins (R11). Asked before anything is carried out.

What would exceed a limit stays where it is, and the interaction is parked. What is counted over time is counted by event time, on the
tenure of the identifier that joins. Called by `guards` and `attach`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity.plan import Excess, Limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.identity.contact import Contact, Summary
    from onefold.identity.guards import Bound
    from onefold.identity.interaction import Interaction
    from onefold.identity.rules import Rules


def beyond(bounds: Sequence[Bound], joined: Sequence[Contact], bound: Bound, interaction: Interaction, rules: Rules) -> Sequence[Excess]:
    """What would be exceeded if the holder of one of an interaction's identifiers joined those that joined already.

    Nothing, where it may. What counts over time does not hold back what a person released.
    """
    if not joined or bound.holder is None:
        return ()
    size = _by_size(joined, bound.holder, bound, rules)
    if size is not None:
        return (size,)
    return () if interaction.is_released else _by_frequency(bounds, [*joined, bound.holder], interaction, rules)


def full(contact: Contact, bound: Bound, rules: Rules) -> Excess | None:
    """What would be exceeded if the contact got one identifier more; None where it has room."""
    held, kind = contact.summary, bound.entry.semantic_type
    if held.total >= rules.limits.identifiers_per_contact:
        return Excess(Limit.IDENTIFIERS_PER_CONTACT, kind, bound.identifier.key)
    if held.open_by_type.get(kind, 0) >= rules.values_limit(kind):
        return Excess(Limit.VALUES_PER_TYPE, kind, bound.identifier.key)
    return None


def too_large(mine: Summary, theirs: Summary, rules: Rules) -> Limit | None:
    """Which limit of size two contacts would exceed if a user made them one; values that a contact has once are no matter of it (R19)."""
    if mine.total + theirs.total > rules.limits.identifiers_per_contact:
        return Limit.IDENTIFIERS_PER_CONTACT
    for kind, count in theirs.open_by_type.items():
        held = mine.open_by_type.get(kind, 0)
        if held and count and not rules.is_unique(kind) and held + count > rules.values_limit(kind):
            return Limit.VALUES_PER_TYPE
    return None


def _by_size(joined: Sequence[Contact], other: Contact, bound: Bound, rules: Rules) -> Excess | None:
    total = sum(contact.summary.total for contact in joined) + other.summary.total
    if total > rules.limits.identifiers_per_contact:
        return Excess(Limit.IDENTIFIERS_PER_CONTACT, bound.entry.semantic_type, bound.identifier.key)
    for kind, count in other.summary.open_by_type.items():
        mine = sum(contact.summary.open_by_type.get(kind, 0) for contact in joined)
        if mine and mine + count > rules.values_limit(kind):
            return Excess(Limit.VALUES_PER_TYPE, kind, bound.identifier.key)
    return None


def _by_frequency(bounds: Sequence[Bound], together: Sequence[Contact], interaction: Interaction, rules: Rules) -> list[Excess]:
    """Merges an identifier and hour; distinct contacts, the first included, a value and day.

    A merge counts for every identifier of the event that one of the merged contacts holds.
    """
    found = []
    merges = len(together) - 1
    for each in bounds:
        if each.tenure is None or each.holder is None or all(each.holder is not contact for contact in together):
            continue
        in_hour, in_day = each.tenure.joins.until(interaction.at)
        if in_hour + merges > rules.limits.merges_per_identifier_hour:
            found.append(Excess(Limit.MERGES_PER_IDENTIFIER_HOUR, each.entry.semantic_type, each.identifier.key))
        if in_day + merges + 1 > rules.limits.contacts_per_value_day:
            found.append(Excess(Limit.CONTACTS_PER_VALUE_DAY, each.entry.semantic_type, each.identifier.key))
    return found
