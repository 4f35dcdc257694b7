"""Helper expressions in seeds: `{{getRecordAttribute("organizations","slug","acme")}}` stands for the id of that record. Pure.

They may stand in every text of an item, alone or within a longer one. Records are looked up by whoever applies the seed, so that a later
item may name what an earlier one made.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from onefold.errors import InvalidMessage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EXPRESSION = re.compile(r"\{\{\s*(?P<name>[A-Za-z]+)\((?P<arguments>[^{}]*)\)\s*\}\}")
HELPER = "getRecordAttribute"
_OPEN = "{{"


class Reference(NamedTuple):
    """A record, by one of its fields; and which attribute of it is meant."""

    object_type: str
    field: str
    value: str
    wanted: str = "id"

    @property
    def text(self) -> str:
        """As it is written."""
        arguments = [self.object_type, self.field, self.value, *([self.wanted] if self.wanted != "id" else [])]
        return "{{" + f"{HELPER}({','.join(json.dumps(each, ensure_ascii=False) for each in arguments)})" + "}}"


def references_in(data: Any) -> Iterator[Reference]:
    """Every reference in an item, however deep. Raises InvalidMessage for what looks like one and is none."""
    if isinstance(data, str):
        rest = EXPRESSION.sub("", data)
        if _OPEN in rest:
            raise InvalidMessage(f"{data[:100]!r} holds {_OPEN} and no helper expression; one is {_EXAMPLE}", code="invalid_reference")
        for found in EXPRESSION.finditer(data):
            yield _reference(found)
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from references_in(key)
            yield from references_in(value)
    elif isinstance(data, list):
        for each in data:
            yield from references_in(each)


def resolved(data: Any, known: Mapping[Reference, str]) -> Any:
    """The item with what each reference stands for in its place."""
    if isinstance(data, str):
        return EXPRESSION.sub(lambda found: known[_reference(found)], data)
    if isinstance(data, dict):
        return {resolved(key, known): resolved(value, known) for key, value in data.items()}
    if isinstance(data, list):
        return [resolved(each, known) for each in data]
    return data


_EXAMPLE = Reference("organizations", "slug", "acme").text


def _reference(found: re.Match[str]) -> Reference:
    if found["name"] != HELPER:
        raise InvalidMessage(f"there is no helper {found['name']}; there is {_EXAMPLE}", code="invalid_reference")
    try:
        arguments = json.loads(f"[{found['arguments']}]")
    except ValueError:
        arguments = []
    if not 3 <= len(arguments) <= 4 or not all(isinstance(each, str) for each in arguments):  # noqa: PLR2004 -- type, field, value, attribute
        raise InvalidMessage(f"{found[0][:200]} takes three or four texts in double quotes, such as {_EXAMPLE}", code="invalid_reference")
    return Reference(*arguments)
