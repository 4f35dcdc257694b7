"""Attributes of profiles and templates: what they are, and whether values fit them. Pure.

A definition says type, whether it is required, an array, editable; the appearance narrows texts (an e-mail, a URL). Groups (`object`) hold
attributes of their own, and are one value (R12): whoever writes one writes it whole. What a record has is kept beside what is given, since
required and editable are about both. The property names are those of the product (docs/reference/attributes.md).
"""

from __future__ import annotations

import math
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Annotated, Any, Literal

import re2
from email_validator import EmailNotValidError, validate_email
from pydantic import BaseModel, ConfigDict, Field, model_validator

from onefold.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DataType = Literal["text", "integer", "number", "boolean", "date", "datetime", "option", "object"]
APPEARANCES: dict[str, tuple[str, ...]] = {
    "text": ("line", "paragraph", "email", "url", "color"),
    "integer": ("number", "rating"),
    "number": ("number", "percent", "money"),
    "boolean": ("switch", "checkbox"),
    "date": ("date",),
    "datetime": ("datetime",),
    "option": ("select", "radio"),
    "object": ("group",),
}
"""By type, the first of them where none is named."""
MOST_ATTRIBUTES, MOST_ITEMS, MOST_OPTIONS, DEEPEST = 200, 1_000, 500, 3
LONGEST_TEXT = 20_000
_LONGEST_PATTERN = 500

Slug = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$")]
"""Small letters, digits, - and _; at most 63."""


class InvalidAttributes(PermanentError):
    """Values that their definitions do not take; `facts` says of each where and why."""

    code = "invalid_attributes"

    def __init__(self, found: Sequence[tuple[str, str]]) -> None:
        path, why = found[0]
        super().__init__(f"{path}: {why}" + (f" (and {len(found) - 1} more)" if len(found) > 1 else ""))
        self.facts = {"errors": [{"where": where, "why": each} for where, each in found]}


class Option(BaseModel):
    """A choice."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: str = Field(min_length=1, max_length=200)
    title: str = Field(min_length=1, max_length=200)


class Attribute(BaseModel):
    """One attribute of a profile, a template, or a group."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: Slug
    title: str = Field(min_length=1, max_length=200)
    data_type: DataType
    appearance: str | None = Field(None, description="How it is shown, and what of its type it takes.")
    description: str | None = Field(None, max_length=2_000)
    help_text: str | None = Field(None, max_length=2_000)
    placeholder: str | None = Field(None, max_length=200)
    is_required: bool = False
    is_array: bool = False
    is_editable: bool = Field(True, description="Whether it may change once it has a value.")
    is_visible: bool = True
    is_searchable: bool = True
    is_listable: bool = True
    is_disabled: bool = Field(False, description="Keeps the values that there are, and takes no new ones.")
    default: Any = None
    options: tuple[Option, ...] = Field((), max_length=MOST_OPTIONS)
    minimum: float | None = Field(None, description="Of numbers; of texts their length.")
    maximum: float | None = None
    pattern: str | None = Field(None, max_length=_LONGEST_PATTERN, description="RE2; the whole text must match.")
    attributes: tuple[Attribute, ...] = Field((), max_length=MOST_ATTRIBUTES, description="Of a group.")

    @model_validator(mode="after")
    def _fits_its_type(self) -> Attribute:
        complaint = _complaint(self)
        if complaint is not None:
            raise ValueError(complaint)
        return self


def check_definitions(attributes: Sequence[Attribute], depth: int = 1) -> str | None:
    """What is wrong with attributes together, if anything is: slugs twice, groups too deep, defaults that do not fit."""
    slugs = [each.slug for each in attributes]
    twice = next((slug for slug in slugs if slugs.count(slug) > 1), None)
    if twice is not None:
        return f"the slug {twice} is there twice"
    if len(attributes) > MOST_ATTRIBUTES:
        return f"there are more than {MOST_ATTRIBUTES} attributes"
    if depth > DEEPEST:
        return f"groups lie deeper than {DEEPEST} levels"
    for each in attributes:
        inner = check_definitions(each.attributes, depth + 1) if each.data_type == "object" else None
        if inner is not None:
            return f"{each.slug}: {inner}"
        if each.default is not None:
            problems = list(_problems(each, each.default, each.slug))
            if problems:
                return f"{each.slug}: its default does not fit: {problems[0][1]}"
    return None


def checked(attributes: Sequence[Attribute], present: Mapping[str, Any], given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values that are to be written: what is given, as it is stored, and defaults for what is missing. None clears.

    Raises InvalidAttributes with every value that does not fit, and every required one that would be missing.
    """
    by_slug = {each.slug: each for each in attributes}
    found: list[tuple[str, str]] = []
    values: dict[str, Any] = {}
    for slug, value in given.items():
        path = f"{prefix}{slug}"
        definition = by_slug.get(slug)
        complaint = _not_writable(definition, present.get(slug), value)
        if definition is None or complaint is not None:
            found.append((path, complaint or "there is no such attribute"))
        elif value is None:
            values[slug] = None
        else:
            problems = list(_problems(definition, value, path))
            found += problems
            if not problems:
                values[slug] = stored(definition, value)
    for slug, definition in by_slug.items():
        after = values.get(slug, present.get(slug))
        if after is None and slug not in values and definition.default is not None and not definition.is_disabled:
            values[slug] = after = stored(definition, definition.default)
        if after is None and definition.is_required and not definition.is_disabled:
            found.append((f"{prefix}{slug}", "is required"))
    if found:
        raise InvalidAttributes(found)
    return values


def stored(definition: Attribute, value: Any) -> Any:
    """A value that fits, in the one form that it is stored in: times in UTC, whole numbers as such."""
    if definition.is_array:
        single = definition.model_copy(update={"is_array": False})
        return [stored(single, each) for each in value]
    if definition.data_type == "datetime":
        return datetime.fromisoformat(value).astimezone(timezone.utc).isoformat().replace("+00:00", "Z")  # noqa: UP017 -- as isoformat writes it
    if definition.data_type == "number" and float(value).is_integer():
        return int(value)
    if definition.data_type == "integer":
        return int(value)
    if definition.data_type == "object":
        inner = {each.slug: each for each in definition.attributes}
        return {slug: stored(inner[slug], each) for slug, each in value.items() if each is not None}
    return value


def _not_writable(definition: Attribute | None, present: Any, value: Any) -> str | None:
    if definition is None:
        return "there is no such attribute"
    if definition.is_disabled:
        return "is disabled: it takes no new values"
    if not definition.is_editable and present is not None and present != value:
        return "has its value already, and cannot be changed"
    return None


def _problems(definition: Attribute, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if not definition.is_array:
        yield from _single(definition, value, path)
    elif not isinstance(value, list):
        yield path, "must be a list"
    elif len(value) > MOST_ITEMS:
        yield path, f"has more than {MOST_ITEMS} items"
    else:
        for number, each in enumerate(value):
            yield from _single(definition, each, f"{path}[{number}]")


def _single(definition: Attribute, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if definition.data_type == "object":
        yield from _group(definition, value, path)
        return
    why = _TYPES[definition.data_type](definition, value)
    if why is not None:
        yield path, why


def _group(definition: Attribute, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        yield path, "must be an object"
        return
    inner = {each.slug: each for each in definition.attributes}
    for slug, each in value.items():
        if slug not in inner:
            yield f"{path}.{slug}", "there is no such attribute"
        elif each is not None:
            yield from _problems(inner[slug], each, f"{path}.{slug}")
    for slug, attribute in inner.items():
        if attribute.is_required and value.get(slug) is None:
            yield f"{path}.{slug}", "is required"


def _text(definition: Attribute, value: Any) -> str | None:
    if not isinstance(value, str):
        return "must be text"
    if "\0" in value or not value.strip():
        return "must not be blank, nor hold NUL"
    if len(value) > LONGEST_TEXT:
        return f"has more than {LONGEST_TEXT:,} characters"
    why = _within(definition, len(value), " characters")
    if why is None and definition.pattern is not None and re2.fullmatch(definition.pattern, value) is None:
        why = f"does not match {definition.pattern}"
    return why or _APPEARANCES.get(definition.appearance or "", lambda _: None)(value)


def _email(value: str) -> str | None:
    try:
        validate_email(value.strip(), check_deliverability=False)
    except EmailNotValidError:
        return "is no e-mail address"
    return None


def _url(value: str) -> str | None:
    return None if re2.fullmatch(r"https?://[^\s/?#]+[^\s]*", value) else "is no URL that begins with http:// or https://"


def _color(value: str) -> str | None:
    return None if re2.fullmatch(r"#[0-9a-fA-F]{6}", value) else "is no color, such as #00aaff"


_APPEARANCES = {"email": _email, "url": _url, "color": _color}


def _number(definition: Attribute, value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "must be a number"
    return _within(definition, value, "")


def _integer(definition: Attribute, value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or int(value) != value:
        return "must be a whole number"
    if abs(value) > 2**53:
        return "must lie between -2^53 and 2^53"
    return _within(definition, value, "")


def _boolean(_definition: Attribute, value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _date(_definition: Attribute, value: Any) -> str | None:
    try:
        return None if isinstance(value, str) and date.fromisoformat(value).isoformat() == value else "must be a date, such as 2026-11-01"
    except ValueError:
        return "must be a date, such as 2026-11-01"


def _datetime(_definition: Attribute, value: Any) -> str | None:
    why = "must be a time with a zone, such as 2026-11-01T09:30:00Z"
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return None if found is not None and found.tzinfo is not None and found.astimezone(timezone.utc) else why  # noqa: UP017
    except (ValueError, OverflowError):
        return why


def _option(definition: Attribute, value: Any) -> str | None:
    if isinstance(value, str) and any(each.value == value for each in definition.options):
        return None
    return f"must be one of {', '.join(each.value for each in definition.options[:20])}"


_TYPES = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "option": _option,
}


def _within(definition: Attribute, size: float, unit: str) -> str | None:
    if definition.minimum is not None and size < definition.minimum:
        return f"must be at least {definition.minimum:g}{unit}"
    if definition.maximum is not None and size > definition.maximum:
        return f"must be at most {definition.maximum:g}{unit}"
    return None


def _complaint(attribute: Attribute) -> str | None:
    """What of a definition contradicts its type."""
    kind = attribute.data_type
    bounded = attribute.minimum is not None or attribute.maximum is not None
    wrong = {
        f"{kind} looks like one of {', '.join(APPEARANCES[kind])}": attribute.appearance not in (None, *APPEARANCES[kind]),
        "an option has options, and nothing else has": (kind == "option") != bool(attribute.options),
        "a group (object) has attributes, and nothing else has": (kind == "object") != bool(attribute.attributes),
        "an option is there twice": len({each.value for each in attribute.options}) < len(attribute.options),
        "only text has a pattern": attribute.pattern is not None and kind != "text",
        "its pattern is none that RE2 takes": attribute.pattern is not None and not _compiles(attribute.pattern),
        "only texts and numbers have a minimum and a maximum": bounded and kind not in {"text", "integer", "number"},
    }
    return next((complaint for complaint, holds in wrong.items() if holds), None)


def _compiles(pattern: str) -> bool:
    try:
        re2.compile(pattern)
    except re2.error:
        return False
    return True
