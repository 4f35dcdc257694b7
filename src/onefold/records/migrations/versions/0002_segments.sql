-- Segments and who belongs to them. A membership row stays when a contact leaves (is_member false), so that a message that is delivered
-- again finds that it was handled already, and entered and left alternate.

create table segments (
  workspace text not null,
  segment_id uuid not null,
  slug text not null check (slug ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  title text not null,
  query jsonb not null,
  -- counts edits of the query; memberships under an older one give way
  version integer not null default 1,
  state text not null default 'filling' check (state in ('filling', 'live')),
  -- the last contact that the backfill has looked at; null before the first
  filled_to uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (segment_id, workspace),
  unique (workspace, slug)
);

create table memberships (
  workspace text not null,
  segment_id uuid not null,
  contact_id uuid not null,
  is_member boolean not null,
  contact_version bigint not null,
  segment_version integer not null,
  since timestamptz not null,
  primary key (segment_id, contact_id, workspace)
) with (fillfactor = 80);
create index memberships_contact on memberships (contact_id, workspace);

alter table segments enable row level security;
alter table segments force row level security;
create policy named_workspaces on segments using (workspace = any ((select onefold_workspaces())::text[]))
  with check (workspace = any ((select onefold_workspaces())::text[]));
alter table memberships enable row level security;
alter table memberships force row level security;
create policy named_workspaces on memberships using (workspace = any ((select onefold_workspaces())::text[]))
  with check (workspace = any ((select onefold_workspaces())::text[]));

grant select, insert, update on segments, memberships to onefold_app;
