"""What may be amiss with an index entry. Pure: an entry is held against the one that Postgres' tenure would have now."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onefold.index.entries import Entry


class Kind(StrEnum):
    """Classes of differences."""

    MISSING = "missing"
    """No entry: the next event of the identifier reads Postgres."""
    DAMAGED = "damaged"
    """The value does not belong to its key: wrong length, or a MAC that does not fit. A miss."""
    DOUBTED = "doubted"
    """A separation of its bucket came after it was read: a miss."""
    STALE = "stale"
    """It leads to the right contact by a redirect, or knows less than Postgres does. True, if old."""
    WRONG = "wrong"
    """Undamaged and undoubted, and leads elsewhere, or claims more than Postgres knows. Must never be."""
    GONE = "gone"
    """Undamaged and undoubted, and names a contact that is gone. Must never be."""
    EXTRA = "extra"
    """No open tenure has this key: what a removal or an erasure left. Nobody asks for it, or it is doubted."""


FALSE = frozenset({Kind.WRONG, Kind.GONE})
"""Those that could make a result wrong. All others cost a read of Postgres."""


class Difference(NamedTuple):
    """One entry that is not as it should be. Names no identifier's value."""

    kind: Kind
    bucket: int
    """Of 4,096, by the Redis key."""
    workspace: str | None = None
    semantic_type: str | None = None
    tenure_id: int | None = None
    contact_id: UUID | None = None
    """Whose the identifier is, as Postgres says."""
    found_contact_id: UUID | None = None
    """Whose it is, as the entry says."""


def compare(found: Entry, known: Entry, workspace: str, roots: Mapping[tuple[str, UUID], UUID]) -> Kind | None:
    """How an undamaged, undoubted entry differs from what is known; None if it does not.

    `roots` says where contacts lead: those that the entries name, where these differ.
    """
    if found.contact_id != known.contact_id:
        root = roots.get((workspace, UUID(bytes=found.contact_id)))
        if root is None:
            return Kind.GONE
        if root != roots.get((workspace, UUID(bytes=known.contact_id))):
            return Kind.WRONG
    if found.tenure_id != known.tenure_id or _claims_more(found, known):
        return Kind.WRONG
    return None if found.contact_id == known.contact_id and not _claims_more(known, found) else Kind.STALE


def _claims_more(this: Entry, other: Entry) -> bool:
    """Whether an entry claims a surer, fresher or earlier hold on the identifier than the other."""
    return (
        this.assurance > other.assurance
        or this.start_s < other.start_s
        or this.seen_s > other.seen_s
        or (this.seen_s == other.seen_s and this.used and not other.used)
    )
