"""What may hang on a record, and what adopting a profile does: decided on plain definitions (product.md, section 7). Pure.

One function, `hung`, takes what a record has and what somebody wants to be different, and gives what it has then, or refuses with every
reason. The same for contacts, organizations and documents.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from onefold.errors import InvalidMessage, Refused
from onefold.identity.attributes import InvalidAttributes, checked
from onefold.identity.classification import Classification, Related, Stage, ordered

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from onefold.identity.attributes import Attribute

MOST_OF_A_SET, MOST_RELATED, MOST_TAGS = 100, 200, 200
"""Of one record, so that a change of it stays a message."""


class RelationTaken(Refused):
    """A relationship allows one record, and there is another already."""

    code = "relation_taken"


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile, as adopting it needs it."""

    slug: str
    attributes: Sequence[Attribute] = ()
    default_tags: Sequence[str] = ()
    default_taxonomies: Sequence[str] = ()
    default_workflow: str | None = None
    default_owners: Sequence[str] = ()
    default_followers: Sequence[str] = ()
    allowed_taxonomies: Sequence[str] | None = None
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """A node of the classification."""

    slug: str
    parent: str | None = None
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class Workflow:
    """Steps, in their order, each with the items of its checklist."""

    slug: str
    steps: Mapping[str, Sequence[str]]
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class Relationship:
    """How records are related, seen from this side."""

    slug: str
    allows_several: bool
    """On the other side, of one record on this one."""
    pivot_fields: Sequence[Attribute] = ()
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class Catalog:
    """What is defined, as far as a change needs it: by slug. `tags` and `users` are those that there are."""

    profiles: Mapping[str, Profile] = field(default_factory=dict)
    taxonomies: Mapping[str, Taxonomy] = field(default_factory=dict)
    """All of the record's kind, since what lies below an allowed one is allowed."""
    workflows: Mapping[str, Workflow] = field(default_factory=dict)
    relationships: Mapping[str, Relationship] = field(default_factory=dict)
    tags: AbstractSet[str] = frozenset()
    users: AbstractSet[str] = frozenset()


class Edit(NamedTuple):
    """What goes into a set, and what comes out of it."""

    add: Sequence[str] = ()
    remove: Sequence[str] = ()

    def of(self, present: Iterable[str]) -> tuple[str, ...]:
        """The set afterwards."""
        return ordered(({*present} - {*self.remove}) | {*self.add})


NO_EDIT = Edit()


class Placement(NamedTuple):
    """Where a record is to be on a workflow."""

    step: str | None = None
    """None: where it is, or at the first step."""
    done: Sequence[str] | None = None
    """Of the step's checklist; None: as it is, or nothing at another step."""


class Relation(NamedTuple):
    """One record that is to be related."""

    slug: str
    id: str
    pivot: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be different. What is not named stays."""

    profiles: Edit = NO_EDIT
    taxonomies: Edit = NO_EDIT
    tags: Edit = NO_EDIT
    owners: Edit = NO_EDIT
    followers: Edit = NO_EDIT
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By profile; None clears."""
    workflows: Mapping[str, Placement | None] = field(default_factory=dict)
    """By slug; None takes the record off."""
    relate: Sequence[Relation] = ()
    unrelate: Sequence[tuple[str, str]] = ()
    """Slug and id."""


@dataclass(frozen=True, slots=True)
class Hung:
    """What a record carries."""

    classification: Classification
    tags: Sequence[str]
    attributes: Mapping[str, Mapping[str, Any]]
    """By profile; unbound ones are not looked at."""
    values: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    """What of the attributes was written, by profile and slug; None clears."""
    skipped_tags: Sequence[str] = ()
    """Unknown ones, which are left out (product-facts, 3.5)."""


def hung(catalog: Catalog, present: Hung, change: Change, at: datetime) -> Hung:
    """What the record carries afterwards. Raises InvalidMessage, InvalidAttributes, RelationTaken."""
    before = present.classification
    profiles = change.profiles.of(before.profiles)
    adopted = [_known(catalog.profiles, slug, "profile", slug in before.profiles) for slug in profiles]
    new = [each for each in adopted if each.slug not in before.profiles]
    taxonomies = Edit((*change.taxonomies.add, *_all(each.default_taxonomies for each in new)), change.taxonomies.remove).of(
        before.taxonomies
    )
    _check_taxonomies(catalog, adopted, set(taxonomies) - set(before.taxonomies))
    wanted_tags = [*change.tags.add, *_all(each.default_tags for each in new)]
    known = [slug for slug in wanted_tags if slug in catalog.tags or slug in present.tags]
    classification = Classification(
        profiles=profiles,
        taxonomies=taxonomies,
        owners=_people(catalog, before.owners, change.owners, _all(each.default_owners for each in new)),
        followers=_people(catalog, before.followers, change.followers, _all(each.default_followers for each in new)),
        workflows=_stages(catalog, before.workflows, change.workflows, [each.default_workflow for each in new], at),
        **_related(catalog, before, change),
    )
    tags = Edit(known, change.tags.remove).of(present.tags)
    _check_sizes(classification, tags)
    values = _values(adopted, new, present, change)
    return Hung(classification, tags, _written(present.attributes, values), values, [slug for slug in wanted_tags if slug not in known])


def _all(several: Iterable[Iterable[str]]) -> list[str]:
    return [each for values in several for each in values]


def _known(definitions: Mapping[str, Any], slug: str, what: str, is_carried: bool) -> Any:
    definition = definitions.get(slug)
    if definition is None:
        raise InvalidMessage(f"there is no {what} {slug!r} for this kind of record", code=f"unknown_{what}")
    if definition.is_archived and not is_carried:
        raise InvalidMessage(f"the {what} {slug!r} is archived: nothing new carries it", code=f"archived_{what}")
    return definition


def _check_taxonomies(catalog: Catalog, adopted: Sequence[Profile], new: Iterable[str]) -> None:
    """What is not allowed is refused (product-facts, 3.4): profiles say what is, and whatever lies below that is, too."""
    limits = [each.allowed_taxonomies for each in adopted]
    allowed = None if not limits or None in limits else {slug for each in limits if each is not None for slug in each}
    for slug in sorted(new):
        _known(catalog.taxonomies, slug, "taxonomy", is_carried=False)
        if allowed is not None and not allowed & _way(catalog, slug):
            names = ", ".join(each.slug for each in adopted)
            raise InvalidMessage(
                f"the taxonomy {slug!r} is not allowed: the profiles {names} allow {', '.join(sorted(allowed)) or 'none'}",
                code="taxonomy_not_allowed",
            )


def _way(catalog: Catalog, slug: str) -> set[str]:
    """A taxonomy and those above it."""
    found: set[str] = set()
    at: str | None = slug
    while at is not None and at not in found:
        found.add(at)
        node = catalog.taxonomies.get(at)
        at = node.parent if node is not None else None
    return found


def _people(catalog: Catalog, present: Sequence[str], edit: Edit, defaults: Sequence[str]) -> tuple[str, ...]:
    unknown = [each for each in edit.add if each not in catalog.users]
    if unknown:
        raise InvalidMessage(f"there is no user {unknown[0]}", code="unknown_user")
    return Edit((*edit.add, *(each for each in defaults if each in catalog.users)), edit.remove).of(present)


def _stages(
    catalog: Catalog, present: Mapping[str, Stage], wanted: Mapping[str, Placement | None], defaults: Iterable[str | None], at: datetime
) -> dict[str, Stage]:
    stages = dict(present)
    asked: dict[str, Placement | None] = {slug: Placement() for slug in defaults if slug is not None and slug not in stages}
    for slug, placement in {**asked, **wanted}.items():
        if placement is None:
            stages.pop(slug, None)
        else:
            workflow = _known(catalog.workflows, slug, "workflow", slug in present)
            stages[slug] = _stage(workflow, stages.get(slug), placement, at)
    return {slug: stages[slug] for slug in sorted(stages)}


def _stage(workflow: Workflow, present: Stage | None, placement: Placement, at: datetime) -> Stage:
    step = placement.step or (present.step if present is not None else next(iter(workflow.steps)))
    if step not in workflow.steps:
        raise InvalidMessage(f"{workflow.slug} has no step {step!r}; there are {', '.join(workflow.steps)}", code="unknown_step")
    stays = present is not None and present.step == step
    done = placement.done if placement.done is not None else (present.done if present is not None and stays else ())
    unknown = sorted(set(done) - set(workflow.steps[step]))
    if unknown:
        raise InvalidMessage(f"the checklist of {step} has no item {unknown[0]!r}", code="unknown_item")
    return Stage(step, present.since if present is not None and stays else at, ordered(done))


def _related(catalog: Catalog, before: Classification, change: Change) -> dict[str, Any]:
    one = dict(before.to_one)
    many = {slug: {each.id: each for each in related} for slug, related in before.to_many.items()}
    for slug, related_id in change.unrelate:
        if slug in one and one[slug].id == related_id:
            del one[slug]
        many.get(slug, {}).pop(related_id, None)
    for slug, related_id, pivot in change.relate:
        relationship = _known(catalog.relationships, slug, "relationship", slug in before.to_one or slug in before.to_many)
        related = Related(related_id, _pivot(relationship, slug, pivot))
        if relationship.allows_several:
            many.setdefault(slug, {})[related_id] = related
        elif slug in one and one[slug].id != related_id:
            raise RelationTaken(f"{slug} allows one record, and it is {one[slug].id}; take that one off first")
        else:
            one[slug] = related
    return {
        "to_one": {slug: one[slug] for slug in sorted(one)},
        "to_many": {slug: tuple(many[slug][each] for each in sorted(many[slug])) for slug in sorted(many) if many[slug]},
    }


def _pivot(relationship: Relationship, slug: str, pivot: Mapping[str, Any]) -> dict[str, Any]:
    if not relationship.pivot_fields and not pivot:
        return {}
    values = checked(relationship.pivot_fields, {}, pivot, f"relationships.{slug}.")
    return {name: value for name, value in values.items() if value is not None}


def _values(adopted: Sequence[Profile], new: Sequence[Profile], present: Hung, change: Change) -> dict[tuple[str, str], Any]:
    """What is written: what is given for adopted profiles, defaults of new ones; what was of a profile that is left is cleared."""
    by_slug = {each.slug: each for each in adopted}
    stray = sorted(change.attributes.keys() - by_slug.keys())
    if stray:
        raise InvalidMessage(f"the record has not adopted the profile {stray[0]!r}, whose attributes are given", code="profile_not_adopted")
    values: dict[tuple[str, str], Any] = {}
    problems: list[tuple[str, str]] = []
    for slug in {*change.attributes, *(each.slug for each in new)}:
        held = present.attributes.get(slug, {})
        try:
            found = checked(by_slug[slug].attributes, held, change.attributes.get(slug, {}), f"attributes.{slug}.")
            values.update({(slug, name): value for name, value in found.items()})
        except InvalidAttributes as error:
            problems += [(each["where"], each["why"]) for each in error.facts["errors"]]
    if problems:
        raise InvalidAttributes(sorted(problems))
    for slug in change.profiles.remove:
        values.update({(slug, name): None for name in present.attributes.get(slug, {})})
    return values


def _written(attributes: Mapping[str, Mapping[str, Any]], values: Mapping[tuple[str, str], Any]) -> dict[str, dict[str, Any]]:
    found = {profile: dict(held) for profile, held in attributes.items()}
    for (profile, slug), value in values.items():
        if value is None:
            found.get(profile, {}).pop(slug, None)
        else:
            found.setdefault(profile, {})[slug] = value
    return {profile: held for profile, held in found.items() if held}


def _check_sizes(classification: Classification, tags: Sequence[str]) -> None:
    for name, values in (*classification.sets(), ("workflows", tuple(classification.workflows))):
        if len(values) > MOST_OF_A_SET:
            raise InvalidMessage(f"a record has at most {MOST_OF_A_SET} {name}", code="too_many")
    if len(tags) > MOST_TAGS:
        raise InvalidMessage(f"a record has at most {MOST_TAGS} tags", code="too_many")
    for slug, related in classification.to_many.items():
        if len(related) > MOST_RELATED:
            raise InvalidMessage(f"a record is related to at most {MOST_RELATED} others by {slug}", code="too_many")
