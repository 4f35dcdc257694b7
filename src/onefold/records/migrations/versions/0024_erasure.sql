-- People who were erased (security.md, S103 and S107; decision 0032).
--
-- Of an erased contact a row stays that holds nothing but its id, its version and where it led: an id is given once. Its tenures, evidence,
-- merges, pairs, proposals and parked interactions are deleted in the same transaction; what came through its tenures goes in chunks
-- afterwards, until `purged_at` says that nothing is left.

alter table contacts add column erased_at timestamptz;
create index contacts_erased on contacts (workspace, contact_id) where erased_at is not null;

create table erasures (
  workspace text not null,
  erasure_id uuid not null,
  -- the root, and every id that led to it
  contact_id uuid not null,
  contacts uuid[] not null,
  at timestamptz not null,
  actor text not null,
  reason text,
  purged_at timestamptz,
  primary key (erasure_id, workspace)
);
create index erasures_unfinished on erasures (workspace, at) where purged_at is null;

-- Numbers, so that lines that tell of one come to nothing, however late they are read.
create table erased_tenures (
  tenure_id bigint not null,
  workspace text not null,
  erasure_id uuid not null,
  primary key (tenure_id, workspace)
);
create index erased_tenures_erasure on erased_tenures (erasure_id, workspace);

-- The barriers of what they held. Under a key, unlike other barriers: an identifier's own key is a plain hash of type and value, and whoever
-- has that of a phone number finds the number in seconds.
create table suppression_secret (
  one boolean primary key default true check (one),
  secret bytea not null default sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'))
);
insert into suppression_secret default values;

create table suppressions (
  workspace text not null,
  -- SHA-256 of the secret and the identifier key, both of one length
  hash bytea not null check (octet_length(hash) = 32),
  at timestamptz not null,
  primary key (hash, workspace)
);

do $$
declare t text;
begin
  foreach t in array array['erasures', 'erased_tenures', 'suppressions'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format(
      'create policy named_workspaces on %I using (workspace = any ((select onefold_workspaces())::text[]))'
      ' with check (workspace = any ((select onefold_workspaces())::text[]))', t);
  end loop;
end $$;

grant select, insert on erasures, erased_tenures to onefold_app;
grant update (purged_at) on erasures to onefold_app;
grant select, insert, update on suppressions to onefold_app;
grant select on suppression_secret to onefold_app;
grant delete on identifiers, merges, kept_apart, barriers, parked, quarantine to onefold_app;
-- What waits for the relay is rewritten without what it says of the person.
grant update (payload) on outbox to onefold_app;
