"""What an export of a workspace reads of its contacts, in chunks by when they were made. Called by `onefold.seeds`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.records.rows import CONTACT_COLUMNS, TENURE_COLUMNS, contact_of, tenure_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from uuid import UUID

    from onefold.identity.contact import Contact, Tenure
    from onefold.records.store import Connection

CHUNK = f"""
select {CONTACT_COLUMNS} from contacts
where workspace = $1 and merged_into is null and erased_at is null
  and ($2::timestamptz is null or (created_at, contact_id) > ($2, $3::uuid))
order by created_at, contact_id limit $4
"""
TENURES = f"""
select {TENURE_COLUMNS} from identifiers
where contact_id = any($2::uuid[]) and workspace = $1 and held_until is null order by contact_id, tenure_id
"""
# By the index of names where there is a last name; else through the workspace's contacts.
BARE = f"""
select {CONTACT_COLUMNS} from contacts
where workspace = $1 and merged_into is null and erased_at is null and identifiers_total = 0
  and given_name is not distinct from $2 and last_name is not distinct from $3 and ($3::text is null or lower(last_name) = lower($3::text))
order by created_at, contact_id limit 200
"""
EMAILS = "select user_id::text, email from users where workspace = $1 and archived_at is null"


async def all_contacts(connection: Connection, workspace: str, *, chunk: int = 500) -> AsyncIterator[tuple[Contact, list[Tenure]]]:
    """Every contact that is none's absorbed one, with what it holds, the oldest first."""
    after: tuple[datetime | None, UUID | None] = (None, None)
    while rows := await connection.fetch(CHUNK, workspace, *after, chunk):
        contacts = [contact_of(row) for row in rows]
        held: dict[UUID, list[Tenure]] = {}
        for row in await connection.fetch(TENURES, workspace, [each.contact_id for each in contacts]):
            held.setdefault(row["contact_id"], []).append(tenure_of(row))
        for each in contacts:
            yield each, held.get(each.contact_id, [])
        after = (contacts[-1].created_at, contacts[-1].contact_id)


async def bare_contacts(connection: Connection, workspace: str, given_name: str | None, last_name: str | None) -> list[Contact]:
    """Contacts of this name that hold no identifier, the oldest first."""
    return [contact_of(row) for row in await connection.fetch(BARE, workspace, given_name, last_name)]


async def emails_of_users(connection: Connection, workspace: str) -> dict[str, str]:
    """The e-mails of a workspace's users, by id."""
    return {row["user_id"]: row["email"] for row in await connection.fetch(EMAILS, workspace)}
