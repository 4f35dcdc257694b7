-- Identifiers by hand: evidence names who gave one, and a tenure may be spelled otherwise, or be written to no more.

alter type evidence_row add attribute actor text;
alter type tenure_change add attribute identifier text;
alter type tenure_change add attribute outreach boolean;

-- Lists. By name: a contact without a given name has a place, too.
drop index contacts_named;
create index contacts_named on contacts (workspace, lower(last_name), lower(coalesce(given_name, '')), contact_id)
  where last_name is not null and merged_into is null and erased_at is null;
create index contacts_of_organization on contacts (workspace, organization_id, created_at, contact_id)
  where organization_id is not null and merged_into is null and erased_at is null;
create index contacts_archived on contacts (workspace, created_at, contact_id)
  where archived_at is not null and merged_into is null and erased_at is null;
