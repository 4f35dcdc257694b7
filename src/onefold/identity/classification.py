"""What users hang on a contact: profiles, taxonomies, places on workflows, who owns and follows it, and what it is related to.

Values, never changed in place. Tags have a field of their own, since events may bring some. Uniting and parting follow product.md,
section 4: sets unite, and of two values for one key the survivor's counts; an unmerge takes out what only the other one brought.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    Keyed: TypeAlias = Mapping[str, object]


class Stage(Struct, frozen=True, omit_defaults=True):
    """Where a record is on one workflow."""

    step: str
    """Slug of the step."""
    since: datetime
    done: tuple[str, ...] = ()
    """Slugs of the step's checklist that are done."""


class Related(Struct, frozen=True, omit_defaults=True):
    """One record that this one is related to, by the id that was given; redirects are followed when it is read."""

    id: str
    pivot: dict[str, Any] = {}
    """Fields of the relation itself, by slug."""


class Classification(Struct, frozen=True, omit_defaults=True):
    """All of it. Sets are sorted tuples, so that equal ones are the same."""

    profiles: tuple[str, ...] = ()
    """Slugs."""
    taxonomies: tuple[str, ...] = ()
    """Slugs."""
    owners: tuple[str, ...] = ()
    """Ids of users."""
    followers: tuple[str, ...] = ()
    """Ids of users."""
    workflows: dict[str, Stage] = {}
    """By the workflow's slug."""
    to_one: dict[str, Related] = {}
    """By the slug of a relationship that allows one record on the other side."""
    to_many: dict[str, tuple[Related, ...]] = {}
    """By the slug of a relationship that allows several; sorted by id."""

    def sets(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The sets, by name."""
        for name in SETS:
            yield name, getattr(self, name)


UNCLASSIFIED = Classification()
SETS = ("profiles", "taxonomies", "owners", "followers")
MAPS = ("workflows", "to_one")


def ordered(values: Iterable[str]) -> tuple[str, ...]:
    """A set as it is kept."""
    return tuple(sorted(set(values)))


def unite(survivor: Classification, gone: Classification) -> Classification:
    """What a survivor has after a merge."""
    if gone == UNCLASSIFIED:
        return survivor
    united: dict[str, object] = {name: ordered((*getattr(survivor, name), *theirs)) for name, theirs in gone.sets()}
    united.update({name: {**getattr(gone, name), **getattr(survivor, name)} for name in MAPS})
    slugs = sorted(survivor.to_many.keys() | gone.to_many.keys())
    united["to_many"] = {slug: _by_id((*gone.to_many.get(slug, ()), *survivor.to_many.get(slug, ()))) for slug in slugs}
    return Classification(**united)  # type: ignore[arg-type]  # the fields, by name


def lost(survivor: Classification, gone: Classification) -> dict[str, object]:
    """What of the absorbed contact a merge leaves out, by the path that changes name it by: of a clash the survivor's counts."""
    mine, theirs = dict(_keyed(survivor)), dict(_keyed(gone))
    found: dict[str, object] = {
        path: {"value": value} for path, value in theirs.items() if path in mine and mine[path] != value and not _is_many(value)
    }
    for slug, related in gone.to_many.items():
        own = {each.id: each for each in survivor.to_many.get(slug, ())}
        clashing = [each for each in related if own.get(each.id, each) != each]
        if clashing:
            found[f"relationships.{slug}"] = {"value": clashing}
    return found


def part(present: Classification, gone: Classification, others: Sequence[Classification]) -> Classification:
    """What is left once what only `gone` brought is taken out again; `others` are those who brought the rest."""
    if gone == UNCLASSIFIED:
        return present
    changed: dict[str, Any] = {}
    for name, theirs in gone.sets():
        kept = {value for each in others for value in getattr(each, name)}
        changed[name] = tuple(value for value in getattr(present, name) if value not in theirs or value in kept)
    for name in MAPS:
        changed[name] = _without(getattr(present, name), getattr(gone, name), [getattr(each, name) for each in others])
    changed["to_many"] = {
        slug: kept_related
        for slug, related in present.to_many.items()
        if (kept_related := _related_without(slug, related, gone, others)) or slug not in gone.to_many
    }
    return replace(present, **changed)


def differences(before: Classification, after: Classification) -> dict[str, tuple[object, object]]:
    """Old and new by path, as changes tell them: sets whole, workflows and relationships by slug."""
    if before == after:
        return {}
    found: dict[str, tuple[object, object]] = {}
    for name, old in before.sets():
        new = getattr(after, name)
        if old != new:
            found[name] = (list(old), list(new))
    mine, theirs = dict(_keyed(before)), dict(_keyed(after))
    for path in sorted(mine.keys() | theirs.keys()):
        if mine.get(path) != theirs.get(path):
            found[path] = (mine.get(path), theirs.get(path))
    return found


def relationships(classification: Classification) -> dict[str, list[Related]]:
    """Everything that the record is related to, by slug, whether one or several are allowed."""
    found = {slug: [related] for slug, related in classification.to_one.items()}
    found.update({slug: list(related) for slug, related in classification.to_many.items()})
    return found


def _keyed(classification: Classification) -> Iterator[tuple[str, object]]:
    for slug, stage in classification.workflows.items():
        yield f"workflows.{slug}", stage
    for slug, related in classification.to_one.items():
        yield f"relationships.{slug}", related
    for slug, several in classification.to_many.items():
        yield f"relationships.{slug}", several


def _is_many(value: object) -> bool:
    return isinstance(value, tuple)


def _by_id(related: Iterable[Related]) -> tuple[Related, ...]:
    """Each id once; of two the later one counts."""
    found = {each.id: each for each in related}
    return tuple(found[each] for each in sorted(found))


def _without(present: Keyed, gone: Keyed, others: Sequence[Keyed]) -> dict[str, object]:
    """Keys that only `gone` had go; one that another had, too, stays as it is by now."""
    return {key: value for key, value in present.items() if key not in gone or any(key in each for each in others)}


def _related_without(slug: str, present: Sequence[Related], gone: Classification, others: Sequence[Classification]) -> tuple[Related, ...]:
    theirs = {each.id for each in gone.to_many.get(slug, ())}
    kept = {each.id for other in others for each in other.to_many.get(slug, ())}
    return tuple(each for each in present if each.id not in theirs or each.id in kept)
