-- Interactions of which a limit left something out (R11). The rest of each applied; the whole of it is kept until a person releases it,
-- which puts it on the log once more, or drops it. Either takes the message away here: what was decided, by whom and why, stays.
--
-- A position is parked once: who decides it again writes the same row. The event's id is part of the key because positions begin anew
-- where a topic is made anew.

create table parked (
  workspace text not null,
  partition integer not null,
  "offset" bigint not null,
  event_id text not null,
  -- what was exceeded (onefold.identity.plan.Limit), and of which types
  limits text[] not null,
  types text[] not null,
  -- the identifiers that were left where they were, or that joined too often
  identifier_keys bytea[] not null,
  -- whom the rest of it went to then
  contact_id uuid not null,
  -- the message as it lay in the log; null once it was decided on
  message bytea,
  -- event time, and the broker's append
  at timestamptz not null,
  appended_at timestamptz not null,
  state text not null default 'open' check (state in ('open', 'released', 'dropped')),
  decided_at timestamptz,
  actor text,
  reason text,
  check ((state = 'open') = (decided_at is null and actor is null)),
  primary key (partition, "offset", event_id, workspace)
);
create index parked_open on parked (workspace, appended_at, partition, "offset") where state = 'open';
create index parked_decided on parked (workspace, appended_at, partition, "offset") where state <> 'open';

alter table parked enable row level security;
alter table parked force row level security;
create policy named_workspaces on parked
  using (workspace = any ((select onefold_workspaces())::text[]))
  with check (workspace = any ((select onefold_workspaces())::text[]));

create type parked_row as (
  workspace text, partition integer, "offset" bigint, event_id text, limits text[], types text[], identifier_keys bytea[],
  contact_id uuid, message bytea, at timestamptz, appended_at timestamptz
);

grant select, insert, update on parked to onefold_app;
