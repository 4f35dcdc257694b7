"""Whether a contact belongs to a segment, and which changes can make a difference. Pure; called for each contact change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from onefold.segments.operators import OPERATORS
from onefold.segments.query import And, Attribute, Clause, Field, HeldIdentifier, HeldValue, Not, Or, Query, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OPPOSITES = {"!=": "equals", "is_null": "is_not_null"}
"""For what a contact has several of, identifiers and sets: what must hold of none of them."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a query looks at: fields by name, attributes by profile, identifiers as (type, label, normalised value), and sets by name.

    Sets are named as changes name them (`tags`, `relationships.advisor`). Among the fields are steps (`workflows.onboarding`).
    """

    fields: Mapping[str, object]
    attributes: Mapping[str, Mapping[str, object]]
    identifiers: Sequence[tuple[str, str | None, str]]
    sets: Mapping[str, Sequence[str]] = field(default_factory=dict)


def evaluate(query: Query, subject: Subject) -> bool:
    """Whether the query holds for the subject."""
    if isinstance(query, And):
        return all(evaluate(part, subject) for part in query.parts)
    if isinstance(query, Or):
        return any(evaluate(part, subject) for part in query.parts)
    if isinstance(query, Not):
        return not evaluate(query.part, subject)
    return _clause(query, subject)


def matters(query: Query) -> frozenset[str]:
    """The keys of a change message that can make a contact enter or leave, as `changes` names them."""
    return frozenset(_keys(query))


def looks_at_identifiers(query: Query) -> bool:
    """Whether a snapshot that lists not all identifiers cannot answer."""
    return "identifiers" in matters(query)


def _clause(clause: Clause, subject: Subject) -> bool:
    target = clause.target
    if isinstance(target, Field | Step):
        return OPERATORS[clause.operator].holds(subject.fields.get(target.name), clause.value)
    if isinstance(target, Attribute):
        return OPERATORS[clause.operator].holds(subject.attributes.get(target.profile, {}).get(target.slug), clause.value)
    held = _held(target, subject)
    opposite = OPPOSITES.get(clause.operator)
    holds = OPERATORS[opposite or clause.operator].holds
    some = any(holds(value, clause.value) for value in held)
    return not some if opposite is not None else some


def _held(target: HeldIdentifier | HeldValue, subject: Subject) -> Sequence[str]:
    if isinstance(target, HeldValue):
        return subject.sets.get(target.name, ())
    return [
        value for kind, slug, value in subject.identifiers if kind == target.semantic_type and (target.slug is None or slug == target.slug)
    ]


def _keys(query: Query) -> Iterable[str]:
    if isinstance(query, And | Or):
        for part in query.parts:
            yield from _keys(part)
    elif isinstance(query, Not):
        yield from _keys(query.part)
    elif isinstance(query.target, Field | HeldValue | Step):
        yield query.target.name
    elif isinstance(query.target, Attribute):
        yield f"attributes.{query.target.profile}.{query.target.slug}"
    elif isinstance(query.target, HeldIdentifier):
        yield "identifiers"
