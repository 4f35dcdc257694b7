-- Links by which users sign in (product.md, section 6; decision 0046).

create table sign_in_links (
  workspace text not null,
  link_id uuid not null,
  user_id uuid not null,
  -- SHA-256 of a token of 256 random bits
  hash bytea not null check (octet_length(hash) = 32),
  -- of a secret of 256 random bits that the asking browser keeps
  browser_hash bytea not null check (octet_length(browser_hash) = 32),
  -- of the code for other browsers, under the token as the key, which is stored nowhere
  code_hash bytea not null check (octet_length(code_hash) = 32),
  redirect_url text not null,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  attempts integer not null default 0,
  visits integer not null default 0,
  -- null: as often as one likes, while it lives
  most_visits integer check (most_visits > 0),
  -- used up, or replaced by what came after it
  ended_at timestamptz,
  primary key (link_id, workspace),
  unique (hash, workspace),
  foreign key (user_id, workspace) references users (user_id, workspace)
);
create index sign_in_links_user on sign_in_links (user_id, workspace);
create index sign_in_links_expired on sign_in_links (workspace, expires_at);

alter table sign_in_links enable row level security;
alter table sign_in_links force row level security;
create policy named_workspaces on sign_in_links
  using (workspace = any ((select onefold_workspaces())::text[]))
  with check (workspace = any ((select onefold_workspaces())::text[]));

grant select, insert, delete on sign_in_links to onefold_app;
grant update (attempts, visits, ended_at) on sign_in_links to onefold_app;
