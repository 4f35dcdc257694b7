-- OpenID issuers whose ID tokens sign contacts in (security.md, S45). A table of their own: an issuer of users signs in no contact, and the
-- other way round, whatever is left out of a query.
create table contact_issuers (
  workspace text not null references workspaces (workspace),
  -- no vertical bar, which ends it where it stands before a subject
  issuer text not null check (
    (issuer like 'https://%' or issuer like 'http://127.0.0.1%' or issuer like 'http://localhost%')
    and length(issuer) <= 500 and issuer not like '%|%'),
  title text not null,
  -- to whom its tokens are made out: the ids by which the site's pages are its clients
  audiences text[] not null check (cardinality(audiences) between 1 and 20),
  -- in whose addresses its word is a proof; in their ASCII form
  email_domains text[] not null default '{}' check (cardinality(email_domains) <= 100),
  -- unset: as the issuer's own discovery document says
  jwks_uri text,
  is_enabled boolean not null default true,
  created_at timestamptz not null default now(),
  primary key (issuer, workspace)
);

alter table contact_issuers enable row level security;
alter table contact_issuers force row level security;
create policy named_workspaces on contact_issuers using (workspace = any ((select onefold_workspaces())::text[]))
  with check (workspace = any ((select onefold_workspaces())::text[]));
grant select, insert, update, delete on contact_issuers to onefold_app;
