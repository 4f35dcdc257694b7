"""Which interactions of a batch the index vouches for, so that nothing needs to be read or written for them (the hot path).

Pure. An interaction is recognised if every identifier has a valid entry, all name one contact, the assurance is at least its own,
last use is recent enough, it is not older than the tenures' start, it carries no values, and no other interaction of the batch
that is not recognised shares an identifier with it, transitively (architecture, section 2, step 3). Called by the resolver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from onefold.identity.catalog import TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onefold.identity.identifiers import Identifier, IdentifierKey
    from onefold.identity.rules import Rules
    from onefold.index.entries import Entry
    from onefold.index.naming import Naming


class Voucher:
    """Whom a naming's entries name together, and for which interactions they vouch. `entries` belong to `buckets`, in order."""

    __slots__ = ("assurance", "contact", "from_s", "held_against", "marks", "tenure_id", "until_s")

    def __init__(self, entries: Sequence[Entry], buckets: Sequence[int], tenure_id: int, recency_seconds: float) -> None:
        self.contact = str(UUID(bytes=entries[0].contact_id)).encode()
        """The contact's id as messages write it."""
        self.tenure_id = tenure_id
        """The tenure that history hangs on."""
        self.assurance = min(each.assurance for each in entries)
        """A stronger interaction may strengthen a tenure."""
        self.from_s = max(each.start_s for each in entries)
        self.until_s = min(each.seen_s for each in entries) + recency_seconds
        """From then on use is to be recorded."""
        self.marks = [(bucket, each.xmin) for bucket, each in zip(buckets, entries, strict=True)]
        """What separations are held against."""
        self.held_against = -1
        """How many separations were known when they allowed it last; -1: never."""


class Event(Protocol):
    """What recognising asks of an interaction."""

    naming: Naming
    seconds: float
    """Event time, since 1970."""
    assurance: int
    may_change: bool
    """Whether it carries values or a proof."""


def vouch(identifiers: Sequence[Identifier], entries: Sequence[Entry], buckets: Sequence[int], rules: Rules) -> Voucher | None:
    """Whom the entries of these identifiers name, if that is one contact and its use is on record (R7)."""
    if not entries or any(each.contact_id != entries[0].contact_id for each in entries):
        return None
    tenure_id = entries[0].tenure_id
    is_used, has_personal = True, False
    for identifier, entry in zip(identifiers, entries, strict=True):
        if identifier.semantic_type == TOKEN:
            tenure_id = entry.tenure_id
        if rules.catalog.entry(identifier.semantic_type).device_bound:
            is_used = is_used and entry.used
        else:
            has_personal = True
    if has_personal and not is_used:
        return None
    return Voucher(entries, buckets, tenure_id, rules.recency.total_seconds())


def recognise(events: Sequence[Event], vouchers: Mapping[Naming, Voucher]) -> list[Voucher | None]:
    """For each interaction whom the index recognises, or None. `vouchers` holds the valid ones only."""
    found: list[Voucher | None] = []
    for event in events:
        voucher = vouchers.get(event.naming)
        if voucher is not None and (
            event.may_change or event.assurance > voucher.assurance or not voucher.from_s <= event.seconds < voucher.until_s
        ):
            voucher = None
        found.append(voucher)
    if None in found:
        _drop_neighbours(events, found)
    return found


def _drop_neighbours(events: Sequence[Event], found: list[Voucher | None]) -> None:
    """Whoever shares an identifier with an interaction that may change it is decided with it."""
    by_key: dict[tuple[str, IdentifierKey], list[int]] = {}
    for number, event in enumerate(events):
        for identifier in event.naming.identifiers:
            by_key.setdefault((event.naming.workspace, identifier.key), []).append(number)
    waiting = [number for number, recognised in enumerate(found) if recognised is None]
    while waiting:
        naming = events[waiting.pop()].naming
        for identifier in naming.identifiers:
            for neighbour in by_key.pop((naming.workspace, identifier.key), ()):
                if found[neighbour] is not None:
                    found[neighbour] = None
                    waiting.append(neighbour)
