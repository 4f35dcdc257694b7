"""Documents that follow their contact: what lists go by has its new owners in the transaction that gives it others, whoever decided so.

Set-based, and called by `apply` for plans that merge, unmerge or change owners alone: a trigger for each row would plan its look-up anew
each time (0.3 ms for every contact that is absorbed). Whoever edits such a document holds the contact shared, so neither misses the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.identity.plan import Plan
    from onefold.records.store import Connection

# The documents of these roots and of whom they absorbed; by an index that is empty where nothing is synchronised.
FOLLOWING = """
select document_id from documents
where follows_contact and workspace = any($2::text[]) and contact_id = any(array(
  select unnest($1::uuid[])
  union all select contact_id from contacts where root = any($1::uuid[]) and workspace = any($2::text[]) and merged_into is not null))
"""
FORGET = """
delete from links where object_id = any($1::uuid[]) and workspace = any($2::text[]) and object_type = 'documents'
  and kind in ('owner', 'follower')
"""
LINK = """
insert into links (workspace, object_type, kind, value, created_at, object_id)
select d.workspace, 'documents', l.kind, l.value, d.created_at, d.document_id
from documents d join contacts c on c.contact_id = d.contact_id and c.workspace = d.workspace
  join contacts r on r.contact_id = c.root and r.workspace = c.workspace
  cross join lateral onefold_links('[]', r.classification) as l
where d.document_id = any($1::uuid[]) and d.workspace = any($2::text[]) and l.kind in ('owner', 'follower')
"""
_OWNERSHIP = frozenset({"owners", "followers"})


async def follow(connection: Connection, plan: Plan) -> None:
    """Let documents have the owners that their contacts have once the plan is written, where it may have changed them."""
    roots = _roots(plan)
    if not roots:
        return
    workspaces = sorted({workspace for workspace, _ in roots})
    rows = await connection.fetch(FOLLOWING, [contact_id for _, contact_id in roots], workspaces)
    if rows:
        documents = [row["document_id"] for row in rows]
        await connection.execute(FORGET, documents, workspaces)
        await connection.execute(LINK, documents, workspaces)


def _roots(plan: Plan) -> list[tuple[str, UUID]]:
    """Contacts whose trees or owners are others."""
    found: set[tuple[str, UUID]] = {
        (each.workspace, each.contact_id) for each in plan.changes if each.merged or not _OWNERSHIP.isdisjoint(each.changes)
    }
    found.update((each.workspace, contact_id) for each in plan.returns for contact_id in (each.contact_id, each.root))
    return sorted(found)
