"""From what a seed names of profiles, tags and the like to the change that makes a record carry exactly that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onefold.identity.adoption import Change, Edit, Placement, Relation
from onefold.identity.classification import relationships
from onefold.identity.survivorship import UNBOUND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from onefold.identity.classification import Classification
    from onefold.seeds.items import PlacedData, RelatedData


def change_to(data: Any, present: Classification, tags: Sequence[str], attributes: Mapping[str, Mapping[str, Any]]) -> Change:
    """What is to be different so that every set which the data names is as it says; what it does not name stays."""
    return Change(
        profiles=_edit(data.profiles, present.profiles),
        taxonomies=_edit(data.taxonomies, present.taxonomies),
        tags=_edit(data.tags, tags),
        owners=_edit(data.owners, present.owners),
        followers=_edit(data.followers, present.followers),
        attributes=_attributes(data.attributes or {}, attributes),
        workflows=_workflows(data.workflows, present),
        relate=list(_relate(getattr(data, "relationships", None), present)),
        unrelate=list(_unrelate(getattr(data, "relationships", None), present)),
    )


def is_empty(change: Change) -> bool:
    """Whether nothing is to be different."""
    return change == Change()


def _edit(wanted: Sequence[str] | None, present: Iterable[str]) -> Edit:
    if wanted is None:
        return Edit()
    held = set(present)
    return Edit(sorted(set(wanted) - held), sorted(held - set(wanted)))


def _attributes(wanted: Mapping[str, Mapping[str, Any]], present: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    found = {
        profile: {slug: value for slug, value in values.items() if present.get(profile, {}).get(slug) != value}
        for profile, values in wanted.items()
        if profile != UNBOUND
    }
    return {profile: values for profile, values in found.items() if values}


def _workflows(wanted: Mapping[str, PlacedData] | None, present: Classification) -> dict[str, Placement | None]:
    if wanted is None:
        return {}
    found: dict[str, Placement | None] = dict.fromkeys(present.workflows.keys() - wanted.keys())
    for slug, placed in wanted.items():
        stage = present.workflows.get(slug)
        done = tuple(sorted(placed.done)) if placed.done is not None else None
        if stage is None or (placed.step not in {None, stage.step}) or (done is not None and done != stage.done):
            found[slug] = Placement(placed.step, placed.done)
    return found


def _relate(wanted: Mapping[str, Sequence[RelatedData]] | None, present: Classification) -> Iterable[Relation]:
    held = {(slug, each.id): each.pivot for slug, several in relationships(present).items() for each in several}
    for slug, several in (wanted or {}).items():
        for each in several:
            if held.get((slug, each.id)) != each.pivot:
                yield Relation(slug, each.id, each.pivot)


def _unrelate(wanted: Mapping[str, Sequence[RelatedData]] | None, present: Classification) -> Iterable[tuple[str, str]]:
    for slug, several in relationships(present).items():
        if wanted is not None and slug in wanted:
            kept = {each.id for each in wanted[slug]}
            yield from ((slug, each.id) for each in several if each.id not in kept)
