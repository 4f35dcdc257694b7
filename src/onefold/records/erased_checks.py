"""What `onefold check` reads of erased people: whatever is left of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.records.rows import Row
    from onefold.records.store import Connection

COUNT = "select count(*) from contacts where erased_at is not null"

# Each arm goes from erased ids or tenures to what lies under them, by its index.
LEFT = """
with gone as materialized (
  select workspace, contact_id from contacts where erased_at is not null
)
select * from (
  select 'contact ' || contact_id as place, 'was erased, and its row still says something' as what from contacts
  where erased_at is not null and (type <> 'ghost' or is_vendor or identifiers_total <> 0 or attributes <> '{}' or tags <> '[]'
    or summary - 'assurance' <> '{}' or provenance <> '{}' or consent <> '{}'
    or classification <> '{}' or num_nonnulls(given_name, last_name, email, phone, organization_id, organization_name, archived_at) > 0)
  union all
  select 'contact ' || g.contact_id, 'was erased, and the log says what was different'
  from gone g join log_entries e on e.workspace = g.workspace and e.object_type = 'contacts' and e.object_id = g.contact_id::text
  join log_details d on d.workspace = e.workspace and d.seq = e.seq
  union all
  select 'activity ' || a.activity_id, 'is on contact ' || g.contact_id || ', which was erased'
  from gone g join activities a on a.workspace = g.workspace and a.object_type = 'contacts' and a.object_id = g.contact_id
  union all
  select 'delivery ' || d.delivery_id, 'to a webhook says what contact ' || g.contact_id || ' was, which was erased'
  from gone g join contacts c on c.contact_id = g.contact_id and c.workspace = g.workspace
  join webhook_deliveries d on d.workspace = g.workspace and d.contact_id = g.contact_id
  where d.kind = 'contact.changed' and d.contact_version < c.version
  union all
  select 'contact ' || g.contact_id, 'was erased, and lists find it by ' || l.kind
  from gone g join links l on l.object_id = g.contact_id and l.workspace = g.workspace
  union all
  select 'document ' || d.document_id, 'belongs to contact ' || g.contact_id || ', which was erased'
  from gone g join documents d on d.contact_id = g.contact_id and d.workspace = g.workspace
  union all
  select 'message ' || m.message_id, 'is to be sent, or was, to contact ' || g.contact_id || ', which was erased'
  from gone g join outreach_messages m on m.contact_id = g.contact_id and m.workspace = g.workspace
  union all
  select 'tenure ' || i.tenure_id, 'belongs to contact ' || i.contact_id || ', which was erased'
  from gone g join identifiers i on i.contact_id = g.contact_id and i.workspace = g.workspace
  union all
  select 'tenure ' || t.tenure_id, 'was an erased person''s, and has evidence'
  from erased_tenures t where exists (select from evidence e where e.tenure_id = t.tenure_id and e.workspace = t.workspace)
  union all
  select 'tenure ' || t.tenure_id, 'was an erased person''s, and has interactions on the timeline, though all was purged'
  from erased_tenures t join erasures e on e.erasure_id = t.erasure_id and e.workspace = t.workspace and e.purged_at is not null
  where exists (select from timeline l where l.tenure_id = t.tenure_id and l.workspace = t.workspace)
  union all
  select 'erasure ' || erasure_id, 'of contact ' || contact_id || ' is not purged to its end; the timeline''s upkeep does it'
  from erasures where purged_at is null and at < clock_timestamp() - $1::interval
  union all
  select 'merge ' || m.merge_id, 'still says something of contact ' || g.contact_id || ', which was erased'
  from gone g join merges m on m.survivor = g.contact_id and m.workspace = g.workspace
  where m.survivor_record is not null or m.undone_at is null
  union all
  select 'merge ' || m.merge_id, 'still says something of contact ' || g.contact_id || ', which was erased'
  from gone g join merges m on m.absorbed = g.contact_id and m.workspace = g.workspace
  where m.absorbed_record ? 'provenance' or m.undone_at is null
  union all
  select 'proposal ' || p.proposal_id, 'names contact ' || g.contact_id || ', which was erased'
  from gone g join proposals p on g.contact_id in (p.one, p.other) and p.workspace = g.workspace
  union all
  select 'parked ' || p.partition || '/' || p."offset", 'went to contact ' || g.contact_id || ', which was erased'
  from gone g join parked p on p.contact_id = g.contact_id and p.workspace = g.workspace
) as left_over limit $2
"""


async def count_erased(connection: Connection) -> int:
    """How many ids were erased."""
    found: int = await connection.fetchval(COUNT)
    return found


async def left_over(connection: Connection, patience: object, most: int) -> Sequence[Row]:
    """Where something is left of an erased person, and what; purges that are unfinished for longer than that among it."""
    return await connection.fetch(LEFT, patience, most)
