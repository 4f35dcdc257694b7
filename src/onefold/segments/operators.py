"""The operators, in one table: what value they take, what they mean in Python, what they mean in SQL.

Texts are compared as they are, letter case included. Numbers are compared by value (1 and 1.0 are equal), and never equal true. What is
missing, or null, is equal to nothing: `!=` is the opposite of `equals` and so holds for it. On a list, `contains` means one of its items.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_VALUES = 1_000


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator. `holds` takes what the contact has (None: nothing) and the clause's value.

    `text_sql` compares a text column `{0}` with the parameter `{1}`, `json_sql` a jsonb expression; both are three-valued, and the
    compiler takes unknown for false.
    """

    name: str
    takes_value: bool
    holds: Callable[[Any, Any], bool]
    text_sql: str
    json_sql: str
    takes_list: bool = False
    text_only: bool = False
    """The parameter is text even where the attribute is JSON."""

    def complaint(self, value: object, *, is_text: bool) -> str | None:
        """What is wrong with a clause's value, if anything is. `is_text`: what it is compared with is always text."""
        if self.takes_list:
            return self._list_complaint(value)
        if self.name in {"contains", "starts_with"} and value == "":
            return "must not be blank"
        if not isinstance(value, str) and (self.text_only or (is_text and not isinstance(value, bool))):
            return "must be text"
        return _scalar_complaint(value)

    def _list_complaint(self, value: object) -> str | None:
        if not isinstance(value, list) or not value:
            return f"{self.name} takes a list of at least one value"
        if len(value) > MOST_VALUES:
            return f"{self.name} takes at most {MOST_VALUES} values"
        return next((found for each in value if (found := _scalar_complaint(each)) is not None), None)


def _scalar_complaint(value: object) -> str | None:
    if value is None:
        return "null is equal to nothing; use is_null"
    if not isinstance(value, str | int | float | bool):
        return "must be text, a number, true or false"
    if isinstance(value, float) and not math.isfinite(value):
        return "must be finite"
    if isinstance(value, str) and "\0" in value:
        return "must not hold NUL"
    return None


def same(present: Any, wanted: Any) -> bool:
    """Whether two JSON scalars are equal; numbers by value, true is no number."""
    if isinstance(present, bool) or isinstance(wanted, bool):
        return present is wanted
    if isinstance(present, int | float) and isinstance(wanted, int | float):
        return present == wanted
    return isinstance(present, str) and isinstance(wanted, str) and present == wanted


def _contains(present: Any, wanted: Any) -> bool:
    if isinstance(present, str):
        return isinstance(wanted, str) and wanted in present
    return isinstance(present, list) and any(same(item, wanted) for item in present)


_TABLE = (
    Operator("equals", True, same, "{0} = {1}", "{0} = {1}"),
    Operator("!=", True, lambda present, wanted: not same(present, wanted), "{0} is distinct from {1}", "{0} is distinct from {1}"),
    Operator(
        "contains",
        True,
        _contains,
        "strpos({0}, {1}) > 0",
        "case jsonb_typeof({0}) when 'string' then jsonb_typeof({1}) = 'string' and strpos({0} #>> '{{}}', {1} #>> '{{}}') > 0"
        " when 'array' then {0} @> {1} and exists (select from jsonb_array_elements({0}) as item where item = {1}) else false end",
    ),
    Operator(
        "starts_with",
        True,
        lambda present, wanted: isinstance(present, str) and present.startswith(wanted),
        "starts_with({0}, {1})",
        "case when jsonb_typeof({0}) = 'string' then starts_with({0} #>> '{{}}', {1} #>> '{{}}') else false end",
        text_only=True,
    ),
    Operator(
        "in",
        True,
        lambda present, wanted: any(same(present, each) for each in wanted),
        "{0} = any({1})",
        "{0} = any({1})",
        takes_list=True,
    ),
    Operator("is_null", False, lambda present, _: present is None, "{0} is null", "coalesce(jsonb_typeof({0}), 'null') = 'null'"),
    Operator(
        "is_not_null", False, lambda present, _: present is not None, "{0} is not null", "coalesce(jsonb_typeof({0}), 'null') <> 'null'"
    ),
)

OPERATORS: Mapping[str, Operator] = {operator.name: operator for operator in _TABLE}
