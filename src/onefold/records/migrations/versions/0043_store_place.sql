-- Where this store lives: which server, which of its databases. A restored dump brings the row of the place that it was taken from, and so
-- notices that it is a copy (security.md, S108; decision 0045). No row: no role ever ran here.
create table store_place (
  one boolean primary key default true check (one),
  system_identifier bigint not null,
  database_oid bigint not null,
  -- 1 where it was made; one more with each place that it was restored at
  life integer not null default 1,
  since timestamptz not null default clock_timestamp()
);
grant select, insert, update on store_place to onefold_app;
