-- Sessions and passwords of people who proved an address (security.md, S41 to S44; decision 0044).

-- A session is in force while its tenure is: while the same contact holds the same identifier, validated. A merge, an eviction, a removal
-- and an erasure end it by that, and know nothing of sessions.
create table contact_sessions (
  workspace text not null references workspaces (workspace),
  session_id uuid not null,
  contact_id uuid not null,
  tenure_id bigint not null,
  -- SHA-256 of 256 random bits
  token_hash bytea not null check (octet_length(token_hash) = 32),
  method text not null check (method in ('otp', 'magic_link', 'password', 'oauth')),
  began_at timestamptz not null default clock_timestamp(),
  last_used_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  primary key (session_id, workspace)
);
create unique index contact_sessions_token on contact_sessions (token_hash, workspace);
create index contact_sessions_contact on contact_sessions (contact_id, workspace);
create index contact_sessions_expired on contact_sessions (workspace, expires_at);

-- Under the id of whoever it was set for: an absorbed contact's opens nothing, and what undoes the merge gives it back.
create table contact_passwords (
  workspace text not null references workspaces (workspace),
  contact_id uuid not null,
  password_hash text not null,
  set_at timestamptz not null default clock_timestamp(),
  primary key (contact_id, workspace)
);

-- The origin of the page that asked, for links that lead to a path of it; whether the session that a link brought was collected.
alter table challenges add column site text;
alter table challenges add column collected_at timestamptz;
alter table challenges add column used_by bytea check (octet_length(used_by) = 32);

do $$
declare t text;
begin
  foreach t in array array['contact_sessions', 'contact_passwords'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format(
      'create policy named_workspaces on %I using (workspace = any ((select onefold_workspaces())::text[]))'
      ' with check (workspace = any ((select onefold_workspaces())::text[]))', t);
  end loop;
end $$;

grant select, insert, delete on contact_sessions, contact_passwords to onefold_app;
grant update (last_used_at, contact_id, tenure_id) on contact_sessions to onefold_app;
grant update (password_hash, set_at) on contact_passwords to onefold_app;
grant update (collected_at, used_by) on challenges to onefold_app;
