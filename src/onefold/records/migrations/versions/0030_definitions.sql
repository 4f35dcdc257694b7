-- Definitions of a workspace. A slug never changes: records name what they carry by it, so nothing needs rewriting. Titles may change freely.
--
-- scope: the kind of record that it is for (contacts, organizations, documents, users), or '' where it is for all. data: as the kind has it
-- (onefold.workspace.kinds).

create table definitions (
  workspace text not null references workspaces (workspace),
  definition_id uuid not null,
  kind text not null check (kind in ('profile', 'taxonomy', 'tag', 'relationship', 'workflow', 'document_template')),
  scope text not null default '',
  slug text not null check (length(slug) between 1 and 63),
  title text not null check (length(title) between 1 and 200),
  parent_id uuid,
  -- place among its siblings, from 1; and the way from the root, by which a tree is read in its order
  sequence integer not null default 1,
  hierarchy_sort integer[] not null default '{1}',
  data jsonb not null default '{}',
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  archived_at timestamptz,
  primary key (definition_id, workspace),
  foreign key (parent_id, workspace) references definitions (definition_id, workspace)
);
create unique index definitions_slug on definitions (workspace, kind, scope, slug);
create index definitions_tree on definitions (workspace, kind, scope, hierarchy_sort, definition_id);
create index definitions_parent on definitions (parent_id, workspace) where parent_id is not null;

alter table definitions enable row level security;
alter table definitions force row level security;
create policy named_workspaces on definitions using (workspace = any ((select onefold_workspaces())::text[]))
  with check (workspace = any ((select onefold_workspaces())::text[]));
grant select, insert, update, delete on definitions to onefold_app;
