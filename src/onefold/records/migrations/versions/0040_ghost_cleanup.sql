-- For how many days a workspace keeps a ghost that is neither seen nor changed; no row: for ever.
create table ghost_cleanup (
  workspace text primary key references workspaces (workspace),
  inactive_days integer check (inactive_days between 1 and 36500),
  version bigint not null default 1,
  updated_at timestamptz not null default now()
);
alter table ghost_cleanup enable row level security;
alter table ghost_cleanup force row level security;
create policy named_workspaces on ghost_cleanup using (workspace = any ((select onefold_workspaces())::text[]))
  with check (workspace = any ((select onefold_workspaces())::text[]));
grant select, insert, update on ghost_cleanup to onefold_app;
