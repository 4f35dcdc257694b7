"""Who is kept apart from whom, and before which times events move an identifier no more.

A pair names contacts as they were, and is never rewritten: it forbids joining any two trees that hold its sides. Read where two contacts
meet that both carry the mark in their summary, and never otherwise. Barriers come with the tenures (`snapshots`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.errors import ContactNotFound, Refused
from onefold.records.snapshots import lock
from onefold.records.store import Moved

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from onefold.identity.plan import Barrier, KeptApart
    from onefold.records.store import Connection

INSERT_PAIRS = "insert into kept_apart select * from unnest($1::kept_apart_row[]) on conflict do nothing"
INSERT_BARRIERS = """
insert into barriers as b (workspace, identifier_key, at) select * from unnest($1::barrier_row[])
on conflict (identifier_key, workspace) do update set at = greatest(b.at, excluded.at)
"""
ROOTS = "select workspace, contact_id, root from contacts where contact_id = any($1::uuid[]) and workspace = any($2::text[])"
MARK = """
update contacts set summary = summary || '{"apart": true}' where contact_id = any($1::uuid[]) and workspace = any($2::text[])
"""


async def insert_pairs(connection: Connection, pairs: Sequence[KeptApart]) -> None:
    """Write pairs whose contacts carry the mark already, or get it in the same transaction."""
    rows = [(each.workspace, *sorted((each.one, each.other)), each.why, each.actor, each.reason, each.at) for each in pairs]
    await connection.execute(INSERT_PAIRS, sorted(rows, key=lambda row: row[1:3]))


async def insert_barriers(connection: Connection, barriers: Sequence[Barrier]) -> None:
    """Write barriers; of several of one identifier the latest counts."""
    latest: dict[tuple[str, bytes], Barrier] = {}
    for each in sorted(barriers, key=lambda barrier: barrier.at):
        latest[each.workspace, each.key] = each
    await connection.execute(INSERT_BARRIERS, [(workspace, key, each.at) for (workspace, key), each in sorted(latest.items())])


async def keep_apart(connection: Connection, pair: KeptApart) -> None:
    """Say of two contacts that are two now that no event joins them. A contact's version does not change by it.

    Raises ContactNotFound; Refused where they are one by now; Moved where one was absorbed just now: roll back and repeat.
    """
    roots = await _roots(connection, pair)
    if len(set(roots)) == 1:
        raise Refused(f"{pair.one} and {pair.other} are one contact by now: take them apart first, with `onefold contacts unmerge`")
    await lock(connection, [(pair.workspace, root) for root in roots])
    if await _roots(connection, pair) != roots:
        raise Moved("a contact that was to be kept apart was absorbed meanwhile")
    await connection.execute(MARK, roots, [pair.workspace])
    await insert_pairs(connection, [pair])


async def _roots(connection: Connection, pair: KeptApart) -> list[UUID]:
    rows = await connection.fetch(ROOTS, [pair.one, pair.other], [pair.workspace])
    found = {row["contact_id"]: row["root"] for row in rows}
    for each in (pair.one, pair.other):
        if each not in found:
            raise ContactNotFound(f"workspace {pair.workspace} has no contact {each}")
    return [found[pair.one], found[pair.other]]
