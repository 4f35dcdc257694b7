-- A segment that is archived matches nobody: its members leave by a fill like any other. One that is destroyed takes its memberships along,
-- chunk by chunk.
alter table segments add column archived_at timestamptz;
grant delete on segments, memberships to onefold_app;
