-- The timeline (architecture, sections 4 and 5): what came through a tenure, never what a contact did, so that merges and unmerges touch
-- no history.
--
-- timeline_events decides which row an event has: one row an event id and workspace, and of several positions with the same id the first
-- one, of several lines of that position the one with the greatest epoch. Both are maxima, so the order in which lines arrive, and how
-- often, changes nothing. timeline and timeline_days follow it, in the same transaction.
--
-- timeline and timeline_days lie in one part a week of event time, so that old weeks are dropped, not deleted. A unique key of a
-- partitioned table holds its time: event ids are unique across weeks only because timeline_events is not partitioned.

create table timeline_events (
  workspace text not null,
  -- of workspace and event id (onefold.records.timeline)
  event_key bytea not null check (octet_length(event_key) = 16),
  generation integer not null,
  partition integer not null,
  "offset" bigint not null,
  epoch bigint not null,
  at timestamptz not null,
  -- null: it resolved to nobody, and is on no timeline
  tenure_id bigint,
  primary key (event_key, workspace)
) with (fillfactor = 95);
-- For the deletion of what is too old: rows lie in order of arrival, which is nearly that of event time.
create index timeline_events_at on timeline_events using brin (at) with (pages_per_range = 32, autosummarize = on);

create table timeline (
  workspace text not null,
  tenure_id bigint not null,
  at timestamptz not null,
  event_key bytea not null,
  event_id text not null,
  type text not null,
  channel text not null,
  name text,
  outcome text not null,
  reason text,
  -- whom it resolved to then; whose timeline it is on now follows from the tenure
  contact_id uuid not null,
  generation integer not null,
  partition integer not null,
  "offset" bigint not null,
  epoch bigint not null,
  -- JSON as it came: jsonb would parse every interaction, for the few that anybody looks at
  properties text
) partition by range (at);
create index timeline_tenure on timeline (tenure_id, at);

create table timeline_days (
  workspace text not null,
  tenure_id bigint not null,
  -- UTC, of event time
  day date not null,
  type text not null,
  name text not null,
  events integer not null check (events >= 0),
  primary key (tenure_id, day, type, name, workspace)
) partition by range (day);

do $$
declare t text;
begin
  foreach t in array array['timeline_events', 'timeline', 'timeline_days'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format(
      'create policy named_workspaces on %I using (workspace = any ((select onefold_workspaces())::text[]))'
      ' with check (workspace = any ((select onefold_workspaces())::text[]))', t);
  end loop;
end $$;

-- The parts of a week (its Monday). Attached, not created in place: that would lock readers and writers of all other weeks out.
create function make_timeline_weeks(mondays date[]) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '5s'
as $$
declare
  monday date;
  parent text;
  part text;
begin
  perform pg_advisory_xact_lock(62496);
  foreach monday in array mondays loop
    if monday <> date_trunc('week', monday::timestamp)::date then
      raise exception '% is no Monday', monday using errcode = 'invalid_parameter_value';
    end if;
    foreach parent in array array['timeline', 'timeline_days'] loop
      part := format('%s_%s', parent, to_char(monday, 'YYYYMMDD'));
      continue when to_regclass('public.' || quote_ident(part)) is not null;
      execute format('create table public.%I (like public.%I including defaults including constraints)', part, parent);
      execute format('alter table public.%I enable row level security', part);
      execute format('alter table public.%I force row level security', part);
      execute format(
        'create policy named_workspaces on public.%I using (workspace = any ((select public.onefold_workspaces())::text[]))'
        ' with check (workspace = any ((select public.onefold_workspaces())::text[]))', part);
      if parent = 'timeline_days' then
        -- Counts are rewritten while their day lasts: room on the page saves the index.
        execute format('alter table public.%I set (fillfactor = 70)', part);
        execute format('alter table public.timeline_days attach partition public.%I for values from (%L) to (%L)',
          part, monday, monday + 7);
      else
        execute format('alter table public.timeline attach partition public.%I for values from (%L) to (%L)',
          part, monday::text || ' 00:00:00+00', (monday + 7)::text || ' 00:00:00+00');
      end if;
    end loop;
  end loop;
end
$$;
comment on function make_timeline_weeks(date[]) is
  'Security definer (S91): makes empty parts of the timeline, with its policy, and nothing else. Search path pinned.';

-- Parts that ended before a day; it is at least a week ago.
create function drop_timeline_weeks(before date) returns integer
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  set lock_timeout = '2s'
as $$
declare
  part record;
  dropped integer := 0;
begin
  if before > current_date - 7 then
    raise exception 'the timeline keeps at least a week' using errcode = 'invalid_parameter_value';
  end if;
  perform pg_advisory_xact_lock(62496);
  for part in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent in ('public.timeline'::regclass, 'public.timeline_days'::regclass)
      and to_date(right(c.relname, 8), 'YYYYMMDD') + 7 <= before
    order by c.relname
  loop
    execute format('drop table public.%I', part.relname);
    dropped := dropped + 1;
  end loop;
  return dropped;
end
$$;
comment on function drop_timeline_weeks(date) is
  'Security definer (S91): drops parts of the timeline that are at least a week old, and nothing else. Search path pinned.';

-- Events of every workspace that are older than what the timeline keeps, a chunk at a time.
create function forget_timeline_events(before timestamptz, most integer) returns integer
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  forgotten integer;
begin
  if before > now() - interval '7 days' then
    raise exception 'the timeline keeps at least a week' using errcode = 'invalid_parameter_value';
  end if;
  perform set_config('onefold.forgetting', 'on', true);
  delete from public.timeline_events where ctid = any (array(select e.ctid from public.timeline_events e where e.at < before limit most));
  get diagnostics forgotten = row_count;
  perform set_config('onefold.forgetting', '', true);
  return forgotten;
end
$$;
create policy forgotten_by_owner on timeline_events to current_user
  using ((select current_setting('onefold.forgetting', true)) = 'on') with check (false);
comment on function forget_timeline_events(timestamptz, integer) is
  'Security definer (S91): deletes event keys that are at least a week old, and nothing else. Search path pinned.';

grant select, insert, update, delete on timeline_events, timeline, timeline_days to onefold_app;
revoke all on function make_timeline_weeks(date[]), drop_timeline_weeks(date), forget_timeline_events(timestamptz, integer) from public;
grant execute on function make_timeline_weeks(date[]), drop_timeline_weeks(date), forget_timeline_events(timestamptz, integer) to onefold_app;
