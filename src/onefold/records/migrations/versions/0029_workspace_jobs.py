"""Jobs of workspaces, and what an import brings and leaves."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
