"""What one line of an import says of a contact: JSON objects, or the cells of a CSV row under their columns.

A line that cannot be read, or names what nobody may write, is refused by itself (`InvalidMessage`): the text says what to change.
Called by `contacts.imports`.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from onefold.errors import InvalidMessage
from onefold.identity.survivorship import FIELDS
from onefold.messages.reading import storable
from onefold.messages.spreadsheets import cells_of, delimiter_of

if TYPE_CHECKING:
    from collections.abc import Mapping

DERIVED: Final = frozenset(
    {
        "id", "type", "segments", "organization_id", "organization_name", "version", "identifiers_total", "merged_into", "archived_at",
        "first_seen_at", "last_seen_at", "created_at", "updated_at",
    }
)  # fmt: skip
"""What no import may write."""
KNOWN: Final = frozenset({*FIELDS, "email", "phone", "identifiers", "is_vendor", "organization", "tags", "attributes"})
MOST_TEXT: Final = 200
MOST_TAGS: Final = 100
TRUE: Final = frozenset({"true", "yes", "1"})
FALSE: Final = frozenset({"false", "no", "0", ""})
TAGS_APART: Final = ";"
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(slots=True)
class Line:
    """What a line says."""

    identifiers: list[tuple[str, object, str | None]] = field(default_factory=list)
    """Type, value, label."""
    fields: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, object] = field(default_factory=dict)
    """Unbound ones."""
    tags: tuple[str, ...] = ()
    is_vendor: bool = False
    organization: str | None = None
    """Its slug."""


class Columns:
    """The columns of a CSV file, from its first row. Raises InvalidMessage where one says nothing that can be imported."""

    def __init__(self, header: str) -> None:
        self.delimiter = delimiter_of(header)
        try:
            self.names = [cell.strip() for cell in cells_of(header, self.delimiter)]
        except csv.Error as error:
            raise InvalidMessage(f"the first row is no CSV: {error}", code="invalid_csv") from error
        for name in self.names:
            _check_column(name)
        twice = {name for name in self.names if self.names.count(name) > 1}
        if twice:
            raise InvalidMessage(f"these columns are there more than once: {', '.join(sorted(twice))}", code="invalid_columns")

    def line(self, record: str) -> Line:
        """A row. Empty cells say nothing."""
        try:
            cells = cells_of(record, self.delimiter)
        except csv.Error as error:
            raise InvalidMessage(f"this row is no CSV: {error}", code="invalid_csv") from error
        if len(cells) != len(self.names):
            raise InvalidMessage(f"this row has {len(cells)} cells, the first one {len(self.names)}", code="invalid_csv")
        found: dict[str, Any] = {}
        for name, cell in zip(self.names, cells, strict=True):
            if cell.strip():
                _put(found, name, cell.strip())
        return line_of(found)


def json_line(record: bytes) -> Line:
    """A line of JSONL."""
    try:
        found = _decode(record)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise InvalidMessage(f"this line is no JSON object: {error}", code="invalid_json") from error
    return line_of(found)


def line_of(found: Mapping[str, Any]) -> Line:
    """What an object says."""
    if not KNOWN.issuperset(found):
        raise _unknown(next(name for name in found if name not in KNOWN))
    line = Line(is_vendor=_boolean(found.get("is_vendor")), organization=_text(found, "organization"))
    for name in FIELDS:
        text = _text(found, name)
        if text is not None:
            line.fields[name] = text
    for name in ("email", "phone"):
        if found.get(name) not in (None, ""):
            line.identifiers.append((name, found[name], None))
    line.identifiers.extend(_identifiers(found.get("identifiers")))
    line.tags = _tags(found.get("tags"))
    line.attributes = _attributes(found.get("attributes"))
    if not (line.identifiers or line.fields):
        raise InvalidMessage("this line has neither a name nor an identifier", code="nobody")
    return line


def _unknown(name: str) -> InvalidMessage:
    if name in DERIVED:
        return InvalidMessage(f"{name} follows from the rest and cannot be imported; leave it out", code="derived_field")
    return InvalidMessage(f"{name!r} is nothing of a contact; values of your own go under attributes.unbound", code="unknown_field")


def _check_column(name: str) -> None:
    first, _, rest = name.partition(".")
    if first in DERIVED:
        raise InvalidMessage(f"the column {name} follows from the rest and cannot be imported; leave it out", code="derived_field")
    takes_rest = {"email": 1, "phone": 1, "identifiers": 2, "attributes": 2}.get(first, 0)
    steps = rest.split(".", takes_rest - 1 if first == "attributes" else -1) if rest else []
    is_whole = first not in {"identifiers", "attributes"} or (rest != "" and (first == "identifiers" or rest.startswith("unbound.")))
    if first not in KNOWN or len(steps) > takes_rest or not is_whole or "" in steps:
        raise InvalidMessage(
            f"the column {name!r} is nothing of a contact: use {', '.join(FIELDS)}, email, phone (or email.LABEL), identifiers.TYPE,"
            " identifiers.TYPE.LABEL, organization, tags, is_vendor or attributes.unbound.SLUG",
            code="invalid_columns",
        )


def _put(found: dict[str, Any], column: str, cell: str) -> None:
    first, _, rest = column.partition(".")
    if first == "attributes":
        found.setdefault("attributes", {}).setdefault("unbound", {})[rest.partition(".")[2]] = cell
    elif first == "identifiers" or rest:
        kind, _, label = rest.partition(".") if first == "identifiers" else (first, ".", rest)
        found.setdefault("identifiers", []).append({"semantic_type": kind, "identifier": cell, "slug": label or None})
    elif first == "tags":
        found["tags"] = cell.split(TAGS_APART)
    else:
        found[first] = cell


def _text(found: Mapping[str, Any], name: str) -> str | None:
    value = found.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > MOST_TEXT:
        raise InvalidMessage(f"{name} takes text of at most {MOST_TEXT} characters", code="invalid_value")
    return str(storable(value.strip()))


def _boolean(value: object) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    word = value.strip().lower() if isinstance(value, str) else None
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise InvalidMessage("is_vendor takes true or false", code="invalid_value")


def _identifiers(value: object) -> list[tuple[str, object, str | None]]:
    if value is None:
        return []
    found: list[tuple[str, object, str | None]] = []
    for each in value if isinstance(value, list) else [None]:
        entry: dict[str, Any] = each if isinstance(each, dict) else {}
        kind, label = entry.get("semantic_type"), entry.get("slug")
        if not isinstance(kind, str) or not isinstance(label, str | None) or "identifier" not in entry:
            raise InvalidMessage('identifiers takes a list of {"semantic_type", "identifier", "slug"}', code="invalid_value")
        found.append((kind, entry["identifier"], label))
    return found


def _tags(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InvalidMessage("tags takes a list of texts", code="invalid_value")
    tags = {str(storable(each.strip())) for each in value if each.strip()}
    if len(tags) > MOST_TAGS or any(len(each) > MOST_TEXT for each in tags):
        raise InvalidMessage(f"a contact takes {MOST_TAGS} tags of {MOST_TEXT} characters", code="invalid_value")
    return tuple(sorted(tags))


def _attributes(value: object) -> dict[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(each, dict) for each in value.values()):
        raise InvalidMessage('attributes takes {"unbound": {SLUG: VALUE}}', code="invalid_value")
    if value.keys() - {"unbound"}:
        raise InvalidMessage("of attributes an import takes those under unbound", code="unknown_field")
    unbound = value.get("unbound", {})
    if any(not slug or len(slug) > MOST_TEXT for slug in unbound):
        raise InvalidMessage(f"the slug of an attribute is text of at most {MOST_TEXT} characters", code="invalid_value")
    return {str(storable(slug)): storable(each) for slug, each in unbound.items()}
