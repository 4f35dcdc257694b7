"""Several contacts become one: the survivor takes over identifiers, values and what hangs on them (product.md, section 4).

The cost is bounded by the identifiers that move; history hangs on tenures and is not touched (R15: no tenure starts here).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity import classification, consent, survivorship
from onefold.identity.assurance import Assurance
from onefold.identity.contact import Provenance, Summary
from onefold.identity.plan import Act, Merge, Rule
from onefold.identity.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onefold.identity.contact import Contact, ContactId, Tenure, TenureId
    from onefold.identity.guards import Gathering
    from onefold.identity.interaction import Interaction
    from onefold.identity.plan import Plan
    from onefold.identity.snapshot import Snapshot


def merge(work: Workbench, interaction: Interaction, gathering: Gathering) -> ContactId:
    """Merge every contact that the interaction joined into the strongest; gives the survivor's id."""
    winner = survivorship.survivor(gathering.joined)  # by what each held before this event (R14)
    own = _naming(gathering, winner)
    for contact in gathering.joined:
        if contact.contact_id != winner.contact_id:
            _absorb(work, interaction, winner, contact, (own, _naming(gathering, contact)))
    for bound in gathering.held if not interaction.is_released else ():
        if bound.tenure is not None and not bound.is_late:
            tenure = work.edit_tenure(bound.tenure)
            tenure.joins = tenure.joins.and_more(interaction.at, len(gathering.joined) - 1)
    return winner.contact_id


def merge_decided(snapshot: Snapshot, winner: Contact, absorbed: Contact, takes: Mapping[str, ContactId], act: Act) -> Plan:
    """Merge two contacts of the snapshot because a user says so: guards 1 and 3 do not ask, nor does a pair that is kept apart (R19).

    `takes` says by path whose value is to be the survivor's, which then counts as decided.
    """
    work = Workbench(snapshot, iter(()))
    _absorb(work, act, winner, absorbed, takes=takes)
    work.close_act(act, Rule.DECIDED)
    return work.finish([])


def _naming(gathering: Gathering, contact: Contact) -> Tenure:
    """The tenure through which the event named a contact."""
    return next(bound.tenure for bound in gathering.held if bound.holder is contact and bound.tenure is not None)


def _absorb(
    work: Workbench,
    cause: Interaction | Act,
    winner: Contact,
    absorbed: Contact,
    through: tuple[Tenure, Tenure] | None = None,
    *,
    takes: Mapping[str, ContactId] | None = None,
) -> None:
    survivor, gone = work.edit(winner), work.edit(absorbed)
    lost = survivorship.unite(survivor, gone)
    if takes and isinstance(cause, Act):
        for path, contact_id in takes.items():
            chosen, other = (absorbed, winner) if contact_id == absorbed.contact_id else (winner, absorbed)
            survivorship.choose(survivor, path, chosen, Provenance(Assurance.DECIDED, cause.at, cause.act_id))
            lost.pop(path, None)
            lost.update(survivorship.as_lost(other, path))
    work.plan.moved += gone.summary.total
    lost.update(consent.unite(survivor, gone))
    lost.update(classification.lost(survivor.classification, gone.classification))
    gained = work.opened_here(absorbed.contact_id)
    _unite_records(survivor, gone)
    labels = _unite_identifiers(work, survivor, gone)
    gone.merged_into = gone.root = survivor.contact_id
    kind = through[1].semantic_type if through is not None else None
    pair = (through[0].tenure_id, through[1].tenure_id) if through is not None else None
    work.absorb(gone, survivor, Merge(gone.workspace, winner, absorbed, kind, cause, lost, labels, gained, pair))


def _unite_records(survivor: Contact, gone: Contact) -> None:
    survivor.tags = sorted({*survivor.tags, *gone.tags}) if gone.tags else survivor.tags
    survivor.is_vendor = survivor.is_vendor or gone.is_vendor
    survivor.classification = classification.unite(survivor.classification, gone.classification)
    if gone.archived_at is None:
        survivor.archived_at = None
    survivor.first_seen_at = min(survivor.first_seen_at, gone.first_seen_at)
    survivor.last_seen_at = max(survivor.last_seen_at, gone.last_seen_at)


def _unite_identifiers(work: Workbench, survivor: Contact, gone: Contact) -> dict[TenureId, str]:
    """Move the identifiers; where a label clashes, the survivor's wins. Gives the labels that were lost by it."""
    lost: dict[TenureId, str] = {}
    labels = {(tenure.semantic_type, tenure.slug) for tenure in survivor.listed if tenure.slug is not None}
    for tenure in tuple(gone.listed):
        if tenure.slug is not None and (tenure.semantic_type, tenure.slug) in labels:
            lost[tenure.tenure_id] = tenure.slug
            work.edit_tenure(tenure).slug = None
    survivor.summary.add(gone.summary)
    survivor.listed.extend(gone.listed)
    for tenure in gone.listed:
        work.alter(survivor, tenure)
    gone.listed = []
    gone.summary = Summary(restored_at=gone.summary.restored_at)
    return lost
