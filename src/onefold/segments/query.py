"""Segment queries as data: parse JSON, with a path to whatever is wrong (docs/reference/segments-query.md).

{"and": [{"field": "type", "operator": "equals", "value": "lead"},
{"field": "attributes.unbound.plan", "operator": "in", "value": ["pro", "team"]},
{"not": {"identifier": "phone", "operator": "is_null"}}]}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from onefold.errors import InvalidQuery
from onefold.segments.operators import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT_FIELDS = frozenset({"type", "given_name", "last_name", "email", "phone", "organization_id", "organization_name"})
BOOLEAN_FIELDS = frozenset({"is_vendor"})
SETS = {"tags": "tag", "profiles": "profile", "taxonomies": "taxonomy", "owners": "owner", "followers": "follower"}
"""Fields of which a contact has several values, and the kind of their rows in `links`."""
DEEPEST, MOST_CLAUSES, MOST_VALUES = 20, 200, 1_000


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the contact itself."""

    name: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute, by the profile that it belongs to (`unbound` for none) and its slug."""

    profile: str
    slug: str


@dataclass(frozen=True, slots=True)
class HeldIdentifier:
    """Any identifier of a type that the contact holds, under a label if one is named. Compared by its normalised value."""

    semantic_type: str
    slug: str | None


@dataclass(frozen=True, slots=True)
class HeldValue:
    """Any of several values that the contact has: its tags, say, or the ids that it is related to."""

    name: str
    """As changes name it: `tags`, `relationships.advisor`."""

    @property
    def kind(self) -> str:
        """Of its rows in `links`."""
        relationship = self.name.removeprefix("relationships.")
        return f"relationship:{relationship}" if relationship != self.name else SETS[self.name]


@dataclass(frozen=True, slots=True)
class Step:
    """Where the contact is on a workflow: the slug of its step, or nothing."""

    workflow: str

    @property
    def name(self) -> str:
        """As changes name it."""
        return f"workflows.{self.workflow}"


Target: TypeAlias = Field | Attribute | HeldIdentifier | HeldValue | Step


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition."""

    target: Target
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of them."""

    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: Query


Query: TypeAlias = And | Or | Not | Clause

NOBODY: Final[Query] = Or(())
"""Matches no contact: the query of a segment that is archived."""


def parse(raw: object) -> Query:
    """The query in decoded JSON. Raises InvalidQuery, whose text says where and why."""
    query = _parse(raw, "query", 0)
    if _count(query) > MOST_CLAUSES:
        raise InvalidQuery(f"query: more than {MOST_CLAUSES} clauses")
    return query


def _parse(raw: object, path: str, depth: int) -> Query:
    if not isinstance(raw, dict):
        raise InvalidQuery(f"{path}: must be an object, not {type(raw).__name__}")
    if depth > DEEPEST:
        raise InvalidQuery(f"{path}: nested deeper than {DEEPEST} levels")
    for word, kind in (("and", And), ("or", Or)):
        if word in raw:
            _only(raw, {word}, path)
            parts = raw[word]
            if not isinstance(parts, list) or not parts:
                raise InvalidQuery(f"{path}.{word}: must be a list of at least one condition")
            return kind(tuple(_parse(part, f"{path}.{word}[{number}]", depth + 1) for number, part in enumerate(parts)))
    if "not" in raw:
        _only(raw, {"not"}, path)
        return Not(_parse(raw["not"], f"{path}.not", depth + 1))
    return _clause(raw, path)


def _clause(raw: Mapping[str, Any], path: str) -> Clause:
    if ("field" in raw) == ("identifier" in raw):
        raise InvalidQuery(f"{path}: must have `and`, `or`, `not`, or exactly one of `field` and `identifier`")
    _only(raw, {"field", "operator", "value"} if "field" in raw else {"identifier", "slug", "operator", "value"}, path)
    target = _field(raw["field"], path) if "field" in raw else _identifier(raw, path)
    name = raw.get("operator")
    operator = OPERATORS.get(name) if isinstance(name, str) else None
    if operator is None:
        raise InvalidQuery(f"{path}.operator: {name!r} is none of {', '.join(OPERATORS)}")
    if operator.takes_value != ("value" in raw):
        raise InvalidQuery(f"{path}: {name} takes {'a' if operator.takes_value else 'no'} value")
    value = raw.get("value")
    complaint = operator.complaint(value, is_text=not isinstance(target, Attribute)) if operator.takes_value else None
    if isinstance(target, Field) and target.name in BOOLEAN_FIELDS and complaint is None:
        complaint = _boolean_complaint(operator.name, value)
    elif complaint is None and operator.takes_value and not isinstance(target, Attribute):
        values = value if isinstance(value, list) else [value]
        complaint = None if all(isinstance(each, str) for each in values) else "must be text"
    if complaint is not None:
        raise InvalidQuery(f"{path}.value: {complaint}")
    return Clause(target, operator.name, value)


def _boolean_complaint(operator: str, value: object) -> str | None:
    if operator in {"is_null", "is_not_null"}:
        return None
    if operator not in {"equals", "!="}:
        return "is_vendor takes equals and != only"
    return None if isinstance(value, bool) else "must be true or false"


def _field(name: object, path: str) -> Target:
    if name in TEXT_FIELDS or name in BOOLEAN_FIELDS:
        return Field(str(name))
    if isinstance(name, str) and name.startswith("attributes."):
        _, _, rest = name.partition(".")
        profile, dot, slug = rest.partition(".")
        if profile and dot and slug and "\0" not in name:
            return Attribute(profile, slug)
        raise InvalidQuery(f"{path}.field: an attribute is named attributes.<profile>.<slug>, unbound ones attributes.unbound.<slug>")
    if isinstance(name, str) and "\0" not in name:
        first, _, slug = name.partition(".")
        if name in SETS or (first == "relationships" and slug):
            return HeldValue(name)
        if first == "workflows" and slug:
            return Step(slug)
    fields = ", ".join(sorted(TEXT_FIELDS | BOOLEAN_FIELDS | SETS.keys()))
    raise InvalidQuery(
        f"{path}.field: {name!r} is no field; there are {fields}, attributes.<profile>.<slug>, workflows.<slug> and relationships.<slug>"
    )


def _identifier(raw: Mapping[str, Any], path: str) -> HeldIdentifier:
    kind, slug = raw["identifier"], raw.get("slug")
    if not isinstance(kind, str) or not kind or "\0" in kind:
        raise InvalidQuery(f"{path}.identifier: must name a type, such as email")
    if slug is not None and (not isinstance(slug, str) or not slug or "\0" in slug):
        raise InvalidQuery(f"{path}.slug: must be a label, such as work")
    return HeldIdentifier(kind, slug)


def _only(raw: Mapping[str, Any], allowed: set[str], path: str) -> None:
    extra = sorted(raw.keys() - allowed)
    if extra:
        raise InvalidQuery(f"{path}: {', '.join(extra)} has no meaning here")


def _count(query: Query) -> int:
    if isinstance(query, And | Or):
        return sum(_count(part) for part in query.parts)
    return _count(query.part) if isinstance(query, Not) else 1
