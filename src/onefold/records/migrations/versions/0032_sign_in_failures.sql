-- How often somebody failed to show a password, by what they tried and from where (security.md, S32, S35, S36). A bucket is a hash of these, so
-- no e-mail that somebody typed stands here; rows go after an hour.
create table sign_in_failures (
  workspace text not null references workspaces (workspace),
  bucket bytea not null check (octet_length(bucket) = 32),
  began_at timestamptz not null default now(),
  failures integer not null check (failures >= 0),
  primary key (bucket, workspace)
);
create index sign_in_failures_age on sign_in_failures (workspace, began_at);

alter table sign_in_failures enable row level security;
alter table sign_in_failures force row level security;
create policy named_workspaces on sign_in_failures using (workspace = any ((select onefold_workspaces())::text[]))
  with check (workspace = any ((select onefold_workspaces())::text[]));
grant select, insert, delete on sign_in_failures to onefold_app;
grant update (began_at, failures) on sign_in_failures to onefold_app;
