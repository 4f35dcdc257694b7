-- The keys under which a workspace's own servers sign identity tokens (security.md, S50, S51, S80).
--
-- Only public halves lie here: whoever reads a dump of this table can check tokens, and make none. Its id is the `kid` of a token's
-- header. Several may be live at a time, so that a rotation overlaps (S59). A verifier knows the workspace already, from the write key, so
-- it looks under row-level security like anybody else.

create table identity_keys (
  workspace text not null references workspaces (workspace),
  key_id uuid not null,
  title text not null check (length(title) between 1 and 200),
  -- PEM of an elliptic-curve key on P-256: what ES256 verifies with
  public_key text not null check (length(public_key) < 1000),
  created_at timestamptz not null default now(),
  not_before timestamptz not null default now(),
  expires_at timestamptz check (expires_at > not_before),
  revoked_at timestamptz,
  primary key (key_id, workspace)
);
create index identity_keys_workspace on identity_keys (workspace, created_at);

alter table identity_keys enable row level security;
alter table identity_keys force row level security;
create policy named_workspaces on identity_keys
  using (workspace = any ((select onefold_workspaces())::text[]))
  with check (workspace = any ((select onefold_workspaces())::text[]));

grant select, insert on identity_keys to onefold_app;
grant update (revoked_at) on identity_keys to onefold_app;

-- A public write key may require tokens: what names a person without one is refused (S50, enforce mode).
alter table keys add column requires_identity boolean not null default false;

drop function find_write_key(bytea);
create function find_write_key(presented bytea)
  returns table (key_id uuid, workspace text, kind text, title text, scopes text[], requires_identity boolean)
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
    select k.key_id, k.workspace, k.kind, k.title, k.scopes, k.requires_identity from public.keys k
    where k.hash = presented and k.revoked_at is null and (k.expires_at is null or k.expires_at > now());
  perform set_config('onefold.key_hash', '', true);
end
$$;
comment on function find_write_key(bytea) is
  'Security definer (S91): looks one write key up by its hash before the workspace is known. Search path pinned; shows one row.';

revoke all on function find_write_key(bytea) from public;
grant execute on function find_write_key(bytea) to onefold_app;
