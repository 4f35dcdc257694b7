"""Give out everything that is held of a person, as one JSON document, piece by piece (product.md, section 11; security.md, S109).

Of one moment, whatever changes meanwhile, and however much it is. Whoever opens the door has it noted first that they looked (S100).
Called by the command line and by the User API.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, get_args, get_type_hints

import msgspec

from onefold.contacts import acting, waiting_lines
from onefold.contacts.export_shapes import FORMAT, Exported, not_here
from onefold.errors import ContactNotFound
from onefold.records import exported, log
from onefold.records.store import name_workspaces
from onefold.records.trees import root_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from onefold.contacts.acting import User
    from onefold.identity.contact import ContactId
    from onefold.records.exported import Person
    from onefold.records.store import Connection, Store

PATIENCE_SECONDS: Final = 600
PIECE_BYTES: Final = 65_536
_NOW = "select transaction_timestamp()"


async def note(connection: Connection, workspace: str, named: UUID, user: User) -> ContactId:
    """Write into the log that somebody takes everything of a person; gives where the id leads. To be committed before anything goes out.

    Raises ContactNotFound, ContactErased.
    """
    root = await root_of(connection, workspace, named)
    if root is None:
        raise ContactNotFound(f"workspace {workspace} has no contact {named}. Is the workspace right (--workspace)?")
    act = log.Act(user.actor, "exported", "contacts", str(root), reason=user.reason, origin=user.origin)
    await log.append(connection, workspace, [act])
    return root


async def export(store: Store, workspace: str, named: UUID) -> AsyncIterator[bytes]:
    """Everything of the person that an id leads to, as UTF-8. Raises ContactNotFound, ContactErased before the first piece."""
    async with store.moment(seconds=PATIENCE_SECONDS) as connection:
        await name_workspaces(connection, [workspace])
        root = await root_of(connection, workspace, named)
        if root is None:
            raise ContactNotFound(f"workspace {workspace} has no contact {named}")
        person = await exported.person_of(connection, workspace, root)
        at: datetime = await connection.fetchval(_NOW)
        head = {"format": FORMAT, "workspace": workspace, "contact_id": root, "exported_at": at.astimezone(UTC)}
        piece = bytearray(msgspec.json.encode(head)[:-1])
        for name, rows in _sections(connection, person):
            shape = _SHAPES[name]
            piece += b',\n"%s":[' % name.encode()
            separator = b"\n"
            async for row in rows:
                piece += separator + msgspec.json.encode(msgspec.convert(row, shape))
                separator = b",\n"
                if len(piece) >= PIECE_BYTES:
                    yield bytes(piece)
                    piece.clear()
            piece += b"]"
    piece += b',\n"not_here":' + msgspec.json.encode(not_here()) + b"}\n"
    yield bytes(piece)


def _sections(connection: Connection, person: Person) -> list[tuple[str, AsyncIterator[dict[str, Any]]]]:
    return [
        *((each.name, exported.rows_of(connection, person, each)) for each in exported.SECTIONS),
        ("parked_elsewhere", exported.named_in(connection, person)),
        ("waiting_imports", _waiting(connection, person)),
    ]


async def _waiting(connection: Connection, person: Person) -> AsyncIterator[dict[str, Any]]:
    rules = (await acting.rules_of(connection, person.workspace)).to_find()
    async for job_id, line, text in waiting_lines.naming(connection, person.workspace, set(person.keys), rules):
        yield {"job_id": str(job_id), "line": line, "text": text}


_SHAPES: Final[dict[str, Any]] = {
    name: get_args(kind)[0]
    for name, kind in get_type_hints(Exported).items()
    if name not in {"format", "workspace", "contact_id", "exported_at"}
}
