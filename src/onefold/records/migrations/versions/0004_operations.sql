-- What operators do: jobs that outlive the process that runs them, and what became of dead letters. No person's row lies here, and so
-- no workspace policy.

create table jobs (
  job_id uuid primary key default gen_random_uuid(),
  kind text not null check (kind in ('index-rebuild', 'redrive', 'replay')),
  state text not null default 'running' check (state in ('running', 'done', 'failed', 'cancelled')),
  -- what was decided when it began; never changed
  plan jsonb not null default '{}',
  -- how far it is: all that a resumed run needs
  progress jsonb not null default '{}',
  reason text,
  actor text not null,
  worker text,
  error text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  finished_at timestamptz
);
create index jobs_created on jobs (created_at);

-- A dead letter is open until it has a row here.
create table dead_letter_decisions (
  partition integer not null,
  "offset" bigint not null,
  decision text not null check (decision in ('redriven', 'dropped')),
  -- where it lies again, if it was redriven
  redriven_topic text,
  redriven_partition integer,
  redriven_offset bigint,
  job_id uuid references jobs (job_id),
  reason text,
  actor text not null,
  at timestamptz not null default now(),
  primary key (partition, "offset")
);

grant select, insert, update on jobs to onefold_app;
grant select, insert on dead_letter_decisions to onefold_app;
-- `onefold index rebuild` and `onefold replay` begin a new life of the index.
grant update (incarnation_id, began_at) on incarnation to onefold_app;
