"""Tell again of contacts as they are, or that they are none: after a restore, to followers who heard more from the former life.

Versions do not change: the new life's name says that what it tells comes after all that the former one told. Called by
`contacts.erasing_again`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity.contact import LISTED_IDENTIFIERS
from onefold.identity.plan import Cause, ContactChanged, Rule
from onefold.messages.topics import CONTACTS_CHANGED
from onefold.records import incarnations
from onefold.records.changes import change_row
from onefold.records.outbox import INSERT
from onefold.records.snapshots import read_contacts, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from onefold.identity.contact import Contact
    from onefold.identity.plan import Act
    from onefold.records.store import Connection


async def tell_again(connection: Connection, workspace: str, ids: Collection[UUID], act: Act, shards: int) -> None:
    """Put what each of these contacts is into the outbox, and a bare tombstone for each id that the store does not have.

    Of who is erased everything was told.
    """
    incarnation = (await incarnations.present(connection)).name
    contacts = {each.contact_id: each for each in snapshot_of(await read_contacts(connection, workspace, ids)).contacts.values()}
    told = [change_row(_as_it_is(each, act), incarnation) for each in contacts.values() if each.erased_at is None]
    rows: list[tuple[int, str, bytes, bytes | None, str]] = [
        (each.contact_id.int % shards, CONTACTS_CHANGED, each.key, each.payload, each.headers) for each in told
    ]
    rows += [(each.int % shards, CONTACTS_CHANGED, str(each).encode(), None, "{}") for each in ids if each not in contacts]
    if rows:
        await connection.execute(INSERT, *map(list, zip(*rows, strict=True)))


def _as_it_is(contact: Contact, act: Act) -> ContactChanged:
    return ContactChanged(
        contact_id=contact.contact_id,
        workspace=contact.workspace,
        version=contact.version,
        at=act.at,
        cause=Cause(act.act_id, None, Rule.RESTORED, act.actor, act.kind),
        changes={},
        merged=(),
        merged_into=contact.merged_into,
        snapshot=None if contact.is_absorbed else contact,
        listed=tuple(contact.listed[:LISTED_IDENTIFIERS]),
    )
