-- Jobs of workspaces: what may touch many of a workspace's rows (renames, imports, bulk operations). Decision 0035 says why not `jobs`.
--
-- Whoever claims one has it until its lease is over, and goes on from its progress, which is stored with what a chunk did. `claim` counts the
-- claims: a worker that lost its lease finds another number, and stores nothing any more.

create table workspace_jobs (
  workspace text not null references workspaces (workspace),
  job_id uuid not null,
  kind text not null check (length(kind) between 1 and 60),
  state text not null default 'waiting' check (state in ('waiting', 'running', 'done', 'failed', 'cancelled')),
  -- what was asked for; never changed
  input jsonb not null default '{}',
  -- how far it is: all that whoever goes on needs, and what people are shown
  progress jsonb not null default '{}',
  actor text not null,
  reason text,
  worker text,
  claim integer not null default 0,
  -- claims since it last got further: what ends a process each time is given up
  attempts integer not null default 0,
  -- until when it is somebody's, or not to be tried again
  lease_until timestamptz,
  error text,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  primary key (job_id, workspace)
);
create index workspace_jobs_open on workspace_jobs (workspace, created_at) where state in ('waiting', 'running');
create index workspace_jobs_created on workspace_jobs (workspace, created_at, job_id);

-- What an import brought, in parts of whole lines, as they came.
create table import_parts (
  workspace text not null,
  job_id uuid not null,
  part integer not null check (part >= 0),
  -- number of its first line in the file, from 1 on
  first_line bigint not null,
  lines bytea[] not null,
  primary key (job_id, workspace, part),
  foreign key (job_id, workspace) references workspace_jobs (job_id, workspace) on delete cascade
);

-- What became of each line.
create table import_lines (
  workspace text not null,
  job_id uuid not null,
  line bigint not null,
  outcome text not null check (outcome in ('created', 'updated', 'merged', 'unchanged', 'refused')),
  contact_id uuid,
  code text,
  reason text,
  primary key (job_id, workspace, line),
  foreign key (job_id, workspace) references workspace_jobs (job_id, workspace) on delete cascade
);
create index import_lines_refused on import_lines (job_id, workspace, line) where outcome = 'refused';

do $$
declare t text;
begin
  foreach t in array array['workspace_jobs', 'import_parts', 'import_lines'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format(
      'create policy named_workspaces on %I using (workspace = any ((select onefold_workspaces())::text[]))'
      ' with check (workspace = any ((select onefold_workspaces())::text[]))', t);
  end loop;
end $$;

grant select, insert on workspace_jobs to onefold_app;
grant update (state, progress, worker, claim, attempts, lease_until, error, updated_at, finished_at) on workspace_jobs to onefold_app;
grant select, insert, delete on import_parts to onefold_app;
grant select, insert on import_lines to onefold_app;
