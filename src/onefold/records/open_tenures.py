"""Open tenures for the index's upkeep: by primary key in chunks, or by id, always with the xmin of the snapshot that they were read in.

Rows, xmin and incarnation come from one statement, so from one snapshot: an entry made of them is doubted as soon as a separation that
this snapshot did not see touches it. A later xmin would make such an entry look valid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onefold.records.incarnations import NAME
from onefold.records.rows import TENURE_COLUMNS, tenure_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from onefold.identity.contact import Tenure
    from onefold.records.rows import Row
    from onefold.records.store import Connection

PRESENT = f"""
select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as snapshot_xmin, {NAME} as incarnation
from incarnation i
"""
AFTER = f"""
select p.*, t.* from ({PRESENT}) p left join (
  select {TENURE_COLUMNS} from identifiers where tenure_id > $1 and held_until is null order by tenure_id limit $2
) t on true order by t.tenure_id
"""
BY_ID = f"""
select p.*, t.* from ({PRESENT}) p left join (
  select {TENURE_COLUMNS} from identifiers where tenure_id = any($1::bigint[])
) t on true
"""
ROOTS = "select workspace, contact_id, root from contacts where contact_id = any($1::uuid[]) and workspace = any($2::text[])"
COUNT = "select count(*) from identifiers where held_until is null"
# What autovacuum last knew of the partial index that holds the open ones; below 0 where it was never there.
ESTIMATE = "select reltuples::bigint from pg_class where oid = 'identifiers_open'::regclass"
GREATEST = "select max(tenure_id) from identifiers"


class Chunk(NamedTuple):
    """Tenures of one snapshot."""

    tenures: Sequence[Tenure]
    incarnation: str
    xmin: int


async def open_after(connection: Connection, tenure_id: int, most: int) -> Chunk:
    """Up to `most` open tenures of the workspaces that the transaction names, after this one, in the order of their ids."""
    return _chunk(await connection.fetch(AFTER, tenure_id, most))


async def by_id(connection: Connection, tenure_ids: Iterable[int]) -> Chunk:
    """The tenures with these ids, ended ones too, of the workspaces that the transaction names."""
    return _chunk(await connection.fetch(BY_ID, list(tenure_ids)))


async def roots(connection: Connection, workspaces: Iterable[str], contact_ids: Iterable[UUID]) -> dict[tuple[str, UUID], UUID]:
    """Where these contacts lead now, by workspace and id; those that are gone are missing."""
    rows = await connection.fetch(ROOTS, list(contact_ids), list(workspaces))
    return {(row["workspace"], row["contact_id"]): row["root"] for row in rows}


async def count_open(connection: Connection) -> int:
    """How many open tenures the named workspaces have, counted one by one."""
    found: int = await connection.fetchval(COUNT)
    return found


async def estimate_open(connection: Connection) -> int | None:
    """How many open tenures there are in all workspaces, as Postgres last estimated; None where it never did."""
    found: int = await connection.fetchval(ESTIMATE)
    return found if found >= 0 else None


async def greatest_id(connection: Connection) -> int:
    """The greatest id of a tenure in the named workspaces; 0 where there is none."""
    return await connection.fetchval(GREATEST) or 0


def _chunk(rows: Sequence[Row]) -> Chunk:
    tenures = [tenure_of(row) for row in rows if row["tenure_id"] is not None]
    return Chunk(tenures, rows[0]["incarnation"], rows[0]["snapshot_xmin"])
