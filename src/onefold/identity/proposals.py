"""Proposals: merges that the rules would not make by themselves, and that wait for proof or for a person (R1, R26).

There is one per pair of contacts and event, named by the guard that kept the two apart; none for a contact without identifiers, and
none for what was handed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity.plan import Proposed, Reason

if TYPE_CHECKING:
    from onefold.identity.contact import ContactId
    from onefold.identity.guards import Gathering
    from onefold.identity.interaction import Interaction
    from onefold.identity.workbench import Workbench


def propose(work: Workbench, interaction: Interaction, gathering: Gathering, contact_id: ContactId, beside: ContactId | None) -> None:
    """Propose what the interaction would have joined to its contact, and to the one beside it."""
    told: set[tuple[ContactId, ContactId]] = set()
    _propose_refused(work, interaction, gathering, contact_id, told)
    if gathering.side is not None and beside is not None:
        named = (*gathering.side.held, *gathering.side.fresh, *gathering.side.handed_over)
        if gathering.side.joined or gathering.side.fresh:
            _propose(work, interaction, (contact_id, beside, Reason.POLICY, named[0].identifier.semantic_type), told)
        _propose_refused(work, interaction, gathering.side, beside, told)


def _propose_refused(
    work: Workbench, interaction: Interaction, gathering: Gathering, contact_id: ContactId, told: set[tuple[ContactId, ContactId]]
) -> None:
    for bound, reason in gathering.refused:
        if bound.holder is not None:
            _propose(work, interaction, (contact_id, bound.holder.contact_id, reason, bound.identifier.semantic_type), told)


def _propose(
    work: Workbench,
    interaction: Interaction,
    pair: tuple[ContactId, ContactId, Reason, str],
    told: set[tuple[ContactId, ContactId]],
) -> None:
    workspace = interaction.workspace
    contacts = [work.contact(workspace, each) for each in pair[:2]]
    one, other = sorted((each.contact_id for each in contacts), key=lambda each: each.int)
    if one == other or (one, other) in told or not all(each.summary.total for each in contacts) or work.are_kept_apart(*contacts):
        return
    told.add((one, other))
    work.plan.proposed.append(Proposed(workspace, one, other, pair[2], pair[3], interaction))
