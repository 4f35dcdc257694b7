-- What a separation leaves behind, so that no event undoes it (architecture, sections 2 and 4).
--
-- kept_apart holds pairs of contacts as they were when somebody said that they are two people. Rows are only ever added: whoever absorbs
-- a side later is apart from the other side as well, since a pair forbids joining any two trees that hold its sides. That a contact's
-- tree holds a side stands in contacts.summary (`apart`), so that whoever meets nobody of that kind reads nothing here.
--
-- barriers holds, by identifier, the time of its last separation. An older event attaches, joins and hands over nothing through it.

create table kept_apart (
  workspace text not null,
  one uuid not null,
  other uuid not null check (one < other),
  why text not null check (why in ('unmerged', 'refused')),
  actor text not null,
  reason text,
  at timestamptz not null,
  primary key (one, other, workspace)
);
create index kept_apart_other on kept_apart (other, workspace);

create table barriers (
  workspace text not null,
  identifier_key bytea not null check (octet_length(identifier_key) = 16),
  at timestamptz not null,
  primary key (identifier_key, workspace)
);

create type kept_apart_row as (workspace text, one uuid, other uuid, why text, actor text, reason text, at timestamptz);
create type barrier_row as (workspace text, identifier_key bytea, at timestamptz);

do $$
declare t text;
begin
  foreach t in array array['kept_apart', 'barriers'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format(
      'create policy named_workspaces on %I using (workspace = any ((select onefold_workspaces())::text[]))'
      ' with check (workspace = any ((select onefold_workspaces())::text[]))', t);
  end loop;
end $$;

grant select, insert on kept_apart to onefold_app;
grant select, insert, update on barriers to onefold_app;
