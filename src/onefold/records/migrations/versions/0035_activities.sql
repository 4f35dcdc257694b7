-- Comments, tasks and approvals on contacts and organizations (product-facts, 3.12). They hang on the id that was given: where a contact was
-- absorbed since, its survivor shows them, and an unmerge takes none along.

create table activities (
  workspace text not null references workspaces (workspace),
  activity_id uuid not null,
  object_type text not null check (object_type in ('contacts', 'organizations')),
  object_id uuid not null,
  type text not null check (type in ('comments', 'tasks', 'approvals')),
  parent_id uuid,
  -- who wrote it
  user_id uuid not null,
  content text not null check (length(content) between 1 and 20000),
  priority text not null default 'normal' check (priority in ('normal', 'high', 'urgent')),
  status text not null default 'backlog' check (status in ('backlog', 'todo', 'doing', 'done')),
  is_approved boolean check (is_approved is null or type = 'approvals'),
  due_at timestamptz,
  started_at timestamptz,
  version bigint not null default 1,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (activity_id, workspace),
  foreign key (user_id, workspace) references users (user_id, workspace),
  foreign key (parent_id, workspace) references activities (activity_id, workspace) on delete cascade
);
create index activities_object on activities (workspace, object_id, created_at, activity_id);
create index activities_parent on activities (parent_id, workspace) where parent_id is not null;

-- Whom it concerns. is_open follows the activity: how many open ones a user has is counted here.
create table activity_mentions (
  workspace text not null,
  user_id uuid not null,
  activity_id uuid not null,
  is_open boolean not null,
  created_at timestamptz not null,
  primary key (activity_id, user_id, workspace),
  foreign key (activity_id, workspace) references activities (activity_id, workspace) on delete cascade,
  foreign key (user_id, workspace) references users (user_id, workspace)
);
create index activity_mentions_user on activity_mentions (workspace, user_id, is_open, created_at, activity_id);

do $$
declare t text;
begin
  foreach t in array array['activities', 'activity_mentions'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format(
      'create policy named_workspaces on %I using (workspace = any ((select onefold_workspaces())::text[]))'
      ' with check (workspace = any ((select onefold_workspaces())::text[]))', t);
  end loop;
end $$;
grant select, insert, update, delete on activities, activity_mentions to onefold_app;
