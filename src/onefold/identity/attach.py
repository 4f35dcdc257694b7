"""What one interaction does to tenures: create a contact, attach, hand over, evict, touch. Carried out on the workbench.

Whether it may is decided before, in `guards`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity.assurance import Assurance
from onefold.identity.contact import MAIN, Contact, ContactId, Tenure
from onefold.identity.limits import full
from onefold.identity.naming import Namespace
from onefold.identity.plan import EvidenceKind, Reason, Rule

if TYPE_CHECKING:
    from onefold.identity.contact import TenureId
    from onefold.identity.guards import Bound, Gathering
    from onefold.identity.interaction import Interaction, Moment
    from onefold.identity.rules import Rules
    from onefold.identity.workbench import Workbench

CONTACTS = Namespace("onefold:contact")


def contact_id_of(interaction: Interaction, gathering: Gathering) -> ContactId:
    """The id of the contact that an interaction creates for these of its identifiers.

    From workspace, first of them in its own order, and event: the same log in the same interleaving gives the same ids. Where that one was
    somebody's before, the event time belongs to it, too: an event of the same id and another body may have created a contact of it earlier.
    """
    its_own = {bound.identifier.key: bound for bound in (*gathering.fresh, *gathering.handed_over, *gathering.evicted)}
    first = next(identifier for identifier in interaction.identifiers if identifier.key in its_own)
    name = f"{interaction.workspace}\0{first.semantic_type}\0{first.normalised}\0{interaction.event_id}"
    if its_own[first.key].tenure is not None:
        name += f"\0{interaction.at.isoformat()}"
    return ContactId(CONTACTS.id_of(name))


def create(work: Workbench, interaction: Interaction, gathering: Gathering) -> ContactId:
    """A new contact, a ghost until it has a name and an email or phone."""
    contact_id = contact_id_of(interaction, gathering)
    seen, now = interaction.at, interaction.appended_at
    work.create(
        Contact(
            contact_id,
            interaction.workspace,
            version=0,
            created_at=now,
            updated_at=now,
            first_seen_at=seen,
            last_seen_at=seen,
            root=contact_id,
        )
    )
    return contact_id


def attach_fresh(work: Workbench, interaction: Interaction, rules: Rules, contact_id: ContactId, gathering: Gathering) -> list[Bound]:
    """Give the contact the identifiers that nobody holds; gives those that the limits let through (R11)."""
    attached = []
    rule = Rule.ASIDE if gathering.is_aside else Rule.SHARED_IDENTIFIER if gathering.joined else Rule.NEW_VISITOR
    via = next((bound.tenure.tenure_id for bound in gathering.held if bound.tenure is not None), None)
    for bound in gathering.fresh:
        if (excess := full(work.contact(interaction.workspace, contact_id), bound, rules)) is not None:
            gathering.exceed(excess)
            continue
        tenure = _open(work, interaction, contact_id, bound, rule, via=via, held_from=None)
        via = via if via is not None else tenure.tenure_id
        attached.append(bound)
    return attached


def hand_over(work: Workbench, interaction: Interaction, rules: Rules, contact_id: ContactId, gathering: Gathering) -> list[Bound]:
    """Move device-bound identifiers of conflicting contacts to this one: a shared device (guard 1); gives those that moved."""
    rule = Rule.ASIDE if gathering.is_aside else Rule.HAND_OVER
    via = next((bound.tenure.tenure_id for bound in gathering.held if bound.tenure is not None), None)
    moved = []
    for bound in gathering.handed_over:
        if bound.tenure is None or bound.holder is None:
            continue
        if (excess := full(work.contact(interaction.workspace, contact_id), bound, rules)) is not None:
            gathering.exceed(excess)
            continue
        _move(work, interaction, contact_id, bound, rule, via=via)
        moved.append(bound)
    return moved


def evict(work: Workbench, interaction: Interaction, rules: Rules, contact_id: ContactId, gathering: Gathering) -> list[Bound]:
    """Move the proved identifier to its prover (guard 2, R9); gives it, if it moved. It came through the device of the proof.

    Whoever it leaves is proposed, if there is anything left of him.
    """
    moved = []
    beside = (
        bound.tenure or work.open_tenure(interaction.workspace, bound.identifier.key) for bound in (*gathering.held, *gathering.fresh)
    )
    via = next((tenure.tenure_id for tenure in beside if tenure is not None), None)
    for bound in gathering.evicted:
        if bound.holder is None:
            continue
        if work.contact(interaction.workspace, bound.holder.contact_id).contact_id == contact_id:
            gathering.held.append(bound)  # by something else that the event says, the two are one now
            continue
        if (excess := full(work.contact(interaction.workspace, contact_id), bound, rules)) is not None:
            gathering.exceed(excess)
            continue
        _move(work, interaction, contact_id, bound, Rule.EVICTION, via=via)
        moved.append(bound)
        if work.contact(interaction.workspace, bound.holder.contact_id).summary.total:
            gathering.refuse(bound, Reason.PROOF)
    return moved


def touch(work: Workbench, interaction: Interaction, rules: Rules, bounds: list[Bound], *, with_personal: bool) -> None:
    """Let the identifiers that the contact holds already learn from being used: assurance, validation, times."""
    for bound in bounds:
        if bound.is_late:
            continue
        tenure = work.open_tenure(interaction.workspace, bound.identifier.key)
        if tenure is not None:
            _raise(work, interaction, bound, tenure)
            _see(work, interaction, rules, bound, with_personal=with_personal)


def _move(work: Workbench, interaction: Interaction, contact_id: ContactId, bound: Bound, rule: Rule, *, via: TenureId | None) -> None:
    """End an identifier's tenure, a separation, and open the next one with another contact."""
    ended = work.open_tenure(interaction.workspace, bound.identifier.key)
    if ended is None:
        return
    loser = work.edit(work.contact(ended.workspace, ended.contact_id))
    loser.summary.count(ended, -1, unique=bound.entry.unique_per_contact)
    work.end(ended, interaction.moment)
    promote(work, loser, ended)
    tenure = _open(work, interaction, contact_id, bound, rule, via=via, held_from=interaction.moment)
    tenure.joins = ended.joins  # a value's merges count wherever it is (R11)


def _open(
    work: Workbench,
    interaction: Interaction,
    contact_id: ContactId,
    bound: Bound,
    rule: Rule,
    *,
    via: TenureId | None,
    held_from: Moment | None,
) -> Tenure:
    holder = work.edit(work.contact(interaction.workspace, contact_id))
    identifier, entry = bound.identifier, bound.entry
    is_proved = bound.assurance is Assurance.PROVED
    tenure = Tenure(
        tenure_id=work.next_tenure_id(),
        workspace=interaction.workspace,
        contact_id=contact_id,
        key=identifier.key,
        semantic_type=identifier.semantic_type,
        identifier=identifier.identifier,
        normalised=identifier.normalised,
        slug=_label(holder, identifier.semantic_type, identifier.slug, entry.slugs),
        assurance=bound.assurance,
        source=interaction.source,
        outreach=entry.outreach,
        first_seen_at=interaction.at,
        last_seen_at=interaction.at,
        is_validated=is_proved,
        validated_at=interaction.at if is_proved else None,
        validated_by=interaction.proof.method if is_proved and interaction.proof is not None else None,
        held_from=held_from,
        via=via,
    )
    holder.summary.count(tenure, 1, unique=entry.unique_per_contact)
    work.open(tenure, holder)
    work.prove(tenure, EvidenceKind.FIRST, interaction, rule)
    return tenure


def _label(holder: Contact, semantic_type: str, slug: str | None, slugs: tuple[str, ...]) -> str | None:
    """The first identifier of a type becomes Main; a later one keeps a free label of the catalog, else none (product.md, 3)."""
    if not holder.summary.open_by_type.get(semantic_type):
        return MAIN
    if slug is None or slug not in slugs:
        return None
    taken = any(tenure.slug == slug and tenure.semantic_type == semantic_type for tenure in holder.listed)
    return None if taken else slug


def promote(work: Workbench, loser: Contact, ended: Tenure) -> None:
    """Where the Main one left, or is called otherwise now, the next becomes Main: validated first, then the oldest."""
    if ended.slug != MAIN:
        return
    kind = ended.semantic_type
    rest = [tenure for tenure in loser.listed if tenure.semantic_type == kind and tenure.tenure_id != ended.tenure_id]
    if rest:
        heir = work.edit_tenure(min(rest, key=lambda tenure: (not tenure.is_validated, tenure.first_seen_at, tenure.tenure_id)))
        heir.slug = MAIN
        work.alter(loser, heir)


def _raise(work: Workbench, interaction: Interaction, bound: Bound, tenure: Tenure) -> None:
    validates = bound.assurance is Assurance.PROVED and not (  # of several proofs the latest counts (R10)
        tenure.is_validated and tenure.validated_at is not None and interaction.at <= tenure.validated_at
    )
    if bound.assurance <= tenure.assurance and not validates:
        return
    twin = work.edit_tenure(tenure)
    holder = work.edit(work.contact(tenure.workspace, tenure.contact_id))
    unique = bound.entry.unique_per_contact
    holder.summary.count(twin, -1, unique=unique)
    twin.assurance = max(twin.assurance, bound.assurance)
    if validates and interaction.proof is not None:
        twin.is_validated, twin.validated_at, twin.validated_by = True, interaction.at, interaction.proof.method
    holder.summary.count(twin, 1, unique=unique)
    work.alter(holder, twin)
    work.prove(twin, EvidenceKind.STRONGEST, interaction, Rule.PROOF if validates else Rule.SHARED_IDENTIFIER)


def _see(work: Workbench, interaction: Interaction, rules: Rules, bound: Bound, *, with_personal: bool) -> None:
    """Being seen again changes times only: no version, no event. Written at most once in `recency`.

    The last use together with a personal identifier follows the last seeing closely, so that an index entry can vouch for both.
    """
    workspace, key = interaction.workspace, bound.identifier.key
    tenure = work.open_tenure(workspace, key)
    if tenure is None:
        return
    at, moment = interaction.at, interaction.moment
    if at > tenure.last_seen_at and at >= tenure.last_seen_at + rules.recency:
        tenure = work.edit_tenure(tenure)
        tenure.last_seen_at = at
        work.prove(tenure, EvidenceKind.LAST, interaction, Rule.SHARED_IDENTIFIER)
    if at < tenure.first_seen_at:
        tenure = work.edit_tenure(tenure)
        tenure.first_seen_at = at
    if not (with_personal and bound.entry.device_bound):
        return
    used = tenure.used
    if used is None or (moment > used and (used.at < tenure.last_seen_at or at >= used.at + rules.recency)):
        work.edit_tenure(tenure).used = moment
