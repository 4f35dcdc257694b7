"""From what was recorded to what is shown of it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity import survivorship
from onefold.identity.assurance import Assurance
from onefold.ops.explain.paths import path
from onefold.ops.explain.shapes import (
    EvidenceShown,
    Explanation,
    IdentifierExplained,
    MergeExplained,
    Path,
    Redirect,
    Step,
    ValueExplained,
)
from onefold.records.histories import MergeStory

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from onefold.identity.contact import Contact, Tenure
    from onefold.ops.explain.standing import Standing
    from onefold.records.reads import EvidenceRow

    Names = Mapping[int, str]
    """type:normalised, by tenure."""


def explained(standing: Standing, contact: Contact, *, asked: str, begun_at: UUID | None) -> Explanation:
    """A contact as it stood; `begun_at` is the contact whose id was asked for, if it was an id."""
    root, names = contact.contact_id, standing.names
    held = standing.held_by(root)
    is_now = standing.at is None
    return Explanation(
        asked=asked,
        workspace=contact.workspace,
        contact_id=root,
        as_of=standing.at,
        type=contact.type if is_now else None,
        redirects=[Redirect(each.absorbed, each.survivor, each.merge_id, each.at) for each in standing.redirects(begun_at or root)],
        identifiers=[_identifier(standing, tenure, names) for tenure in held],
        is_cut=standing.is_cut,
        merges=[_merge(each, names) for each in standing.merges if standing.root(each.survivor) == root],
        undone=[_merge(each, names) for each in standing.undone if root in {standing.root(each.survivor), standing.root(each.absorbed)}],
        values=list(_values(contact, names)) if is_now else [],
    )


def path_shown(standing: Standing, root: UUID, one: Tenure, other: Tenure) -> Path:
    """How two identifiers of a contact hang together."""
    links, names = path(standing, standing.held_by(root), one.tenure_id, other.tenure_id), standing.names
    if links is None:
        return Path(one.text, other.text, None)
    steps = []
    for link in links:
        cause = link.cause
        event, merge_id = (None, cause.merge_id) if isinstance(cause, MergeStory) else (_evidence(cause), None)
        steps.append(Step(names[link.one], names[link.other], event, merge_id))
    return Path(one.text, other.text, steps)


def _identifier(standing: Standing, tenure: Tenure, names: Names) -> IdentifierExplained:
    return IdentifierExplained(
        tenure.tenure_id,
        tenure.semantic_type,
        tenure.identifier,
        tenure.normalised,
        tenure.assurance.word,
        tenure.is_validated,
        tenure.validated_by,
        tenure.since,
        tenure.held_until,
        standing.given_to(tenure),
        names.get(tenure.via) if tenure.via is not None else None,
        [_evidence(each) for each in standing.evidence(tenure)],
    )


def _evidence(row: EvidenceRow) -> EvidenceShown:
    assurance = Assurance(row.assurance).word
    return EvidenceShown(row.kind, row.event_id, row.topic, row.partition, row.offset, row.at, row.rule, row.guard, assurance, row.actor)


def _merge(merge: MergeStory, names: Names) -> MergeExplained:
    through = [names[each] for each in merge.through or () if each in names]
    undone = {"at": merge.undone_at, **merge.undone} if merge.undone_at is not None else None
    cause = {key: value for key, value in merge.cause.items() if key != "through"}
    return MergeExplained(merge.merge_id, merge.at, merge.survivor, merge.absorbed, cause, through or None, len(merge.tenures), undone)


def _values(contact: Contact, names: Names) -> Iterable[ValueExplained]:
    for where, origin in sorted(contact.provenance.items()):
        if survivorship.get(contact, where) is not None:
            via = names.get(origin.via) if origin.via is not None else None
            yield ValueExplained(where, origin.event_id, origin.at, origin.assurance.word, via)
