"""Rows of activities: comments, tasks, approvals. What may be done with them is `onefold.workspace.activities`, which calls this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from onefold.records.store import Connection
    from onefold.records.visibility import Visible

_COLUMNS = (
    "a.workspace, a.activity_id, a.object_type, a.object_id, a.type, a.parent_id, a.user_id, a.content, a.priority, a.status,"
    " a.is_approved, a.due_at, a.started_at, a.version, a.created_at, a.updated_at"
)
_MENTIONS = (
    "coalesce((select array_agg(m.user_id order by m.user_id) from activity_mentions m"
    " where m.activity_id = a.activity_id and m.workspace = a.workspace), '{}'::uuid[])"
)
# Whose record it is on: the contact that its id leads to now, or the organization.
_SEEN = """($2::text[] is null or exists (
    select from links l where l.workspace = a.workspace and l.object_type = a.object_type and l.kind = any($2::text[]) and l.value = $3
      and l.object_id = coalesce(
        (select c.root from contacts c where c.contact_id = a.object_id and c.workspace = a.workspace), a.object_id)))"""
GET = f"select {_COLUMNS}, {_MENTIONS} from activities a where a.workspace = $1 and {_SEEN} and a.activity_id = $4"
LOCKED = f"{GET} for no key update of a"
OF_OBJECT = f"""
select {_COLUMNS}, {_MENTIONS} from activities a
where a.workspace = $1 and {_SEEN} and a.object_type = $4 and a.object_id = any($5::uuid[]) and ($6::text is null or a.type = $6)
  and ($7::text is null or a.status = $7) and ($8::timestamptz is null or (a.created_at, a.activity_id) < ($8, $9::uuid))
order by a.created_at desc, a.activity_id desc limit $10
"""
OF_USER = f"""
select {_COLUMNS}, {_MENTIONS} from activity_mentions w join activities a on a.activity_id = w.activity_id and a.workspace = w.workspace
where a.workspace = $1 and {_SEEN} and w.workspace = $1 and w.user_id = $4 and w.is_open = $5
  and ($6::timestamptz is null or (w.created_at, w.activity_id) < ($6, $7::uuid))
order by w.created_at desc, w.activity_id desc limit $8
"""
TREE = "select contact_id from contacts where workspace = $1 and root = $2"
INSERT = """
insert into activities (workspace, activity_id, object_type, object_id, type, parent_id, user_id, content, priority, status, is_approved,
  due_at, started_at, version, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""
UPDATE = """
update activities set content = $3, priority = $4, status = $5, is_approved = $6, due_at = $7, started_at = $8, version = $9,
  updated_at = $10
where activity_id = $2 and workspace = $1
"""
MENTION = """
insert into activity_mentions (workspace, activity_id, user_id, is_open, created_at) select $1, $2, unnest($3::uuid[]), $4, $5
"""
FORGET_MENTIONS = "delete from activity_mentions where activity_id = $2 and workspace = $1"
DELETE = "delete from activities where activity_id = $2 and workspace = $1"
OPEN_OF = """
select user_id, count(*) as open from activity_mentions where workspace = $1 and user_id = any($2::uuid[]) and is_open group by user_id
"""
FORGET_OF_CONTACTS = "delete from activities where workspace = $1 and object_type = 'contacts' and object_id = any($2::uuid[])"


class Activity(NamedTuple):
    """One of them."""

    workspace: str
    activity_id: UUID
    object_type: str
    object_id: UUID
    type: str
    parent_id: UUID | None
    user_id: UUID
    content: str
    priority: str
    status: str
    is_approved: bool | None
    due_at: datetime | None
    started_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
    mentions: list[UUID]

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done."""
        return self.type != "comments" and self.status != "done"


async def get(connection: Connection, workspace: str, activity_id: UUID, visible: Visible, *, will_write: bool = False) -> Activity | None:
    """One, if it is on a record that the caller sees; locked, where it is to be written."""
    row = await connection.fetchrow(LOCKED if will_write else GET, workspace, *_seen(visible), activity_id)
    return Activity(*row.values()) if row is not None else None


async def on_object(
    connection: Connection,
    workspace: str,
    visible: Visible,
    named: tuple[str, UUID],
    *,
    kind: str | None,
    status: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Activity]:
    """Those on a record (of a contact: also on what it absorbed), the latest first."""
    object_type, object_id = named
    ids = [object_id]
    if object_type == "contacts":
        ids = [row["contact_id"] for row in await connection.fetch(TREE, workspace, object_id)] or ids
    rows = await connection.fetch(OF_OBJECT, workspace, *_seen(visible), object_type, ids, kind, status, *(before or (None, None)), limit)
    return [Activity(*row.values()) for row in rows]


async def of_user(
    connection: Connection,
    workspace: str,
    visible: Visible,
    user_id: UUID,
    *,
    is_open: bool,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Activity]:
    """Those that mention a user, the latest first."""
    rows = await connection.fetch(OF_USER, workspace, *_seen(visible), user_id, is_open, *(before or (None, None)), limit)
    return [Activity(*row.values()) for row in rows]


async def insert(connection: Connection, activity: Activity) -> None:
    """Store one, with whom it mentions."""
    await connection.execute(INSERT, *activity[:-1])
    await _mention(connection, activity)


async def update(connection: Connection, after: Activity) -> None:
    """Store what one is now."""
    await connection.execute(
        UPDATE, after.workspace, after.activity_id, after.content, after.priority, after.status, after.is_approved, after.due_at,
        after.started_at, after.version, after.updated_at,
    )  # fmt: skip
    await connection.execute(FORGET_MENTIONS, after.workspace, after.activity_id)
    await _mention(connection, after)


async def delete(connection: Connection, activity: Activity) -> None:
    """Delete one, with what answers it."""
    await connection.execute(DELETE, activity.workspace, activity.activity_id)


async def open_of(connection: Connection, workspace: str, users: Sequence[UUID]) -> dict[UUID, int]:
    """How many open ones mention each of these users."""
    return {row["user_id"]: row["open"] for row in await connection.fetch(OPEN_OF, workspace, list(users))}


async def forget_of_contacts(connection: Connection, workspace: str, contacts: Sequence[UUID]) -> None:
    """Delete what was written on erased contacts (S103)."""
    await connection.execute(FORGET_OF_CONTACTS, workspace, list(contacts))


async def _mention(connection: Connection, activity: Activity) -> None:
    if activity.mentions:
        await connection.execute(
            MENTION, activity.workspace, activity.activity_id, activity.mentions, activity.is_open, activity.created_at
        )


def _seen(visible: Visible) -> tuple[Any, str]:
    return (list(visible.kinds) if visible.kinds is not None else None, visible.user_id)
