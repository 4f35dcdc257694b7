"""For how long workspaces keep ghosts."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
