"""Jobs of workspaces, on real Postgres."""
