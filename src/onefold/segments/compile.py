"""A query as a condition in SQL, on a row `c` of contacts. Values are parameters, never text of the statement."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from onefold.segments.evaluate import OPPOSITES
from onefold.segments.operators import OPERATORS
from onefold.segments.query import BOOLEAN_FIELDS, NOBODY, And, Attribute, Clause, Field, HeldIdentifier, HeldValue, Not, Or, Query, Step

if TYPE_CHECKING:
    from collections.abc import Sequence


class Compiled(NamedTuple):
    """A condition that is true or false, never unknown, and its parameters, numbered from the number that was asked for."""

    sql: str
    parameters: Sequence[Any]


def compile_query(query: Query, first_parameter: int) -> Compiled:
    """The condition for `c`."""
    writer = _Writer(first_parameter)
    return Compiled(writer.condition(query), writer.parameters)


class _Writer:
    def __init__(self, first: int) -> None:
        self._first = first
        self.parameters: list[Any] = []

    def condition(self, query: Query) -> str:
        if query == NOBODY:
            return "false"
        if isinstance(query, And | Or):
            word = " and " if isinstance(query, And) else " or "
            return "(" + word.join(self.condition(part) for part in query.parts) + ")"
        if isinstance(query, Not):
            return f"not {self.condition(query.part)}"
        return self._clause(query)

    def _clause(self, clause: Clause) -> str:
        target, operator = clause.target, OPERATORS[clause.operator]
        if isinstance(target, HeldIdentifier | HeldValue):
            return self._held(clause, target)
        if isinstance(target, Attribute):
            expression = f"(c.attributes #> array[{self._text(target.profile)}, {self._text(target.slug)}])"
            json_value = self._json(clause.value) if operator.takes_value else ""
            return f"coalesce({operator.json_sql.format(expression, json_value)}, false)"
        return f"coalesce({operator.text_sql.format(*self._column(clause, target))}, false)"

    def _column(self, clause: Clause, target: Field | Step) -> tuple[str, str]:
        if isinstance(target, Step):
            step = f"(c.classification #>> array['workflows', {self._text(target.workflow)}, 'step'])"
            return step, self._texts(clause.value) if OPERATORS[clause.operator].takes_value else ""
        if not OPERATORS[clause.operator].takes_value:
            return f"c.{target.name}", ""
        if target.name in BOOLEAN_FIELDS:
            return f"c.{target.name}", self._parameter(clause.value, "boolean")
        column = "c.organization_id::text" if target.name == "organization_id" else f"c.{target.name}"
        return column, self._texts(clause.value)

    def _held(self, clause: Clause, target: HeldIdentifier | HeldValue) -> str:
        opposite = OPPOSITES.get(clause.operator)
        operator = OPERATORS[opposite or clause.operator]
        value = self._texts(clause.value) if operator.takes_value else ""
        word = "not exists" if opposite else "exists"
        if isinstance(target, HeldValue):
            return (
                f"{word} (select from links l where l.object_id = c.contact_id and l.workspace = c.workspace"
                f" and l.object_type = 'contacts' and l.kind = {self._text(target.kind)} and {operator.text_sql.format('l.value', value)})"
            )
        label = f" and i.slug = {self._text(target.slug)}" if target.slug is not None else ""
        return (
            f"{word} (select from identifiers i where i.contact_id = c.contact_id and i.workspace = c.workspace"
            f" and i.held_until is null and i.semantic_type = {self._text(target.semantic_type)}{label}"
            f" and {operator.text_sql.format('i.normalised', value)})"
        )

    def _texts(self, value: object) -> str:
        return self._parameter(value, "text[]" if isinstance(value, list) else "text")

    def _text(self, value: str) -> str:
        return self._parameter(value, "text")

    def _json(self, value: object) -> str:
        if isinstance(value, list):
            return self._parameter([json.dumps(each) for each in value], "jsonb[]")
        return self._parameter(json.dumps(value), "jsonb")

    def _parameter(self, value: object, kind: str) -> str:
        self.parameters.append(value)
        return f"${self._first + len(self.parameters) - 1}::{kind}"
