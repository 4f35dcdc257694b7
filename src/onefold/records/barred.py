"""Bar identifiers of which only keyed hashes are known: those of people whom a restored store never knew to be erased (decision 0045).

What the store holds of such an identifier from before its bar, though nobody holds it yet, goes with it: parked interactions, a quarantined
value, codes that were sent to it. Called by `contacts.erasing_again`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.records import challenges, outreach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.messages.tombstones import Bar
    from onefold.records.store import Connection

BAR = """
insert into suppressions as s (workspace, hash, at)
select $1, n.hash, max(n.at) from unnest($2::bytea[], $3::timestamptz[]) as n (hash, at) group by n.hash order by n.hash
on conflict (hash, workspace) do update set at = greatest(s.at, excluded.at)
"""
# Few wait there, and each key is hashed once.
KEYS = """
select distinct n.key, b.at from (
  select unnest(identifier_keys) as key, at from parked where workspace = $1
  union all select identifier_key, since from quarantine where workspace = $1
  union all select identifier_key, created_at from challenges where workspace = $1
) n cross join suppression_secret k join unnest($2::bytea[], $3::timestamptz[]) as b (hash, at) on b.hash = sha256(k.secret || n.key)
where n.at < b.at
"""
DELETE_PARKED = """
delete from parked p using unnest($2::bytea[], $3::timestamptz[]) as n (key, at)
where p.workspace = $1 and p.identifier_keys @> array[n.key] and p.at < n.at
"""
DELETE_QUARANTINE = """
delete from quarantine q using unnest($2::bytea[], $3::timestamptz[]) as n (key, at)
where q.workspace = $1 and q.identifier_key = n.key and q.since < n.at
"""


async def bar(connection: Connection, workspace: str, barred: Sequence[Bar]) -> None:
    """Bar events by hashes that this store's secret must have made; of several times the later counts. Take out what is older."""
    told = [each.hash for each in barred], [each.at for each in barred]
    await connection.execute(BAR, workspace, *told)
    found = await connection.fetch(KEYS, workspace, *told)
    if found:
        older = [row["key"] for row in found], [row["at"] for row in found]
        await connection.execute(DELETE_PARKED, workspace, *older)
        asked = await challenges.forget_identifiers(connection, workspace, older[0])
        await outreach.forget_challenges(connection, workspace, asked)
        await connection.execute(DELETE_QUARANTINE, workspace, *older)
