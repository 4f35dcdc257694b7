"""Collapse old rows of `separations`: of each bucket only the greatest transaction id matters (architecture, section 3).

Why nothing is lost. An entry that was read at xmin x is doubted if some separation of its bucket has an xid >= x, so if the greatest one
has. A row is deleted only in favour of a greater one of its bucket that the same statement sees, which had committed by then:

- a snapshot that does not see the delete still sees the row, as Postgres keeps it for whoever is older;
- one that sees the delete was taken after it committed, so after the greater row did. By the same reason whoever deletes the greater one
  leaves a still greater one. So in *every* snapshot the greatest row of those that had committed is there;
- a fence asks only for an xid >= the xmin of its previous look. What is the greatest now and lies below had ended by that look, was the
  greatest then too, and is known since;
- a row that is still to be committed is seen by nobody, so neither deleted nor a reason to delete. If it commits late with a lower xid, the
  greater one doubts every entry that it would.

The order is total: where one transaction separated a bucket twice, the place of the row (rows never move) decides. Two collapses at once
would do no harm but wait for each other's rows; a lock lets one of them go home. Called by the relay's upkeep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from onefold.errors import StoreUnavailable

if TYPE_CHECKING:
    from onefold.records.store import Store

CHUNK = 100_000
"""Rows at once. Once a minute that is far more than separate; looking through 1,000,000 rows, one for each bucket, took 0.5 s."""
LONGEST_MS = 5_000
LOCK = 0x0F01F
"""Held by whoever collapses."""

ALONE = "select pg_try_advisory_xact_lock($1, 0), set_config('statement_timeout', $2, true)"

# One statement, so one snapshot: what is kept is seen by whoever sees what is deleted. The table has no index by bucket: it is read once.
COLLAPSE = """
delete from separations where ctid = any (array(
  select old.ctid from (
    select bucket, max(row(xid, ctid)) as last from separations group by bucket having count(*) > 1
  ) as kept join separations old on old.bucket = kept.bucket
  where row(old.xid, old.ctid) < kept.last
  limit $1
))
"""


async def collapse(store: Store, most: int = CHUNK) -> int:
    """Delete up to `most` rows that a greater one of their bucket makes superfluous; gives how many, none while somebody else does it.

    Raises StoreUnavailable, also where it would take longer than five seconds.
    """
    async with store.begin() as connection:
        if not await connection.fetchval(ALONE, LOCK, str(LONGEST_MS)):
            return 0
        try:
            done: str = await connection.execute(COLLAPSE, most)
        except asyncpg.QueryCanceledError as error:
            raise StoreUnavailable(f"separations could not be collapsed within {LONGEST_MS} ms") from error
    return int(done.rsplit(" ", 1)[1])
