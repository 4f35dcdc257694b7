"""Lists of documents, by keyset: what is asked for first is an index's order, and everything else is looked up for each row of it.

A list by contact goes through that contact's documents; one by what hangs on documents through `links`, whose key holds the time that lists
are sorted by; one by nothing through all. Where the caller sees only some, theirs are the rows of `links` that name them (S77).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from onefold.records.documents import COLUMNS, FROM, document_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from typing import TypeAlias
    from uuid import UUID

    from onefold.records.documents import Document
    from onefold.records.store import Connection
    from onefold.records.visibility import Visible

    Place: TypeAlias = tuple[datetime, UUID]

OF_CONTACT = """
select d.created_at, d.document_id from documents d
where d.workspace = $1 and d.contact_id = any(
    select {contact} union all select contact_id from contacts where root = {contact} and workspace = $1 and merged_into is not null)
"""
BELOW = "select d.created_at, d.document_id from documents d where d.workspace = $1 and d.parent_id = {parent}"
ALL = "select d.created_at, d.document_id from documents d where d.workspace = $1"
LINKED = """
select l.created_at, d.document_id from links l join documents d on d.document_id = l.object_id and d.workspace = l.workspace
where l.workspace = $1 and l.object_type = 'documents' and l.kind = {kind} and l.value = {value}
"""
_CARRIES = """exists (select from links f where f.object_id = d.document_id and f.workspace = d.workspace and f.object_type = 'documents'
    and f.kind = any({kinds}) and f.value = {value})"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for; None and nothing: whatever it is."""

    contact_id: UUID | None = None
    """The one that the given id leads to: a root."""
    carries: Mapping[str, str] = field(default_factory=dict)
    """Kinds of links, and what each must say."""
    parent_id: UUID | None = None
    is_archived: bool | None = False
    """None: both."""
    newest_first: bool = False


async def page(
    connection: Connection, workspace: str, asked: Asked, visible: Visible, *, after: Place | None, limit: int
) -> Sequence[Document]:
    """Documents that the caller may see, in the order of their making, behind a place."""
    statement, arguments = compiled(workspace, asked, visible, after, limit)
    return [document_of(row) for row in await connection.fetch(statement, *arguments)]


def compiled(workspace: str, asked: Asked, visible: Visible, after: Place | None, limit: int) -> tuple[str, list[Any]]:
    """The statement of a page, and its arguments. Every fragment is one of this module's; what callers say is an argument."""
    arguments: list[Any] = [workspace]

    def given(value: object, kind: str = "text") -> str:
        arguments.append(value)
        return f"${len(arguments)}::{kind}"

    carries: list[tuple[tuple[str, ...], str]] = [((kind,), value) for kind, value in asked.carries.items()]
    if visible.kinds is not None:
        carries.append((visible.kinds, visible.user_id))
    sources = _sources(asked, carries, given)
    conditions = [_CARRIES.format(kinds=given(list(kinds), "text[]"), value=given(value)) for kinds, value in carries]
    if asked.is_archived is not None:
        conditions.append(f"d.archived_at is {'not ' if asked.is_archived else ''}null")
    if asked.parent_id is not None and asked.contact_id is not None:
        conditions.append(f"d.parent_id = {given(asked.parent_id, 'uuid')}")
    order, sign = ("desc", "<") if asked.newest_first else ("asc", ">")
    size, place = given(limit, "bigint"), ""
    if after is not None:
        place = f"{sign} ({given(after[0], 'timestamptz')}, {given(after[1], 'uuid')})"
    parts = []
    for source, time, number in sources:
        behind = [f"({time}, {number}) {place}"] if place else []
        where = "".join(f" and {each}" for each in (*conditions, *behind))
        parts.append(f"({source}{where} order by {time} {order}, {number} {order} limit {size})")
    statement = f"""
    select {COLUMNS} from ({" union ".join(parts)}) as p (at, id) join {FROM} on d.document_id = p.id and d.workspace = $1
    order by p.at {order}, p.id {order} limit {size}
    """
    return statement, arguments


def _sources(asked: Asked, carries: list[tuple[tuple[str, ...], str]], given: Callable[..., str]) -> list[tuple[str, str, str]]:
    """Where the rows of a page come from, each with what it is sorted by. Takes what it says itself out of `carries`."""
    own = ("d.created_at", "d.document_id")
    if asked.contact_id is not None:
        return [(OF_CONTACT.format(contact=given(asked.contact_id, "uuid")), *own)]
    if asked.parent_id is not None:
        return [(BELOW.format(parent=given(asked.parent_id, "uuid")), *own)]
    if not carries:
        return [(ALL, *own)]
    kinds, value = carries.pop()
    return [(LINKED.format(kind=given(kind), value=given(value)), "l.created_at", "l.object_id") for kind in kinds]
