-- Codes and links by which visitors prove an address (security.md, S1 to S15; decision 0042).

create table challenges (
  workspace text not null references workspaces (workspace),
  challenge_id uuid not null,
  purpose text not null check (purpose ~ '^[a-z_]{1,32}$'),
  semantic_type text not null check (semantic_type in ('email', 'phone')),
  -- where the message goes: the normalised form, so that nobody proves one spelling by the mailbox of another
  identifier text not null,
  identifier_key bytea not null check (octet_length(identifier_key) = 16),
  method text not null check (method in ('otp', 'magic_link')),
  -- keyed hashes; their key is in the settings, not here
  browser_hash bytea not null check (octet_length(browser_hash) = 32),
  code_hash bytea not null check (octet_length(code_hash) = 32),
  link_hash bytea check (octet_length(link_hash) = 32),
  language text,
  anonymous_token text,
  -- what waits for the proof, such as the hash of a registration's password
  held jsonb not null default '{}',
  attempts integer not null default 0,
  most_attempts integer not null check (most_attempts between 1 and 5),
  visits integer not null default 0,
  -- null: as often as one likes, while it lives
  most_visits integer check (most_visits > 0),
  redirect_url text,
  created_at timestamptz not null default clock_timestamp(),
  -- the code by itself lives 10 minutes at most; with the link, for as long as the link
  code_expires_at timestamptz not null check (code_expires_at <= created_at + interval '10 minutes 1 second'),
  expires_at timestamptz not null,
  -- when the code, or the link for the first time, was used
  used_at timestamptz,
  -- used up, replaced by another one, or overtaken by a proof elsewhere
  ended_at timestamptz,
  primary key (challenge_id, workspace),
  check ((method = 'magic_link') = (link_hash is not null))
);
create unique index challenges_link on challenges (link_hash, workspace) where link_hash is not null;
create index challenges_open on challenges (identifier_key, workspace) where ended_at is null;
create index challenges_identifier on challenges (identifier_key, workspace);
create index challenges_latest on challenges (workspace, semantic_type, created_at);
create index challenges_expired on challenges (workspace, expires_at);

-- Browsers in which an identifier was proved: what strangers do elsewhere holds nobody up there (S36).
create table known_browsers (
  workspace text not null references workspaces (workspace),
  identifier_key bytea not null check (octet_length(identifier_key) = 16),
  browser_hash bytea not null check (octet_length(browser_hash) = 32),
  proved_at timestamptz not null default clock_timestamp(),
  primary key (identifier_key, browser_hash, workspace)
);

-- What was sent or failed lately, by keyed hashes of what is counted together.
create table validation_counts (
  workspace text not null references workspaces (workspace),
  bucket bytea not null check (octet_length(bucket) = 32),
  count integer not null,
  last_at timestamptz not null default clock_timestamp(),
  ends_at timestamptz not null,
  primary key (bucket, workspace)
);
create index validation_counts_ended on validation_counts (workspace, ends_at);

-- How a workspace validates; no row: as by default.
create table validation_settings (
  workspace text primary key references workspaces (workspace),
  settings jsonb not null,
  version bigint not null default 1,
  updated_at timestamptz not null default clock_timestamp()
);

do $$
declare t text;
begin
  foreach t in array array['challenges', 'known_browsers', 'validation_counts', 'validation_settings'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format(
      'create policy named_workspaces on %I using (workspace = any ((select onefold_workspaces())::text[]))'
      ' with check (workspace = any ((select onefold_workspaces())::text[]))', t);
  end loop;
end $$;

grant select, insert, delete on challenges, known_browsers, validation_counts, validation_settings to onefold_app;
grant update (attempts, visits, held, used_at, ended_at) on challenges to onefold_app;
grant update (proved_at) on known_browsers to onefold_app;
grant update (count, last_at, ends_at) on validation_counts to onefold_app;
grant update (settings, version, updated_at) on validation_settings to onefold_app;

-- A message that concerns an address of which nobody knows whose it is names the challenge that it brings.
alter table outreach_messages add column challenge_id uuid;
alter table outreach_messages drop constraint outreach_messages_check;
alter table outreach_messages add constraint outreach_messages_subject check (num_nonnulls(contact_id, user_id, challenge_id) = 1);
create index outreach_messages_challenge on outreach_messages (challenge_id, workspace) where challenge_id is not null;
