"""What became of the rules of a workspace, version by version."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
