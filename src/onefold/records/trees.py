"""Load one tree of contacts: its root, whom that absorbed, its tenures, its merges. For unmerging; bounded by what the tree holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from onefold.errors import ContactErased
from onefold.identity.contact import Contact, ContactId, TenureId, listing_order
from onefold.identity.tree import MergeRecord, Tree
from onefold.records.merges import Record
from onefold.records.rows import CONTACT_COLUMNS, TENURE_COLUMNS, contact_of, tenure_of

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.records.rows import Row
    from onefold.records.store import Connection

ROOT = "select root, erased_at from contacts where contact_id = $1 and workspace = $2"
CONTACTS = f"""
select {CONTACT_COLUMNS} from contacts where contact_id = $1 and workspace = $2
union all
select {CONTACT_COLUMNS} from contacts where root = $1 and workspace = $2 and merged_into is not null
"""
TENURES = f"select {TENURE_COLUMNS} from identifiers where contact_id = $1 and workspace = $2"
_MERGE = """
merge_id, number, survivor, absorbed, tenures, survivor_record, absorbed_record, labels, cause ->> 'act_id' as act_id,
  undone_at is not null as is_undone, returned
"""
MERGES = f"""
select {_MERGE} from merges where survivor = any($1::uuid[]) and workspace = $2
union all
select {_MERGE} from merges where absorbed = any($1::uuid[]) and workspace = $2 and survivor <> all($1::uuid[])
order by number
"""
MERGE = "select absorbed from merges where merge_id = $1 and workspace = $2"

_decode_record = msgspec.json.Decoder(Record).decode
_decode_labels = msgspec.json.Decoder(dict[int, str]).decode


async def root_of(connection: Connection, workspace: str, contact_id: UUID) -> ContactId | None:
    """Where a contact's id leads, or None. Raises ContactErased."""
    found = await connection.fetchrow(ROOT, contact_id, workspace)
    if found is None:
        return None
    if found["erased_at"] is not None:
        raise ContactErased(contact_id, found["erased_at"])
    return ContactId(found["root"])


async def absorbed_by(connection: Connection, workspace: str, merge_id: UUID) -> ContactId | None:
    """Whom a merge absorbed, or None where there is no such merge."""
    found = await connection.fetchval(MERGE, merge_id, workspace)
    return ContactId(found) if found is not None else None


async def load_tree(connection: Connection, workspace: str, root: ContactId) -> Tree:
    """The tree of a root. Where it is none any more, `root.root` of the tree says so."""
    rows = await connection.fetch(CONTACTS, root, workspace)
    contacts = {each.contact_id: each for each in map(contact_of, rows)}
    tenures = [tenure_of(row) for row in await connection.fetch(TENURES, root, workspace)]
    merges = [_merge_of(row, workspace) for row in await connection.fetch(MERGES, list(contacts), workspace)]
    contact = contacts.pop(root)
    contact.listed = sorted((each for each in tenures if each.is_open), key=listing_order)
    return Tree(contact, contacts, tenures, merges)


def _merge_of(row: Row, workspace: str) -> MergeRecord:
    before = row["survivor_record"]
    return MergeRecord(
        merge_id=row["merge_id"],
        number=row["number"],
        survivor=ContactId(row["survivor"]),
        absorbed=ContactId(row["absorbed"]),
        survivor_record=_contact_of(before, row["survivor"], workspace) if before is not None else None,
        absorbed_record=_contact_of(row["absorbed_record"], row["absorbed"], workspace),
        tenures=frozenset(row["tenures"]),
        labels={TenureId(tenure_id): label for tenure_id, label in _decode_labels(row["labels"]).items()},
        act_id=row["act_id"],
        is_undone=row["is_undone"],
        returned=frozenset(row["returned"] or ()),
    )


def _contact_of(text: str, contact_id: UUID, workspace: str) -> Contact:
    record = _decode_record(text)
    return Contact(contact_id=ContactId(contact_id), workspace=workspace, updated_at=record.created_at, **msgspec.structs.asdict(record))
