"""The identifier catalog: which types resolve, and how (product.md, section 3; defaults in the order of R5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TOKEN = "anonymous_token"  # noqa: S105 -- the name of a type


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """How identifiers of one type resolve."""

    semantic_type: str
    title: str = ""
    unique_per_contact: bool = False
    """A second, different value on one contact is a conflict (guard 1)."""
    max_per_contact: int | None = None
    device_bound: bool = False
    """Identifies a device, which may be handed over; all others are personal."""
    priority: int = 99
    """Smaller goes first when the contact of an event is chosen (R5)."""
    outreach: bool = False
    """Whether a new value may be written to."""
    enabled: bool = True
    slugs: tuple[str, ...] = ("main",)


_ADDRESS_SLUGS = ("main", "work", "personal")

BUILT_IN = (
    CatalogEntry("user_id", "User id", unique_per_contact=True, priority=1),
    CatalogEntry("oauth", "OAuth subject", priority=2),
    CatalogEntry("uuid", "UUID", priority=3),
    CatalogEntry("email", "Email", priority=4, outreach=True, slugs=_ADDRESS_SLUGS),
    CatalogEntry("phone", "Phone", priority=5, outreach=True, slugs=_ADDRESS_SLUGS),
    CatalogEntry("device_id", "Device id", device_bound=True, priority=6),
    CatalogEntry(TOKEN, "Anonymous token", device_bound=True, priority=7),
)


def _by_type(entries: Iterable[CatalogEntry]) -> dict[str, CatalogEntry]:
    return {entry.semantic_type: entry for entry in entries}


@dataclass(frozen=True)
class Catalog:
    """The types that resolve in a workspace."""

    entries: Mapping[str, CatalogEntry] = field(default_factory=lambda: _by_type(BUILT_IN))

    def find(self, semantic_type: str) -> CatalogEntry | None:
        """The entry of a type, None where the catalog has none (R18: kept on the event, does not resolve)."""
        return self.entries.get(semantic_type)

    def entry(self, semantic_type: str) -> CatalogEntry:
        """The entry of a type that is known to be there."""
        return self.entries[semantic_type]
