-- `onefold check` looks at every workspace, and a transaction must name those that it sees (S90), so it must learn their names first.
--
-- One function gives names and nothing else. Forced row-level security binds even the tables' owner, as whom it runs: the policy lets
-- that role, and no other, read `workspaces` while the function's own setting says so; the setting ends with the call. Whoever may
-- execute it sees no row of any workspace by it.

create policy names_for_operators on workspaces for select to current_user
  using ((select current_setting('onefold.lists_workspaces', true)) = 'yes');

create function list_workspaces() returns setof text
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('onefold.lists_workspaces', 'yes', true);
  return query select w.workspace from public.workspaces w order by w.workspace;
  perform set_config('onefold.lists_workspaces', '', true);
end
$$;
comment on function list_workspaces() is
  'Security definer (S91): the names of all workspaces, for operators'' checks. Search path pinned; shows one column.';

revoke all on function list_workspaces() from public;
grant execute on function list_workspaces() to onefold_app;
