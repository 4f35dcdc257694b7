-- Messages that are to be sent (decision 0041), and resets of passwords by link (security.md, S23).

-- What messages are written in where nobody says otherwise.
alter table workspaces add column language text not null default 'en' check (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$');

create table outreach_messages (
  workspace text not null references workspaces (workspace),
  message_id uuid not null,
  -- whom it concerns: one of the two
  contact_id uuid,
  user_id uuid,
  channel text not null check (channel in ('email', 'sms')),
  template text not null,
  -- the message as it lay on its topic, with address, code and link; gone as soon as nothing is to be sent any more
  body bytea,
  requested_at timestamptz not null,
  expires_at timestamptz not null,
  -- unclear: handed over, and nobody knows whether it was taken; it is not sent again
  state text not null default 'waiting' check (state in ('waiting', 'sent', 'failed', 'expired', 'unclear')),
  attempts integer not null default 0,
  -- for one that is claimed: when its claim is over
  next_attempt_at timestamptz not null default clock_timestamp(),
  claim uuid,
  -- set before the first byte that the other side may act upon
  handed_over_at timestamptz,
  settled_at timestamptz,
  -- in one word, why the last attempt came to nothing
  outcome text,
  primary key (message_id, workspace),
  check (num_nonnulls(contact_id, user_id) = 1),
  check ((state = 'waiting') = (body is not null)),
  check ((state = 'waiting') = (settled_at is null))
) with (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
create index outreach_messages_due on outreach_messages (channel, next_attempt_at) where state = 'waiting';
create index outreach_messages_settled on outreach_messages (settled_at) where state <> 'waiting';
create index outreach_messages_contact on outreach_messages (contact_id, workspace) where contact_id is not null;

create table password_resets (
  workspace text not null,
  reset_id uuid not null,
  user_id uuid not null,
  -- SHA-256 of a token of 256 random bits
  hash bytea not null check (octet_length(hash) = 32),
  expires_at timestamptz not null,
  attempts integer not null default 0,
  -- used, or replaced by what came after it
  ended_at timestamptz,
  primary key (reset_id, workspace),
  unique (hash, workspace),
  foreign key (user_id, workspace) references users (user_id, workspace)
);
create index password_resets_user on password_resets (user_id, workspace);

do $$
declare t text;
begin
  foreach t in array array['outreach_messages', 'password_resets'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format(
      'create policy named_workspaces on %I using (workspace = any ((select onefold_workspaces())::text[]))'
      ' with check (workspace = any ((select onefold_workspaces())::text[]))', t);
  end loop;
end $$;

grant select, insert, update, delete on outreach_messages to onefold_app;
grant select, insert, delete on password_resets to onefold_app;
grant update (attempts, ended_at) on password_resets to onefold_app;
