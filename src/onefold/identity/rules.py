"""The rules of resolution of one workspace: what settings can change (product.md, section 4; R11, R28)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from onefold.identity.catalog import Catalog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onefold.identity.blocked import BlockedValues
    from onefold.identity.identifiers import IdentifierKey

Policy: TypeAlias = Literal["careful", "eager", "strict"]


@dataclass(frozen=True, slots=True)
class Normalisation:
    """How values are normalised before they are compared. Hashable, so that results can be kept by it."""

    phone_region: str | None = None
    """Region (ISO 3166, `DE`) of national phone numbers; without one they do not resolve (R21)."""
    email_case_sensitive: bool = False
    """Whether the part before the @ keeps its case."""
    email_provider_rules: bool = False
    """Whether provider tricks (dots, plus tags) are undone."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Guard 4 (R11)."""

    values_per_type: int = 100
    identifiers_per_contact: int = 10_000
    merges_per_identifier_hour: int = 20
    contacts_per_value_day: int = 50


@dataclass(frozen=True)
class Rules:
    """Everything that decides how one workspace resolves."""

    catalog: Catalog = field(default_factory=Catalog)
    normalisation: Normalisation = Normalisation()
    limits: Limits = Limits()
    blocked: Mapping[str, BlockedValues] = field(default_factory=dict)
    """Normalised values that never resolve, by type."""
    quarantined: frozenset[IdentifierKey] = frozenset()
    """What joined too many contacts, and resolves no more until a person releases it. Learnt, so no part of the document."""
    recency: timedelta = timedelta(hours=1)
    """How precisely last use is recorded; zero is exact (R7)."""
    policy: Policy = "careful"
    """What a claim may do (product.md, section 4)."""
    version: int = 1

    def is_unique(self, semantic_type: str) -> bool:
        """Whether a contact holds one value of the type; not where the catalog lost it."""
        entry = self.catalog.find(semantic_type)
        return entry is not None and entry.unique_per_contact

    def values_limit(self, semantic_type: str) -> int:
        """How many values of a type a contact may hold: `max_per_contact` wins over the general limit (R11).

        The catalog may have lost the type since the contact got its values.
        """
        entry = self.catalog.find(semantic_type)
        if entry is None:
            return self.limits.values_per_type
        if entry.unique_per_contact:
            return 1
        return entry.max_per_contact if entry.max_per_contact is not None else self.limits.values_per_type

    def to_find(self) -> Rules:
        """The same, to find what contacts hold: values that were blocked or quarantined, and types that were switched off, since, too."""
        entries = {kind: replace(entry, enabled=True) for kind, entry in self.catalog.entries.items()}
        return replace(self, catalog=Catalog(entries), blocked={}, quarantined=frozenset())
