"""What `decide` is told about the present: the tenures of the identifiers at stake, and the contacts that hold them.

Loaded by `onefold.records.snapshots`, built by hand in tests and what-if. Never changed by `decide`, which works on copies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from onefold.identity.contact import Contact, ContactId, Tenure
    from onefold.identity.identifiers import IdentifierKey


@dataclass(slots=True)
class Snapshot:
    """The state that some interactions may meet.

    `tenures` holds, by workspace and key, every tenure that an interaction at its event time can fall into: the open one, and
    ended ones that lasted beyond the earliest event. `contacts` holds every contact that such a tenure names; none of them is
    absorbed, since a merge moves tenures. Each lists at least those of its open tenures that `tenures` holds. `apart` holds the pairs of
    those contacts that are kept apart, both ways round not needed; `barriers` those times before which events move an identifier no more.
    """

    contacts: dict[tuple[str, ContactId], Contact] = field(default_factory=dict)
    tenures: dict[tuple[str, IdentifierKey], list[Tenure]] = field(default_factory=dict)
    apart: set[tuple[str, ContactId, ContactId]] = field(default_factory=set)
    barriers: dict[tuple[str, IdentifierKey], datetime] = field(default_factory=dict)
    erased: dict[tuple[str, IdentifierKey], datetime] = field(default_factory=dict)
    """Of the barriers those that erasures left: what is older is nobody's, whoever holds the identifier by now."""
