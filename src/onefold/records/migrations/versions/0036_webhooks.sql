-- Webhooks (decision 0039): where a workspace wants to be told what, and what is due there.

create table webhooks (
  workspace text not null references workspaces (workspace),
  webhook_id uuid not null,
  title text not null check (length(title) between 1 and 200),
  url text not null,
  kinds text[] not null check (cardinality(kinds) > 0),
  -- of contact.changed: only changes of these; empty: all
  fields text[] not null default '{}',
  -- of segment.membership: only these, by slug; empty: all
  segments text[] not null default '{}',
  is_enabled boolean not null default true,
  -- why it is not, where nobody said so
  disabled_because text,
  -- what happened before is not sent
  listens_since timestamptz not null default clock_timestamp(),
  -- since when nothing arrived, how many attempts in a row the receiver did not answer, and until when it is left alone
  failing_since timestamptz,
  failures integer not null default 0,
  paused_until timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  primary key (webhook_id, workspace)
);
create index webhooks_workspace on webhooks (workspace, created_at, webhook_id);

-- Not the secrets: what they are derived of, with the secret of the installation that has this version.
create table webhook_secrets (
  workspace text not null,
  secret_id uuid not null,
  webhook_id uuid not null,
  version integer not null,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz,
  primary key (secret_id, workspace),
  foreign key (webhook_id, workspace) references webhooks (webhook_id, workspace) on delete cascade
);
create index webhook_secrets_webhook on webhook_secrets (webhook_id, workspace);

create table webhook_deliveries (
  workspace text not null,
  delivery_id uuid not null,
  webhook_id uuid not null,
  -- the order in which they are due
  seq bigint generated always as identity,
  event_id text not null,
  kind text not null,
  contact_id uuid,
  contact_version bigint,
  body bytea not null,
  state text not null default 'waiting' check (state in ('waiting', 'delivered', 'failed')),
  attempts integer not null default 0,
  -- grows with every attempt: whoever was slow finds that theirs is an old one
  claim bigint not null default 0,
  -- of one that is being sent: when it is anybody's again
  next_attempt_at timestamptz not null default clock_timestamp(),
  last_status integer,
  last_error text,
  created_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  primary key (delivery_id, workspace),
  unique (event_id, webhook_id, workspace),
  foreign key (webhook_id, workspace) references webhooks (webhook_id, workspace) on delete cascade
);
create index webhook_deliveries_due on webhook_deliveries (webhook_id, workspace, next_attempt_at, seq) where state = 'waiting';
create index webhook_deliveries_page on webhook_deliveries (webhook_id, workspace, seq);
create index webhook_deliveries_contact on webhook_deliveries (contact_id, workspace, seq);
create index webhook_deliveries_finished on webhook_deliveries (workspace, finished_at) where state <> 'waiting';

do $$
declare t text;
begin
  foreach t in array array['webhooks', 'webhook_secrets', 'webhook_deliveries'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format(
      'create policy named_workspaces on %I using (workspace = any ((select onefold_workspaces())::text[]))'
      ' with check (workspace = any ((select onefold_workspaces())::text[]))', t);
  end loop;
end $$;

grant select, insert, update, delete on webhooks, webhook_deliveries to onefold_app;
-- The sender lets the planner look at it where autovacuum would come too late.
grant maintain on webhook_deliveries to onefold_app;
grant select, insert on webhook_secrets to onefold_app;
grant update (expires_at) on webhook_secrets to onefold_app;
