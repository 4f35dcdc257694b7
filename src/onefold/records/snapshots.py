"""Load what `decide` needs for some interactions. Set-based: the number of statements does not depend on the batch's size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity.contact import LISTED_IDENTIFIERS, listing_order
from onefold.identity.snapshot import Snapshot
from onefold.records.rows import CONTACT_COLUMNS, TENURE_COLUMNS, contact_of, tenure_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from onefold.identity.contact import Tenure
    from onefold.identity.interaction import Interaction
    from onefold.records.store import Connection

# Two halves, because `or` would keep both partial indexes from being used.
TENURES = f"""
select {TENURE_COLUMNS} from identifiers where identifier_key = any($1::bytea[]) and workspace = any($2::text[]) and held_until is null
union all
select {TENURE_COLUMNS} from identifiers where identifier_key = any($1::bytea[]) and workspace = any($2::text[]) and held_until >= $3
"""

CONTACTS = f"select {CONTACT_COLUMNS} from contacts where contact_id = any($1::uuid[]) and workspace = any($2::text[])"

LISTINGS = f"""
select {TENURE_COLUMNS} from identifiers
where contact_id = any($1::uuid[]) and workspace = any($2::text[]) and held_until is null
"""

LONG_LISTING = f"""
select {TENURE_COLUMNS} from identifiers where contact_id = $1 and workspace = $2 and held_until is null
order by slug is null, tenure_id limit {LISTED_IDENTIFIERS}
"""

# Sorting lies below locking in the plan, so locks are taken in id order: two transactions never wait for each other in a ring.
LOCK = """
select contact_id, workspace from contacts where contact_id = any($1::uuid[]) and workspace = any($2::text[])
order by contact_id, workspace for no key update
"""


async def load(connection: Connection, interactions: Sequence[Interaction]) -> Snapshot:
    """The tenures of these interactions' identifiers and the contacts that hold them, with the identifiers that they list."""
    workspaces = sorted({interaction.workspace for interaction in interactions})
    keys = list({identifier.key for interaction in interactions for identifier in interaction.identifiers})
    if not keys:
        return Snapshot()
    earliest = min(interaction.at for interaction in interactions)
    found = [tenure_of(row) for row in await connection.fetch(TENURES, keys, workspaces, earliest)]
    snapshot = Snapshot()
    for tenure in found:
        snapshot.tenures.setdefault((tenure.workspace, tenure.key), []).append(tenure)
    ids = list({tenure.contact_id for tenure in found})
    if ids:
        for row in await connection.fetch(CONTACTS, ids, workspaces):
            contact = contact_of(row)
            snapshot.contacts[contact.workspace, contact.contact_id] = contact
        await _list_identifiers(connection, snapshot, found, workspaces)
    return snapshot


async def lock(connection: Connection, contacts: Iterable[tuple[str, UUID]]) -> set[tuple[str, UUID]]:
    """Lock contacts in id order; gives those that exist. A contact's lock is the mutex of all its tenures."""
    wanted = set(contacts)
    if not wanted:
        return set()
    ids, workspaces = [contact_id for _, contact_id in wanted], sorted({workspace for workspace, _ in wanted})
    return {(row["workspace"], row["contact_id"]) for row in await connection.fetch(LOCK, ids, workspaces)}


async def _list_identifiers(connection: Connection, snapshot: Snapshot, known: list[Tenure], workspaces: list[str]) -> None:
    """Give each contact the identifiers that it lists, and the open ones that are known anyway; one object a tenure."""
    same = {tenure.tenure_id: tenure for tenure in known}
    listed = {key: {} for key in snapshot.contacts}  # type: dict[tuple[str, UUID], dict[int, Tenure]]
    for tenure in known:
        if tenure.is_open:
            listed[tenure.workspace, tenure.contact_id][tenure.tenure_id] = tenure
    short = [contact for contact in snapshot.contacts.values() if contact.summary.total <= LISTED_IDENTIFIERS]
    # A contact whose identifiers are all known already needs no reading.
    unknown = [each.contact_id for each in short if len(listed[each.workspace, each.contact_id]) < each.summary.total]
    rows = list(await connection.fetch(LISTINGS, unknown, workspaces)) if unknown else []
    for contact in snapshot.contacts.values():
        if contact.summary.total > LISTED_IDENTIFIERS:
            rows.extend(await connection.fetch(LONG_LISTING, contact.contact_id, contact.workspace))
    for row in rows:
        tenure = same.get(row["tenure_id"]) or tenure_of(row)
        if (tenure.workspace, tenure.contact_id) in listed:
            listed[tenure.workspace, tenure.contact_id][tenure.tenure_id] = tenure
    for key, contact in snapshot.contacts.items():
        contact.listed = sorted(listed[key].values(), key=listing_order)
