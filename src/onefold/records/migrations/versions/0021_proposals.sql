-- Two contacts, as they were, that an interaction would have joined, had a guard let it. One row for each pair, however many
-- interactions say the same: the first of them is kept, and the last to within an hour, so that whoever types somebody's address
-- a thousand times writes one row.
--
-- What became of a proposal is derived when it is read: from where its two contacts lead, from pairs that are kept apart, from what they
-- hold, and from its age. Only what a person decided stands here.

create table proposals (
  workspace text not null,
  -- of the pair, so that the same one has the same id everywhere
  proposal_id uuid not null,
  one uuid not null,
  other uuid not null check (one < other),
  -- what kept the two apart, and the type of the identifier that named the other one
  guard text not null,
  semantic_type text not null,
  -- event time, id and position of the first and the last interaction, and when the last one was appended
  first_at timestamptz not null,
  first_event text not null,
  first_partition integer not null,
  first_offset bigint not null,
  last_at timestamptz not null,
  last_event text not null,
  last_partition integer not null,
  last_offset bigint not null,
  proposed_at timestamptz not null,
  decision text check (decision in ('accepted', 'refused')),
  decided_at timestamptz,
  actor text,
  reason text,
  check ((decision is null) = (decided_at is null and actor is null)),
  primary key (proposal_id, workspace)
);
create index proposals_newest on proposals (workspace, proposed_at, proposal_id);
create index proposals_one on proposals (one, workspace);
create index proposals_other on proposals (other, workspace);

alter table proposals enable row level security;
alter table proposals force row level security;
create policy named_workspaces on proposals
  using (workspace = any ((select onefold_workspaces())::text[]))
  with check (workspace = any ((select onefold_workspaces())::text[]));

create type proposal_row as (
  workspace text, proposal_id uuid, one uuid, other uuid, guard text, semantic_type text,
  first_at timestamptz, first_event text, first_partition integer, first_offset bigint,
  last_at timestamptz, last_event text, last_partition integer, last_offset bigint, proposed_at timestamptz
);

grant select, insert, update, delete on proposals to onefold_app;
