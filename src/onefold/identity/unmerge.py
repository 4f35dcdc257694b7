"""Undo one merge: both sides get back what they had, and what came through their identifiers since (product.md, section 4).

Pure: a tree, the merge and the act go in, a plan comes out. The two are kept apart from then on, and events older than the act move none
of the returned identifiers. Its cost is bounded by what the tree holds, never by what happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity import consent, survivorship
from onefold.identity.contact import LISTED_IDENTIFIERS, MAIN, Summary, listing_order
from onefold.identity.parting import part_records, part_tenures, part_values
from onefold.identity.plan import Barrier, Cause, ContactChanged, KeptApart, Plan, Return, Rule
from onefold.identity.workbench import changes_between

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from onefold.identity.contact import Contact, Tenure, TenureId
    from onefold.identity.plan import Act
    from onefold.identity.rules import Rules
    from onefold.identity.tree import MergeRecord, Tree


def unmerge(tree: Tree, merge: MergeRecord, act: Act, rules: Rules) -> Plan:
    """The plan that undoes a merge that is in force in this tree."""
    before, gone = tree.root, tree.absorbed[merge.absorbed]
    staying, leaving = before.fork(), gone.fork()
    parted = part_tenures(tree, merge)
    for contact, values in zip((staying, leaving), part_values(tree, merge, parted), strict=True):
        survivorship.replace_values(contact, values)
    part_records(tree, merge, staying, leaving, parted)
    consent.part(tree, merge, staying, leaving)
    leaving.merged_into, leaving.root = None, leaving.contact_id
    kept, returned = _open(parted.staying, staying), _open(parted.leaving, leaving)
    relabelled = [*_label(kept, {}), *_label(returned, _lost_labels(tree, merge))]
    _hold(staying, kept, rules)
    _hold(leaving, returned, rules)
    plan = Plan(contacts_changed=[staying, leaving], tenures_changed=relabelled)
    _separate(plan, tree, merge, act, parted.leaving)
    texts = [f"{tenure.semantic_type}:{tenure.normalised}" for tenure in leaving.listed]
    altered = [f"{each.semantic_type}:{each.normalised}" for each in relabelled if each.contact_id == staying.contact_id]
    plan.changes = [
        _changed(before, staying, act, (texts, altered)),
        _changed(gone, leaving, act, ([], texts)),
    ]
    return plan


def _open(tenures: Iterable[Tenure], holder: Contact) -> list[Tenure]:
    """Copies of those that are open, as the holder's."""
    twins = [tenure.fork() for tenure in tenures if tenure.is_open]
    for twin in twins:
        twin.contact_id = holder.contact_id
    return twins


def _lost_labels(tree: Tree, merge: MergeRecord) -> dict[TenureId, str]:
    """What the returned ones were called: by this merge, or by those that took the survivor on."""
    found: dict[TenureId, str] = {}
    for each in (*reversed(list(tree.above(merge))), merge):
        found.update(each.labels)
    return found


def _label(tenures: Sequence[Tenure], lost: Mapping[TenureId, str]) -> list[Tenure]:
    """Give labels back, each once a type, and every type a Main one; gives the tenures that are called otherwise now."""
    before = {tenure.tenure_id: tenure.slug for tenure in tenures}
    taken: set[tuple[str, str]] = set()
    for tenure in sorted(tenures, key=lambda each: (each.tenure_id not in lost, each.tenure_id)):
        slug = lost.get(tenure.tenure_id, tenure.slug)
        is_free = slug is not None and (tenure.semantic_type, slug) not in taken
        tenure.slug = slug if is_free else None
        if tenure.slug is not None:
            taken.add((tenure.semantic_type, tenure.slug))
    for kind in {tenure.semantic_type for tenure in tenures} - {kind for kind, slug in taken if slug == MAIN}:
        of_kind = [tenure for tenure in tenures if tenure.semantic_type == kind]
        min(of_kind, key=lambda each: (not each.is_validated, each.first_seen_at, each.tenure_id)).slug = MAIN
    return [tenure for tenure in tenures if tenure.slug != before[tenure.tenure_id]]


def _hold(contact: Contact, tenures: list[Tenure], rules: Rules) -> None:
    """Count and list what a contact holds now."""
    present = set(contact.summary.unique.values())
    contact.summary = Summary(apart=True, restored_at=contact.summary.restored_at)
    for tenure in sorted(tenures, key=lambda each: (each.key not in present, each.tenure_id)):
        contact.summary.count(tenure, 1, unique=rules.is_unique(tenure.semantic_type))
    contact.listed = sorted(tenures, key=listing_order)[:LISTED_IDENTIFIERS]


def _separate(plan: Plan, tree: Tree, merge: MergeRecord, act: Act, leaving: Sequence[Tenure]) -> None:
    """What goes back, what makes index entries doubtful, and what keeps events from undoing it."""
    workspace = tree.root.workspace
    ids, below = tuple(tenure.tenure_id for tenure in leaving), tuple(tree.below(merge.absorbed))
    plan.returns = [Return(workspace, merge.merge_id, merge.absorbed, tree.root.contact_id, ids, below, act)]
    plan.separated = [tenure for tenure in leaving if tenure.is_open]
    plan.barriers = [Barrier(workspace, tenure.key, act.at) for tenure in plan.separated]
    plan.kept_apart = [KeptApart(workspace, merge.survivor, merge.absorbed, "unmerged", act.actor, act.reason, act.at)]


def _changed(before: Contact, after: Contact, act: Act, identifiers: tuple[list[str], list[str]]) -> ContactChanged:
    """One more version of a side."""
    after.derive()
    changes = changes_between(before, after)
    if any(identifiers):
        changes["identifiers"] = identifiers
    after.version, after.updated_at = before.version + 1, act.at
    return ContactChanged(
        contact_id=after.contact_id,
        workspace=after.workspace,
        version=after.version,
        at=act.at,
        cause=Cause(act.act_id, None, Rule.UNMERGE, act.actor, act.kind),
        changes=changes,
        merged=(),
        merged_into=None,
        snapshot=after,
        listed=tuple(after.listed),
    )
