-- Write keys (security.md, S57-S60, S88-S91). The secret itself is never stored: its SHA-256 is, which for 256 random bits needs
-- no salt. A public key lies readable in every page that uses it, so its text is kept too, to be shown again.
--
-- Verification happens before the workspace is known. One function, the only one here that runs as its definer, presents the
-- hash to the policy `presented_hash`, which shows that one row and no other; the setting ends with the call (a failed one rolls it back). So even the tables'
-- owner, bound by forced row-level security, and whoever may only execute the function, sees a key by its hash alone.

create table keys (
  workspace text not null references workspaces (workspace),
  key_id uuid not null,
  kind text not null check (kind in ('public', 'secret')),
  title text not null check (length(title) between 1 and 200),
  hash bytea not null check (octet_length(hash) = 32),
  -- the text of a public key; what a secret one begins and ends with, for people to recognise it
  shown text not null,
  scopes text[] not null default array['events:write'],
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  primary key (key_id, workspace)
);
create unique index keys_hash on keys (hash, workspace);
create index keys_workspace on keys (workspace, created_at);

alter table keys enable row level security;
alter table keys force row level security;
create policy named_workspaces on keys
  using (workspace = any ((select onefold_workspaces())::text[]))
  with check (workspace = any ((select onefold_workspaces())::text[]));
create policy presented_hash on keys for select
  using (hash = (select decode(current_setting('onefold.key_hash', true), 'hex')));
create policy presented_hash_used on keys for update
  using (hash = (select decode(current_setting('onefold.key_hash', true), 'hex')));

-- The key with this hash, if it is neither revoked nor expired. Notes its use, to within a minute, unless the server cannot write:
-- a full disk or a standby must not keep the collector from taking events (F28).
create function find_write_key(presented bytea)
  returns table (key_id uuid, workspace text, kind text, title text, scopes text[])
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('onefold.key_hash', encode(presented, 'hex'), true);
  begin
    update public.keys k set last_used_at = now()
      where k.hash = presented and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
        and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute');
  exception when read_only_sql_transaction or insufficient_resources or lock_not_available then
    null;
  end;
  return query
    select k.key_id, k.workspace, k.kind, k.title, k.scopes from public.keys k
    where k.hash = presented and k.revoked_at is null and (k.expires_at is null or k.expires_at > now());
  perform set_config('onefold.key_hash', '', true);
end
$$;
comment on function find_write_key(bytea) is
  'Security definer (S91): looks one write key up by its hash before the workspace is known. Search path pinned; shows one row.';

revoke all on function find_write_key(bytea) from public;
grant execute on function find_write_key(bytea) to onefold_app;
grant select, insert on keys to onefold_app;
grant update (title, revoked_at, expires_at) on keys to onefold_app;
