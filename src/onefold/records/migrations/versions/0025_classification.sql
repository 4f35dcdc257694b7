-- Profiles, taxonomies, workflows, owners, followers and relationships of a contact, and how lists of contacts find them.

alter table contacts add column organization_name text;
alter table contacts add column classification jsonb not null default '{}';
alter type contact_row add attribute organization_name text;
alter type contact_row add attribute classification jsonb;

-- Lists. None names a column that being seen again changes, so those updates stay heap-only; a ghost is in the first one alone.
create index contacts_created on contacts (workspace, created_at, contact_id) where merged_into is null and erased_at is null;
create index contacts_typed on contacts (workspace, type, created_at, contact_id)
  where type <> 'ghost' and merged_into is null and erased_at is null;
create index contacts_named on contacts (workspace, lower(last_name), lower(given_name), contact_id)
  where last_name is not null and merged_into is null and erased_at is null;
create index contacts_organization on contacts (workspace, organization_id, contact_id)
  where organization_id is not null and merged_into is null and erased_at is null;

-- What a list is filtered by, one row for each value: derived from the record by triggers, so that nobody who writes one can forget it.
-- kind: tag, profile, taxonomy, owner, follower, workflow (value: its slug), step (value: workflow/step), or relationship:SLUG
-- (value: the id as given). Contacts that were absorbed or erased have none.
create table links (
  workspace text not null,
  object_type text not null,
  kind text not null,
  value text not null,
  created_at timestamptz not null,
  object_id uuid not null,
  primary key (workspace, object_type, kind, value, created_at, object_id)
);
create index links_object on links (object_id, workspace);
alter table links enable row level security;
alter table links force row level security;
create policy named_workspaces on links using (workspace = any ((select onefold_workspaces())::text[]))
  with check (workspace = any ((select onefold_workspaces())::text[]));
grant select, insert, delete on links to onefold_app;

-- Every link that a record's tags and classification say.
create function onefold_links(tags jsonb, classification jsonb) returns table (kind text, value text)
  language sql immutable parallel safe
  set search_path = pg_catalog
begin atomic
  select 'tag', each from jsonb_array_elements_text(tags) as each
  union select 'profile', each from jsonb_array_elements_text(coalesce(classification -> 'profiles', '[]')) as each
  union select 'taxonomy', each from jsonb_array_elements_text(coalesce(classification -> 'taxonomies', '[]')) as each
  union select 'owner', each from jsonb_array_elements_text(coalesce(classification -> 'owners', '[]')) as each
  union select 'follower', each from jsonb_array_elements_text(coalesce(classification -> 'followers', '[]')) as each
  union select 'workflow', key from jsonb_each(coalesce(classification -> 'workflows', '{}'))
  union select 'step', key || '/' || (each ->> 'step') from jsonb_each(coalesce(classification -> 'workflows', '{}')) as w (key, each)
  union select 'relationship:' || key, each ->> 'id' from jsonb_each(coalesce(classification -> 'to_one', '{}')) as r (key, each)
  union select 'relationship:' || key, each ->> 'id'
    from jsonb_each(coalesce(classification -> 'to_many', '{}')) as r (key, several), jsonb_array_elements(several) as each;
end;

create function onefold_link_contact() returns trigger
  language plpgsql
  set search_path = pg_catalog, public
as $$
begin
  if tg_op = 'UPDATE' then
    delete from links where object_id = old.contact_id and workspace = old.workspace;
  end if;
  if new.merged_into is null and new.erased_at is null then
    insert into links (workspace, object_type, kind, value, created_at, object_id)
    select new.workspace, 'contacts', l.kind, l.value, new.created_at, new.contact_id from onefold_links(new.tags, new.classification) as l;
  end if;
  return null;
end $$;

create trigger contacts_link_new after insert on contacts for each row
  when (new.tags <> '[]' or new.classification <> '{}') execute function onefold_link_contact();
create trigger contacts_link_changed after update of tags, classification, merged_into, erased_at on contacts for each row
  when (
    (new.tags, new.classification) is distinct from (old.tags, old.classification)
    or ((new.merged_into, new.erased_at) is distinct from (old.merged_into, old.erased_at) and (new.tags <> '[]' or new.classification <> '{}'))
  ) execute function onefold_link_contact();
