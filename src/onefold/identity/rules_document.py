"""The rules of one workspace as a document, RULES.json: what may stand in it, and the `Rules` that it makes (R28, R18).

A document says only what a workspace decided; every key may be missing, and follows the default of `Rules` then. Keys that are not
known and values that cannot be meant are refused; `rules_reading` tells the reader of JSON so. Called by `onefold.records.rules`,
`onefold.workspace.rules`, and whoever tries rules without storing them.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, TypeAlias

import phonenumbers
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from onefold.identity.blocked import BadPattern, BlockedValues, compiled
from onefold.identity.catalog import BUILT_IN, Catalog, CatalogEntry
from onefold.identity.normalise import normalise as normalised_form
from onefold.identity.normalise import trim
from onefold.identity.rules import Limits, Normalisation, Policy, Rules

MOST_TYPES, MOST_SLUGS, MOST_EXACT, MOST_PATTERNS = 200, 50, 10_000, 100
LONGEST_VALUE, LONGEST_PATTERN = 1_024, 500
MOST = 1_000_000
"""Of what limits count: none is higher than anybody can use, so that a figure of two typed together is noticed."""
LONGEST_RECENCY_SECONDS = 86_400
MAIN = "main"
UNLIKE = ("a", "Z", "7", "-", " ", "\u00e9\u65e5", "x" * LONGEST_VALUE, "ann.a@example.com", "+4915112345678")
"""Values so unlike each other that a pattern which is found in all of them is found in every value."""

_DEFAULTS = Rules()


def _plain(text: str) -> str:
    """The text itself. ValueError where it holds what no identifier that resolves can hold (R22)."""
    if any(unicodedata.category(each) in {"Cc", "Cs"} for each in text):
        raise ValueError("holds a control character; a value with one never resolves, so it need not stand here")
    return text


def _region(code: str) -> str:
    if code not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("is no region; name it by its two capital letters of ISO 3166, such as DE")
    return code


def _pattern(pattern: str) -> str:
    try:
        search = compiled(pattern).search
    except BadPattern as error:
        raise ValueError(f"is no pattern that RE2 takes: {error} (no look-around, no back references)") from None
    if all(search(value) is not None for value in UNLIKE):
        raise ValueError("is found in every value; to switch a type off, set its `enabled` to false in the catalog")
    return pattern


def _once(values: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({each for each in values if values.count(each) > 1}) if len(set(values)) < len(values) else []
    if twice:
        raise ValueError(f"names {', '.join(map(repr, twice))} twice")
    return values


def _with_main(slugs: tuple[str, ...]) -> tuple[str, ...]:
    if MAIN not in slugs:
        raise ValueError(f"must hold {MAIN!r}, the label of the first identifier of each type")
    return slugs


TypeName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,62}$")]
Slug: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Count: TypeAlias = Annotated[int, Field(ge=1, le=MOST)]
Value: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_VALUE), AfterValidator(_plain)]
Pattern: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_PATTERN), AfterValidator(_plain), AfterValidator(_pattern)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Entry(_Part):
    """How one type resolves. It amends the built-in entry of its type; any other type is added."""

    semantic_type: TypeName
    """The type, as interactions name it."""
    title: Annotated[str, Field(max_length=200), AfterValidator(_plain)] = ""
    """How pages call it."""
    unique_per_contact: bool = False
    """A second, different value on one contact is a conflict."""
    max_per_contact: Count | None = None
    """How many values a contact may hold; unset, `limits.values_per_type`."""
    device_bound: bool = False
    """Identifies a device, which may be handed over; all others are personal."""
    priority: Annotated[int, Field(ge=0, le=9_999)] = 99
    """Smaller goes first when the contact of an event is chosen. The built-in types are 1 to 7."""
    outreach: bool = False
    """Whether a new value may be written to."""
    enabled: bool = True
    """False: values of the type stay on their events and do not resolve."""
    slugs: Annotated[tuple[Slug, ...], Field(min_length=1, max_length=MOST_SLUGS), AfterValidator(_once), AfterValidator(_with_main)] = (
        MAIN,
    )
    """Labels that identifiers of the type may carry, `main` among them."""


class LimitsPart(_Part):
    """Beyond them, what an event would join is parked (guard 4)."""

    values_per_type: Count = _DEFAULTS.limits.values_per_type
    """Values of one type that a contact may hold; `max_per_contact` of the type wins."""
    identifiers_per_contact: Count = _DEFAULTS.limits.identifiers_per_contact
    """Identifiers that a contact may hold."""
    merges_per_identifier_hour: Annotated[int, Field(ge=0, le=MOST)] = _DEFAULTS.limits.merges_per_identifier_hour
    """Merges that one identifier may bring about in an hour of event time."""
    contacts_per_value_day: Count = _DEFAULTS.limits.contacts_per_value_day
    """Contacts that one value may join in a day (UTC, event time), the first included."""


class BlockedPart(_Part):
    """Values of one type that never resolve (guard 5)."""

    exact: Annotated[tuple[Value, ...], Field(max_length=MOST_EXACT), AfterValidator(_once)] = ()
    """Whole values, normalised as those of interactions are."""
    patterns: Annotated[tuple[Pattern, ...], Field(max_length=MOST_PATTERNS), AfterValidator(_once)] = ()
    """RE2 patterns, found anywhere in the normalised value; `^` and `$` are its ends."""


class NormalisePart(_Part):
    """How values are brought into the form that is compared."""

    phone_region: Annotated[str, AfterValidator(_region)] | None = _DEFAULTS.normalisation.phone_region
    """Region (ISO 3166, `DE`) of national phone numbers; without one they do not resolve."""
    email_case_sensitive: bool = _DEFAULTS.normalisation.email_case_sensitive
    """Whether the part before the @ keeps its case."""
    email_provider_rules: bool = _DEFAULTS.normalisation.email_provider_rules
    """Whether provider tricks (dots, plus tags) are undone."""


class Document(_Part):
    """The rules of resolution of one workspace. Every key may be missing; it follows Onefold's default then."""

    policy: Policy = _DEFAULTS.policy
    """What a claim may do (product.md, section 4)."""
    catalog: Annotated[tuple[Entry, ...], Field(max_length=MOST_TYPES)] = ()
    """Types that are added, and changes of built-in ones."""
    limits: LimitsPart = LimitsPart()
    """Where joining stops."""
    blocked: dict[TypeName, BlockedPart] = Field(default_factory=dict)
    """Values that never resolve, by type."""
    normalise: NormalisePart = NormalisePart()
    """How values are normalised."""
    recency_seconds: Annotated[int, Field(ge=0, le=LONGEST_RECENCY_SECONDS)] | None = None
    """How precisely last use is recorded; 0 is exact and slower. Unset, ONEFOLD_RESOLVER__RECENCY_SECONDS."""

    @model_validator(mode="after")
    def _belongs_together(self) -> Document:
        try:
            _once(tuple(each.semantic_type for each in self.catalog))
        except ValueError as error:
            raise ValueError(f"catalog {error}") from None
        entries = entries_of(self)
        for entry in entries.values():
            if entry.unique_per_contact and (entry.max_per_contact or 1) > 1:
                raise ValueError(
                    f"catalog.{entry.semantic_type} is unique_per_contact, so a contact holds one value: leave max_per_contact out"
                )
        for kind in self.blocked:
            if kind not in entries:
                raise ValueError(f"blocked.{kind}: the catalog has no such type; it has {', '.join(sorted(entries))}")
        return self

    def given(self) -> dict[str, Any]:
        """What the document says itself, as JSON: what is stored."""
        return self.model_dump(mode="json", exclude_unset=True)


def entries_of(document: Document) -> dict[str, CatalogEntry]:
    """The whole catalog: the built-in types as amended, then those that were added."""
    entries = {each.semantic_type: each for each in BUILT_IN}
    for each in document.catalog:
        said = each.model_dump(exclude_unset=True)
        entries[each.semantic_type] = replace(entries.get(each.semantic_type, CatalogEntry(each.semantic_type)), **said)
    return entries


def rules_of(document: Document, *, recency: timedelta, version: int = 1) -> Rules:
    """The rules that a document makes; `recency` is the installation's, where the document has none of its own."""
    normalisation = Normalisation(**document.normalise.model_dump())
    return Rules(
        catalog=Catalog(entries_of(document)),
        normalisation=normalisation,
        limits=Limits(**document.limits.model_dump()),
        blocked={kind: _blocked(kind, part, normalisation) for kind, part in document.blocked.items()},
        recency=recency if document.recency_seconds is None else timedelta(seconds=document.recency_seconds),
        policy=document.policy,
        version=version,
    )


def in_force(document: Document) -> dict[str, Any]:
    """The document with every default filled in, as JSON: the same rules, whole. A recency of null is the installation's."""
    whole = document.model_dump(mode="json")
    return {**whole, "catalog": [Entry.model_validate(_fields(each)).model_dump(mode="json") for each in entries_of(document).values()]}


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a document."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Document.model_json_schema()}


def _blocked(kind: str, part: BlockedPart, normalisation: Normalisation) -> BlockedValues:
    """Exact values in the form that is compared. One that does not parse never resolves anyway (R21), so it is left out."""
    forms = (normalised_form(kind, trim(value), normalisation) for value in part.exact)
    return BlockedValues((form for form in forms if form is not None), part.patterns)


def _fields(entry: CatalogEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in Entry.model_fields}
