-- The tables that carry resolution (architecture.md, section 4). Every unique key holds the workspace.
--
-- Ownership is decided by one index alone: identifiers_open, unique over open tenures by (identifier key, workspace).
-- Row-level security is forced on every table that holds a person's row; progress, separations, incarnation, outbox and
-- relay_shards hold none. A transaction names its workspaces with set_config('onefold.workspaces', …, true); unset means no rows.

create function onefold_workspaces() returns text[]
  language sql stable parallel safe
  set search_path = pg_catalog
  return string_to_array(current_setting('onefold.workspaces', true), ',');

create table workspaces (
  workspace text primary key check (workspace ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  title text not null,
  rules jsonb not null default '{}',
  rules_version bigint not null default 1,
  created_at timestamptz not null default now()
);

create table contacts (
  workspace text not null,
  contact_id uuid not null,
  version bigint not null check (version >= 1),
  type text not null check (type in ('ghost', 'lead', 'contact', 'vendor')),
  given_name text,
  last_name text,
  email text,
  phone text,
  is_vendor boolean not null default false,
  organization_id uuid,
  attributes jsonb not null default '{}',
  tags jsonb not null default '[]',
  provenance jsonb not null default '{}',
  -- what the guards need without loading identifiers: counts per type, held unique values, tenures per assurance
  summary jsonb not null default '{}',
  identifiers_total integer not null default 0,
  merged_into uuid,
  root uuid not null,
  archived_at timestamptz,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (contact_id, workspace)
) with (fillfactor = 85);
create index contacts_absorbed on contacts (root, workspace) where merged_into is not null;

-- One row per tenure: an identifier while it belongs to one contact. held_until is null while the tenure is open.
create sequence tenure_ids increment by 1000 maxvalue 274877905000;
create table identifiers (
  tenure_id bigint not null,
  workspace text not null,
  identifier_key bytea not null check (octet_length(identifier_key) = 16),
  contact_id uuid not null,
  semantic_type text not null,
  identifier text not null,
  normalised text not null,
  slug text,
  assurance smallint not null,
  is_validated boolean not null default false,
  validated_at timestamptz,
  validated_by text,
  source text not null,
  outreach boolean not null default false,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  -- a device-bound identifier's last use together with a personal identifier of its holder (R7)
  used_at timestamptz,
  used_event text,
  -- null: since ever; set where a hand-over opened the tenure
  held_from timestamptz,
  held_from_event text,
  held_until timestamptz,
  -- the tenure through which its first evidence came
  via bigint,
  -- the latest merge that it brought about, and how many there were in that hour and on that day (UTC, event time; R11)
  joined_at timestamptz,
  joins_in_hour integer not null default 0,
  joins_in_day integer not null default 0,
  primary key (tenure_id, workspace)
) with (fillfactor = 85);
create unique index identifiers_open on identifiers (identifier_key, workspace) where held_until is null;
create index identifiers_ended on identifiers (identifier_key, workspace) where held_until is not null;
create index identifiers_contact on identifiers (contact_id, workspace);

-- Why: the first, the strongest and the last evidence of a tenure.
create table evidence (
  tenure_id bigint not null,
  workspace text not null,
  ordinal smallint not null check (ordinal in (1, 2, 3)),
  event_id text not null,
  topic text not null,
  partition integer not null,
  "offset" bigint not null,
  at timestamptz not null,
  rule text not null,
  assurance smallint not null,
  actor text,
  primary key (tenure_id, ordinal, workspace)
);

create table merges (
  merge_id uuid not null,
  workspace text not null,
  survivor uuid not null,
  absorbed uuid not null,
  at timestamptz not null,
  cause jsonb not null,
  tenures bigint[] not null,
  absorbed_record jsonb not null,
  lost jsonb not null,
  primary key (merge_id, workspace)
);
create index merges_survivor on merges (survivor, workspace);
create index merges_absorbed on merges (absorbed, workspace);

-- A statement that ends or lowers tenures leaves their buckets here under its own transaction id (architecture, section 3).
create table separations (
  xid xid8 not null,
  bucket integer not null check (bucket between 0 and 1048575)
);
create index separations_xid on separations (xid);

create table incarnation (
  one boolean primary key default true check (one),
  incarnation_id uuid not null default gen_random_uuid(),
  began_at timestamptz not null default now(),
  -- counts every change of a workspace or of its rules, so that workers notice within a batch
  rules_version bigint not null default 1
);
insert into incarnation default values;

create function onefold_rules_changed() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, public
  as $$ begin update incarnation set rules_version = rules_version + 1; return null; end $$;
create trigger workspaces_rules_changed after insert or update or delete on workspaces
  for each statement execute function onefold_rules_changed();

create table progress (
  consumer text not null,
  topic text not null,
  partition integer not null,
  generation integer not null default 1,
  epoch bigint not null default 0,
  next_offset bigint not null default 0,
  worker text,
  updated_at timestamptz not null default now(),
  primary key (consumer, topic, partition)
) with (fillfactor = 50);

create table outbox (
  id bigint generated always as identity primary key,
  shard smallint not null,
  topic text not null,
  key bytea not null,
  payload bytea,
  headers jsonb not null default '{}',
  created_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
create index outbox_shard on outbox (shard, id);

create table relay_shards (
  one boolean primary key default true check (one),
  count smallint not null check (count between 1 and 1024)
);
insert into relay_shards (count) values (4);

do $$
declare t text;
begin
  foreach t in array array['workspaces', 'contacts', 'identifiers', 'evidence', 'merges'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format(
      'create policy named_workspaces on %I using (workspace = any ((select onefold_workspaces())::text[]))'
      ' with check (workspace = any ((select onefold_workspaces())::text[]))', t);
  end loop;
end $$;

grant usage on schema public to onefold_app;
grant execute on function onefold_workspaces() to onefold_app;
grant select, insert, update on workspaces, contacts, identifiers, evidence, merges to onefold_app;
grant delete on evidence to onefold_app;
grant select, insert, update on progress to onefold_app;
grant select, insert, delete on separations to onefold_app;
grant select on incarnation, relay_shards to onefold_app;
grant select, insert, delete on outbox to onefold_app;
grant usage on sequence tenure_ids to onefold_app;
