"""Load what `decide` needs for some interactions. Set-based: the number of statements does not depend on the batch's size."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from onefold.identity.contact import LISTED_IDENTIFIERS, ContactId, listing_order
from onefold.identity.identifiers import IdentifierKey
from onefold.identity.snapshot import Snapshot
from onefold.records.rows import CONTACT_COLUMNS, TENURE_COLUMNS, contact_of, tenure_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from onefold.identity.contact import Tenure
    from onefold.identity.interaction import Interaction
    from onefold.records.listings import Listings
    from onefold.records.rows import Row
    from onefold.records.store import Connection

# Barriers come as rows without a tenure: a statement of their own would cost every batch a round trip, for what hardly any event meets.
_OF_BARRIERS = {"workspace": "workspace", "identifier_key": "identifier_key", "held_until": "at"}
_BARRIER = ", ".join(_OF_BARRIERS.get(name, "null") for name in TENURE_COLUMNS.split(", "))
# Of erased people: under a hash that only the store's secret gives. Looked up by an array: joined, all that there are would be read.
_OF_SUPPRESSIONS = {"workspace": "s.workspace", "identifier_key": "n.key", "held_until": "s.at"}
_SUPPRESSION = ", ".join(_OF_SUPPRESSIONS.get(name, "null") for name in TENURE_COLUMNS.split(", "))

# The two of tenures are apart, because `or` would keep both partial indexes from being used.
TENURES = f"""
with asked as materialized (
  select key, sha256((select secret from suppression_secret) || key) as hash from unnest($1::bytea[]) as n (key)
)
select {TENURE_COLUMNS} from identifiers where identifier_key = any($1::bytea[]) and workspace = any($2::text[]) and held_until is null
union all
select {TENURE_COLUMNS} from identifiers where identifier_key = any($1::bytea[]) and workspace = any($2::text[]) and held_until >= $3
union all
select {_BARRIER} from barriers where identifier_key = any($1::bytea[]) and workspace = any($2::text[]) and at > $3
union all
select {_SUPPRESSION} from suppressions s join asked n on n.hash = s.hash
where s.hash = any(array(select hash from asked)) and s.workspace = any($2::text[]) and s.at > $3
"""

CONTACTS = f"""
select {CONTACT_COLUMNS}, identifiers_total, summary ? 'apart' as apart, xmin as written_by from contacts
where contact_id = any($1::uuid[]) and workspace = any($2::text[])
"""

LISTINGS = f"""
select {TENURE_COLUMNS} from identifiers
where contact_id = any($1::uuid[]) and workspace = any($2::text[]) and held_until is null
"""

# Of each contact apart, in the order of identifiers_listing: 200 rows are read of a contact that holds 10,000.
LONG_LISTINGS = f"""
select t.* from unnest($1::uuid[], $2::text[]) as n (contact_id, workspace) cross join lateral (
  select {TENURE_COLUMNS} from identifiers i where i.contact_id = n.contact_id and i.workspace = n.workspace and i.held_until is null
  order by i.slug is null, i.tenure_id limit {LISTED_IDENTIFIERS}
) as t
"""

TREES = """
select workspace, contact_id, root from contacts where contact_id = any($1::uuid[]) and workspace = any($2::text[])
union all
select workspace, contact_id, root from contacts where root = any($1::uuid[]) and workspace = any($2::text[]) and merged_into is not null
"""

APART = "select workspace, one, other from kept_apart where one = any($1::uuid[]) and workspace = any($2::text[])"

# Sorting lies below locking in the plan, so locks are taken in id order: two transactions never wait for each other in a ring.
LOCK = """
select contact_id, workspace from contacts where contact_id = any($1::uuid[]) and workspace = any($2::text[])
order by contact_id, workspace for no key update
"""


class Rows(NamedTuple):
    """What was read for some interactions, as it lies in Postgres. Equal rows give equal snapshots."""

    tenures: Sequence[Row]
    contacts: Sequence[Row]
    listings: Sequence[Row]
    apart: Sequence[tuple[str, UUID, UUID]] = ()
    """Pairs of these contacts that are kept apart."""
    barriers: Sequence[Row] = ()
    large: Mapping[tuple[str, UUID], Sequence[Tenure]] = {}
    """What contacts list that hold more identifiers than that."""


async def read(
    connection: Connection,
    interactions: Sequence[Interaction],
    *,
    since: datetime | None = None,
    before: Rows | None = None,
    kept: Listings | None = None,
) -> Rows:
    """The tenures of these interactions' identifiers, the contacts that hold them, and the other identifiers that those list.

    Of ended tenures those that lasted beyond the earliest interaction, or beyond `since`. `before`: what was read of them earlier; `kept`:
    listings that the caller remembers. Whoever changes what a contact lists writes the contact's row (`xmin` says who did), so the listings
    of rows that are the same are the same.
    """
    workspaces = sorted({interaction.workspace for interaction in interactions})
    # Sorted, since each arm of the statement would sort them by itself: of 1,000 keys that saves a third of its time.
    keys = sorted({identifier.key for interaction in interactions for identifier in interaction.identifiers})
    if not keys:
        return Rows([], [], [])
    earliest = since or min(interaction.at for interaction in interactions)
    tenures: Sequence[Row] = await connection.fetch(TENURES, keys, workspaces, earliest)
    barriers = [row for row in tenures if row["tenure_id"] is None]
    if barriers:
        tenures = [row for row in tenures if row["tenure_id"] is not None]
    ids = list({row["contact_id"] for row in tenures})
    contacts = await connection.fetch(CONTACTS, ids, workspaces) if ids else []
    if before is not None and tenures == before.tenures and contacts == before.contacts:
        listings, large = before.listings, before.large
    else:
        listings, large = await _read_listings(connection, tenures, contacts, workspaces, kept)
    marked = [row["contact_id"] for row in contacts if row["apart"]]
    apart = await read_apart(connection, marked, workspaces) if len(marked) > 1 else ()
    return Rows(tenures, contacts, listings, apart, barriers, large)


async def read_contacts(connection: Connection, workspace: str, contacts: Iterable[UUID]) -> Rows:
    """Contacts by their ids, with the identifiers that they list, for what users do to them."""
    found = await connection.fetch(CONTACTS, sorted(contacts), [workspace])
    marked = [row["contact_id"] for row in found if row["apart"]]
    apart = await read_apart(connection, marked, [workspace]) if len(marked) > 1 else ()
    listings, large = await _read_listings(connection, [], found, [workspace], None)
    return Rows([], found, listings, apart, (), large)


def snapshot_of(rows: Rows) -> Snapshot:
    """The snapshot in these rows."""
    snapshot = Snapshot()
    known: dict[int, Tenure] = {}
    listed: dict[tuple[str, UUID], dict[int, Tenure]] = {}
    for row in rows.contacts:
        contact = contact_of(row)
        snapshot.contacts[contact.workspace, contact.contact_id] = contact
        listed[contact.workspace, contact.contact_id] = {}
    for row in rows.tenures:
        tenure = known[row["tenure_id"]] = tenure_of(row)
        snapshot.tenures.setdefault((tenure.workspace, tenure.key), []).append(tenure)
        if tenure.is_open:
            listed[tenure.workspace, tenure.contact_id][tenure.tenure_id] = tenure
    for row in rows.listings:
        tenure = known.get(row["tenure_id"]) or tenure_of(row)
        if (tenure.workspace, tenure.contact_id) in listed:
            listed[tenure.workspace, tenure.contact_id][tenure.tenure_id] = tenure
    for key, contact in snapshot.contacts.items():
        named = listed[key]
        in_order = [named.pop(tenure.tenure_id, tenure) for tenure in rows.large.get(key, ())]
        contact.listed = sorted([*in_order, *named.values()], key=listing_order) if named else in_order
    snapshot.apart.update((workspace, ContactId(one), ContactId(other)) for workspace, one, other in rows.apart)
    for row in rows.barriers:
        barred, until = (row["workspace"], IdentifierKey(row["identifier_key"])), row["held_until"]
        snapshot.barriers[barred] = max(until, snapshot.barriers.get(barred, until))
    return snapshot


async def read_apart(connection: Connection, roots: Sequence[UUID], workspaces: Sequence[str]) -> Sequence[tuple[str, UUID, UUID]]:
    """The pairs of these roots that are kept apart, since each has a side of a pair in its tree."""
    trees = {(row["workspace"], row["contact_id"]): row["root"] for row in await connection.fetch(TREES, roots, workspaces)}
    sides = list({contact_id for _, contact_id in trees})
    found: set[tuple[str, UUID, UUID]] = set()
    for row in await connection.fetch(APART, sides, workspaces):
        one, other = (trees.get((row["workspace"], row[side])) for side in ("one", "other"))
        if one is not None and other is not None and one != other:
            found.add((row["workspace"], one, other))
    return sorted(found)


async def lock(connection: Connection, contacts: Iterable[tuple[str, UUID]]) -> set[tuple[str, UUID]]:
    """Lock contacts in id order; gives those that exist. A contact's lock is the mutex of all its tenures."""
    wanted = set(contacts)
    if not wanted:
        return set()
    ids, workspaces = [contact_id for _, contact_id in wanted], sorted({workspace for workspace, _ in wanted})
    return {(row["workspace"], row["contact_id"]) for row in await connection.fetch(LOCK, ids, workspaces)}


async def _read_listings(
    connection: Connection, tenures: Sequence[Row], contacts: Sequence[Row], workspaces: list[str], kept: Listings | None
) -> tuple[Sequence[Row], Mapping[tuple[str, UUID], Sequence[Tenure]]]:
    """Identifiers that contacts list besides those that are known, and all that large ones list.

    A contact whose identifiers are all known needs no reading, nor does a large one whose listing is remembered.
    """
    known = Counter((row["workspace"], row["contact_id"]) for row in tenures if row["held_until"] is None)
    unknown, long = [], []
    for row in contacts:
        if row["identifiers_total"] > LISTED_IDENTIFIERS:
            long.append(row)
        elif known[row["workspace"], row["contact_id"]] < row["identifiers_total"]:
            unknown.append(row["contact_id"])
    rows: list[Row] = list(await connection.fetch(LISTINGS, unknown, workspaces)) if unknown else []
    return rows, await _large_listings(connection, long, kept) if long else {}


async def _large_listings(
    connection: Connection, contacts: Sequence[Row], kept: Listings | None
) -> Mapping[tuple[str, UUID], Sequence[Tenure]]:
    found: dict[tuple[str, UUID], Sequence[Tenure]] = {}
    missing: dict[tuple[str, UUID], list[Tenure]] = {}
    for row in contacts:
        remembered = kept.get(row) if kept is not None else None
        if remembered is not None:
            found[row["workspace"], row["contact_id"]] = remembered
        else:
            missing[row["workspace"], row["contact_id"]] = []
    if missing:
        columns = [contact_id for _, contact_id in missing], [workspace for workspace, _ in missing]
        for tenure in map(tenure_of, await connection.fetch(LONG_LISTINGS, *columns)):
            missing[tenure.workspace, tenure.contact_id].append(tenure)
    if kept is not None:
        written_by = {(row["workspace"], row["contact_id"]): row["written_by"] for row in contacts}
        for key, listed in missing.items():
            kept.keep(key, written_by[key], listed)
    return {**found, **missing}
