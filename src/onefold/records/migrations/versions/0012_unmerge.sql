-- A merge record holds both sides as they were, so that an unmerge gives each back what it had (architecture, section 4). Records are kept
-- for ever: one that was undone says when, by whom and why, and which tenures went back.

alter table merges
  -- the order in which the merges of one tree happened: whoever writes it holds the lock of the survivor
  add column number bigint generated always as identity,
  -- null where the merge is older than this column
  add column survivor_record jsonb,
  -- labels that identifiers of the absorbed one lost, by tenure
  add column labels jsonb not null default '{}',
  add column undone_at timestamptz,
  add column undone jsonb,
  -- ended ones too, and what came through them since
  add column returned bigint[];
create index merges_undone on merges (workspace) where undone_at is not null;

create type recorded_merge as (
  merge_id uuid, workspace text, survivor uuid, absorbed uuid, at timestamptz, cause jsonb, tenures bigint[], survivor_record jsonb,
  absorbed_record jsonb, lost jsonb, labels jsonb
);
