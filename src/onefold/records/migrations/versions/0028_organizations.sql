-- Organizations (product.md, section 7): whom contacts belong to, as a tree.
--
-- `place` is what the tree is read by: the numbers of a node and its ancestors among their siblings, four bytes each, so that bytes sort as a
-- walk through the tree does, and everything below a node is one range. Bytes, and not an array of numbers: of the two only comparisons of
-- bytes are leakproof, and nothing else may use an index under row-level security.

create table organizations (
  workspace text not null,
  organization_id uuid not null,
  slug text not null check (slug ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  title text not null check (length(title) between 1 and 200),
  parent_id uuid check (parent_id <> organization_id),
  -- the same without a null, since siblings are looked up by it: of expressions that make one, none is leakproof
  under uuid not null generated always as (coalesce(parent_id, '00000000-0000-0000-0000-000000000000'::uuid)) stored,
  -- among siblings, from 1 on; archived ones come after those that are active
  sequence integer not null check (sequence >= 1),
  place bytea not null,
  attributes jsonb not null default '{}',
  tags jsonb not null default '[]',
  classification jsonb not null default '{}',
  version bigint not null default 1 check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  archived_at timestamptz,
  primary key (organization_id, workspace),
  foreign key (parent_id, workspace) references organizations (organization_id, workspace)
);
create unique index organizations_slug on organizations (slug, workspace);
create index organizations_place on organizations (workspace, place, organization_id);
-- Siblings; those of the roots, too.
create index organizations_siblings on organizations (workspace, under, sequence);
create index organizations_parent on organizations (parent_id, workspace);

alter table organizations enable row level security;
alter table organizations force row level security;
create policy named_workspaces on organizations using (workspace = any ((select onefold_workspaces())::text[]))
  with check (workspace = any ((select onefold_workspaces())::text[]));
-- A slug is what others call it by, and stays.
grant select, insert, delete on organizations to onefold_app;
grant update (title, parent_id, sequence, place, attributes, tags, classification, version, updated_at, archived_at)
  on organizations to onefold_app;

-- What lists are filtered by, as of contacts (0025).
create function onefold_link_organization() returns trigger
  language plpgsql
  set search_path = pg_catalog, public
as $$
begin
  if tg_op <> 'INSERT' then
    delete from links where object_id = old.organization_id and workspace = old.workspace and object_type = 'organizations';
  end if;
  if tg_op <> 'DELETE' then
    insert into links (workspace, object_type, kind, value, created_at, object_id)
    select new.workspace, 'organizations', l.kind, l.value, new.created_at, new.organization_id
      from onefold_links(new.tags, new.classification) as l;
  end if;
  return null;
end $$;

create trigger organizations_link_new after insert on organizations for each row
  when (new.tags <> '[]' or new.classification <> '{}') execute function onefold_link_organization();
create trigger organizations_link_changed after update of tags, classification on organizations for each row
  when ((new.tags, new.classification) is distinct from (old.tags, old.classification)) execute function onefold_link_organization();
create trigger organizations_link_gone after delete on organizations for each row
  when (old.tags <> '[]' or old.classification <> '{}') execute function onefold_link_organization();
