"""Comments, tasks and approvals on records."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0035"
down_revision = "0031"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
