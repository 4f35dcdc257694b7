"""Load how contacts came to be what they are: whom they absorbed, their tenures with the evidence of each, their merges. For explaining.

Bounded by identifiers and merges, never by interactions: nothing here reads the timeline. Of tenures that ended, the newest are read, since
a shared device may have changed hands any number of times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from onefold.records.reads import load_evidence
from onefold.records.rows import CONTACT_COLUMNS, TENURE_COLUMNS, contact_of, tenure_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from onefold.identity.contact import Contact, Tenure
    from onefold.identity.identifiers import IdentifierKey
    from onefold.records.reads import EvidenceRow
    from onefold.records.rows import Row
    from onefold.records.store import Connection

MOST_ENDED = 1_000

CONTACT = f"select {CONTACT_COLUMNS} from contacts where contact_id = $1 and workspace = $2"
ROOTS = "select root from contacts where contact_id = any($1::uuid[]) and workspace = $2"
TREES = """
select contact_id from contacts where contact_id = any($1::uuid[]) and workspace = $2
union all
select contact_id from contacts where root = any($1::uuid[]) and workspace = $2 and merged_into is not null
"""
TENURES = f"""
(select {TENURE_COLUMNS} from identifiers where contact_id = any($1::uuid[]) and workspace = $2 and held_until is null)
union all
(select {TENURE_COLUMNS} from identifiers where contact_id = any($1::uuid[]) and workspace = $2 and held_until is not null
  order by held_until desc limit $3)
"""
# Without a time, the one that is open.
HOLDERS = f"""
select {TENURE_COLUMNS} from identifiers where identifier_key = $1 and workspace = $2 and held_until is null
union all
select {TENURE_COLUMNS} from identifiers where identifier_key = $1 and workspace = $2 and held_until is not null and held_until > $3
"""
OPEN = f"""
select {TENURE_COLUMNS} from identifiers where identifier_key = any($1::bytea[]) and workspace = $2 and held_until is null
"""
_MERGE = "merge_id, number, survivor, absorbed, at, cause, tenures, undone_at, undone, returned"
MERGES = f"""
select {_MERGE} from merges where survivor = any($1::uuid[]) and workspace = $2
union all
select {_MERGE} from merges where absorbed = any($1::uuid[]) and workspace = $2 and survivor <> all($1::uuid[])
order by number
"""
PAIRS = """
select one, other, why, actor, reason, at from kept_apart where one = any($1::uuid[]) and other = any($2::uuid[]) and workspace = $3
union all
select one, other, why, actor, reason, at from kept_apart where one = any($2::uuid[]) and other = any($1::uuid[]) and workspace = $3
order by at
"""


@dataclass(frozen=True, slots=True)
class MergeStory:
    """A merge with its cause, and its undoing."""

    merge_id: UUID
    number: int
    survivor: UUID
    absorbed: UUID
    at: datetime
    cause: Mapping[str, Any]
    tenures: AbstractSet[int]
    undone_at: datetime | None
    undone: Mapping[str, Any]
    returned: AbstractSet[int]

    @property
    def through(self) -> tuple[int, int] | None:
        """The tenures that the event named, the survivor's and the absorbed one's; None where a person merged, or nothing says so."""
        found = self.cause.get("through")
        return (found[0], found[1]) if found else None

    @property
    def undone_from(self) -> UUID:
        """Of one that was undone: whom the absorbed contact left."""
        return UUID(self.undone["root"])

    def is_in_force(self, at: datetime | None) -> bool:
        """Whether the two were one at a time; None is now."""
        if at is None:
            return self.undone_at is None
        return self.at <= at and (self.undone_at is None or self.undone_at > at)


@dataclass(frozen=True, slots=True)
class History:
    """Some trees, with everything that ever concerned one of their contacts."""

    contacts: AbstractSet[UUID]
    tenures: Sequence[Tenure]
    evidence: Mapping[int, Sequence[EvidenceRow]]
    merges: Sequence[MergeStory]
    """In their order, those that were undone too."""
    is_cut: bool
    """Whether older tenures, which ended, were left out."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two contacts, as they were, that are kept apart."""

    one: UUID
    other: UUID
    why: str
    actor: str
    reason: str | None
    at: datetime


async def load_contact(connection: Connection, workspace: str, contact_id: UUID) -> Contact | None:
    """One contact, without a listing, absorbed or not."""
    row = await connection.fetchrow(CONTACT, contact_id, workspace)
    return contact_of(row) if row is not None else None


async def load_history(connection: Connection, workspace: str, asked: Iterable[UUID], *, at: datetime | None = None) -> History:
    """The trees that hold some contacts; and, for a time in the past, those that contacts of them were part of then."""
    contacts: set[UUID] = set()
    roots: set[UUID] = set()
    merges: list[MergeStory] = []
    waiting = set(asked)
    while waiting:
        roots |= {row["root"] for row in await connection.fetch(ROOTS, list(waiting), workspace)}
        contacts |= {row["contact_id"] for row in await connection.fetch(TREES, list(roots), workspace)}
        merges = [_merge_of(row) for row in await connection.fetch(MERGES, list(contacts), workspace)]
        waiting = {side for each in merges if at is not None and each.is_in_force(at) for side in (each.survivor, each.absorbed)} - contacts
    tenures = [tenure_of(row) for row in await connection.fetch(TENURES, list(roots), workspace, MOST_ENDED)]
    evidence = await load_evidence(connection, workspace, [tenure.tenure_id for tenure in tenures])
    return History(contacts, tenures, evidence, merges, is_cut=sum(not each.is_open for each in tenures) >= MOST_ENDED)


async def tenure_then(connection: Connection, workspace: str, key: IdentifierKey, at: datetime | None) -> Tenure | None:
    """The tenure that an identifier had at a time, by event time; None is now. None where nobody had it."""
    found = map(tenure_of, await connection.fetch(HOLDERS, key, workspace, at))
    return next((each for each in found if at is None or each.since <= at), None)


async def open_now(connection: Connection, workspace: str, keys: Iterable[IdentifierKey]) -> list[Tenure]:
    """The open tenures of these identifiers: who has which of them."""
    return [tenure_of(row) for row in await connection.fetch(OPEN, sorted(keys), workspace)]


async def pairs_between(connection: Connection, workspace: str, ours: Iterable[UUID], theirs: Iterable[UUID]) -> list[Pair]:
    """Who of some contacts is kept apart from whom of others."""
    return [Pair(**dict(row)) for row in await connection.fetch(PAIRS, list(ours), list(theirs), workspace)]


def _merge_of(row: Row) -> MergeStory:
    return MergeStory(
        row["merge_id"],
        row["number"],
        row["survivor"],
        row["absorbed"],
        row["at"],
        msgspec.json.decode(row["cause"]),
        frozenset(row["tenures"]),
        row["undone_at"],
        msgspec.json.decode(row["undone"]) if row["undone"] is not None else {},
        frozenset(row["returned"] or ()),
    )
