-- Values that tried to join more contacts on a day than the workspace's limit allows (R11): they resolve no more, until a person releases
-- them (guard 5). A row that is not released is part of the rules of its workspace: it counts as a change of them, so that every worker
-- has it before its next batch is decided. Released rows stay: who let the value go, when and why.

create table quarantine (
  workspace text not null,
  identifier_key bytea not null check (octet_length(identifier_key) = 16),
  semantic_type text not null,
  identifier text not null,
  normalised text not null,
  -- contacts that it had joined on the day of the event, the first included; and that event
  contacts integer not null,
  event_id text not null,
  partition integer not null,
  "offset" bigint not null,
  -- the broker's append of it
  since timestamptz not null,
  released_at timestamptz,
  actor text,
  reason text,
  check ((released_at is null) = (actor is null))
);
create unique index quarantine_held on quarantine (workspace, identifier_key) where released_at is null;
create index quarantine_all on quarantine (workspace, since);

alter table quarantine enable row level security;
alter table quarantine force row level security;
create policy named_workspaces on quarantine
  using (workspace = any ((select onefold_workspaces())::text[]))
  with check (workspace = any ((select onefold_workspaces())::text[]));

create trigger quarantine_rules_changed after insert or update or delete on quarantine
  for each statement execute function onefold_rules_changed();

create type quarantine_row as (
  workspace text, identifier_key bytea, semantic_type text, identifier text, normalised text, contacts integer, event_id text,
  partition integer, "offset" bigint, since timestamptz
);

grant select, insert on quarantine to onefold_app;
grant update (released_at, actor, reason) on quarantine to onefold_app;
