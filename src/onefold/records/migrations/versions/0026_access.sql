-- Who may call the User API (security.md, S18-S25, S58, S65, S75-S85, S88-S92), and the log of what they did (S99; decision 0033).

create table users (
  workspace text not null references workspaces (workspace),
  user_id uuid not null,
  -- normalised; what somebody signs in with
  email text not null check (length(email) between 3 and 320),
  given_name text,
  last_name text,
  roles text[] not null check (cardinality(roles) >= 1),
  -- argon2id with its parameters; none for whoever signs in elsewhere, and for service accounts
  password_hash text,
  must_reset boolean not null default false,
  is_enabled boolean not null default true,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  archived_at timestamptz,
  primary key (user_id, workspace)
);
create unique index users_email on users (workspace, email) where archived_at is null;
create index users_workspace on users (workspace, created_at, user_id);

-- The token itself is in the browser's cookie only; here is its SHA-256, which for 256 random bits needs no salt.
create table sessions (
  workspace text not null,
  session_id uuid not null,
  user_id uuid not null,
  hash bytea not null check (octet_length(hash) = 32),
  created_at timestamptz not null default now(),
  last_used_at timestamptz not null default now(),
  ends_at timestamptz not null,
  ended_at timestamptz,
  address text,
  user_agent text,
  primary key (session_id, workspace),
  foreign key (user_id, workspace) references users (user_id, workspace)
);
create unique index sessions_hash on sessions (hash, workspace);
create index sessions_user on sessions (user_id, workspace, created_at);
create index sessions_ending on sessions (workspace, ends_at);

-- Service keys are keys like the others, of a user who is a service account; they open the User API and take no events.
alter table keys drop constraint keys_kind_check;
alter table keys add constraint keys_kind_check check (kind in ('public', 'secret', 'service'));
alter table keys add column description text check (length(description) <= 2000);
alter table keys add column allowed_urls text[] not null default '{}';
alter table keys add column allowed_addresses text[] not null default '{}';
alter table keys add column is_enabled boolean not null default true;
alter table keys add column user_id uuid;
alter table keys add constraint keys_user foreign key (user_id, workspace) references users (user_id, workspace);
alter table keys add constraint keys_of_users check ((kind = 'service') = (user_id is not null));
grant update (title, description, allowed_urls, allowed_addresses, is_enabled, expires_at, revoked_at) on keys to onefold_app;

create or replace function find_write_key(presented bytea)
  returns table (key_id uuid, workspace text, kind text, title text, scopes text[], requires_identity boolean)
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('onefold.key_hash', encode(presented, 'hex'), true);
  begin
    update public.keys k set last_used_at = now()
      where k.hash = presented and k.kind <> 'service' and k.is_enabled and k.revoked_at is null
        and (k.expires_at is null or k.expires_at > now()) and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute');
  exception when read_only_sql_transaction or insufficient_resources or lock_not_available then
    null;
  end;
  return query
    select k.key_id, k.workspace, k.kind, k.title, k.scopes, k.requires_identity from public.keys k
    where k.hash = presented and k.kind <> 'service' and k.is_enabled and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > now());
  perform set_config('onefold.key_hash', '', true);
end
$$;

create table oidc_issuers (
  workspace text not null references workspaces (workspace),
  issuer text not null check (issuer like 'https://%' or issuer like 'http://127.0.0.1%' or issuer like 'http://localhost%'),
  title text not null,
  -- unset: as the issuer's own discovery document says
  jwks_uri text,
  is_enabled boolean not null default true,
  created_at timestamptz not null default now(),
  primary key (issuer, workspace)
);
create table oidc_subjects (
  workspace text not null,
  issuer text not null,
  subject text not null check (length(subject) between 1 and 255),
  user_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (issuer, subject, workspace),
  foreign key (issuer, workspace) references oidc_issuers (issuer, workspace),
  foreign key (user_id, workspace) references users (user_id, workspace)
);
create index oidc_subjects_user on oidc_subjects (user_id, workspace);

-- The log: one chain a workspace. An entry's hash covers the one before it and the digest of its details. Details (what was different, and
-- why) lie apart, since those that tell of an erased person go, and the chain stays whole without them.
create table log_heads (
  workspace text primary key references workspaces (workspace),
  seq bigint not null default 0,
  hash bytea not null default '\x0000000000000000000000000000000000000000000000000000000000000000'::bytea check (octet_length(hash) = 32)
);
create table log_entries (
  workspace text not null,
  seq bigint not null,
  at timestamptz not null,
  actor text not null,
  action text not null,
  object_type text not null,
  object_id text not null,
  object_version bigint,
  -- one act may concern several objects: a merge does
  act_id text,
  address text,
  user_agent text,
  request_id text,
  details_digest bytea check (octet_length(details_digest) = 32),
  previous bytea not null check (octet_length(previous) = 32),
  hash bytea not null check (octet_length(hash) = 32),
  primary key (workspace, seq)
);
create index log_entries_object on log_entries (workspace, object_type, object_id, seq);
create index log_entries_act on log_entries (workspace, act_id) where act_id is not null;
create index log_entries_actor on log_entries (workspace, actor, seq);
create table log_details (
  workspace text not null,
  seq bigint not null,
  salt bytea not null,
  -- json, not jsonb: its text is what was digested
  details json not null,
  primary key (workspace, seq),
  foreign key (workspace, seq) references log_entries (workspace, seq)
);

-- What a call under an idempotency key was answered, for a day (S85). objects: whom the answer tells of, so that an erasure finds it.
create table idempotency_keys (
  workspace text not null,
  actor text not null,
  key text not null check (length(key) between 1 and 200),
  fingerprint bytea not null check (octet_length(fingerprint) = 32),
  status smallint not null,
  headers jsonb not null,
  body bytea not null,
  objects text[] not null default '{}',
  created_at timestamptz not null default now(),
  primary key (workspace, actor, key)
);
create index idempotency_keys_age on idempotency_keys (workspace, created_at);

do $$
declare t text;
begin
  foreach t in array array[
    'users', 'sessions', 'oidc_issuers', 'oidc_subjects', 'log_heads', 'log_entries', 'log_details', 'idempotency_keys'
  ] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format(
      'create policy named_workspaces on %I using (workspace = any ((select onefold_workspaces())::text[]))'
      ' with check (workspace = any ((select onefold_workspaces())::text[]))', t);
  end loop;
end $$;

grant select, insert, update on users, sessions, oidc_issuers, log_heads to onefold_app;
grant delete on sessions to onefold_app;
grant select, insert, delete on oidc_subjects, idempotency_keys to onefold_app;
grant update (status, headers, body) on idempotency_keys to onefold_app;
grant delete on oidc_issuers to onefold_app;
grant select, insert on log_entries to onefold_app;
grant select, insert, delete on log_details to onefold_app;

-- Who calls is found before the workspace is known, in one round trip: the presented hash shows one row, whose workspace the transaction
-- names from then on. Roles are read at every call, so a change acts at once (S83).
create policy presented_hash on sessions for select using (hash = (select decode(current_setting('onefold.session_hash', true), 'hex')));
create policy presented_hash_used on sessions for update using (hash = (select decode(current_setting('onefold.session_hash', true), 'hex')));

create function enter_by_session(presented bytea, idle interval)
  returns table (workspace text, user_id uuid, roles text[], session_id uuid, must_reset boolean)
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare found public.sessions;
begin
  perform set_config('onefold.session_hash', encode(presented, 'hex'), true);
  select s.* into found from public.sessions s
    where s.hash = presented and s.ended_at is null and s.ends_at > now() and s.last_used_at > now() - idle;
  if found.session_id is not null and found.last_used_at < now() - interval '1 minute' then
    update public.sessions s set last_used_at = now() where s.hash = presented and s.workspace = found.workspace;
  end if;
  perform set_config('onefold.session_hash', '', true);
  if found.session_id is null then
    return;
  end if;
  perform set_config('onefold.workspaces', found.workspace, true);
  return query
    select u.workspace, u.user_id, u.roles, found.session_id, u.must_reset from public.users u
    where u.user_id = found.user_id and u.workspace = found.workspace and u.is_enabled and u.archived_at is null;
end
$$;
comment on function enter_by_session(bytea, interval) is
  'Security definer (S91): who a session is of, by its hash, before the workspace is known; names that workspace. Search path pinned.';

create function enter_by_key(presented bytea)
  returns table (workspace text, user_id uuid, roles text[], key_id uuid, allowed_urls text[], allowed_addresses text[])
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare found public.keys;
begin
  perform set_config('onefold.key_hash', encode(presented, 'hex'), true);
  select k.* into found from public.keys k
    where k.hash = presented and k.kind = 'service' and k.is_enabled and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > now());
  if found.key_id is not null and (found.last_used_at is null or found.last_used_at < now() - interval '1 minute') then
    update public.keys k set last_used_at = now() where k.hash = presented and k.workspace = found.workspace;
  end if;
  perform set_config('onefold.key_hash', '', true);
  if found.key_id is null then
    return;
  end if;
  perform set_config('onefold.workspaces', found.workspace, true);
  return query
    select u.workspace, u.user_id, u.roles, found.key_id, found.allowed_urls, found.allowed_addresses from public.users u
    where u.user_id = found.user_id and u.workspace = found.workspace and u.is_enabled and u.archived_at is null;
end
$$;
comment on function enter_by_key(bytea) is
  'Security definer (S91): whose a service key is, by its hash, before the workspace is known; names that workspace. Search path pinned.';

revoke all on function enter_by_session(bytea, interval), enter_by_key(bytea) from public;
grant execute on function enter_by_session(bytea, interval), enter_by_key(bytea) to onefold_app;
