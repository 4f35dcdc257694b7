-- The slugs of all workspaces, for whoever works through all of them: the index's upkeep, checks, cleanups.
--
-- Row-level security shows a workspace to those who name it, so the names themselves must come from somewhere. One function presents a
-- setting to a policy that binds the tables' owner alone: the application's role may set it too, and sees no more by it.

create policy listed_by_owner on workspaces for select to current_user
  using ((select current_setting('onefold.listing', true)) = 'on');

create function list_workspaces()
  returns setof text
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('onefold.listing', 'on', true);
  return query select w.workspace from public.workspaces w order by w.workspace;
  perform set_config('onefold.listing', '', true);
end
$$;
comment on function list_workspaces() is
  'Security definer (S91): gives the slugs of all workspaces and nothing else of them. Search path pinned.';

revoke all on function list_workspaces() from public;
grant execute on function list_workspaces() to onefold_app;
