-- Who changed a workspace's rules of resolution, when, why, from what to what. Version 1 is the workspace as it was made, and has no row.
--
-- The rules in force stay on `workspaces`, where the fence's trigger counts every change. Rows here are only ever added.

create table rules_versions (
  workspace text not null references workspaces (workspace),
  version bigint not null check (version > 1),
  before jsonb not null,
  after jsonb not null,
  actor text not null,
  reason text,
  at timestamptz not null default now(),
  primary key (workspace, version)
);

alter table rules_versions enable row level security;
alter table rules_versions force row level security;
create policy named_workspaces on rules_versions
  using (workspace = any ((select onefold_workspaces())::text[]))
  with check (workspace = any ((select onefold_workspaces())::text[]));

grant select, insert on rules_versions to onefold_app;
