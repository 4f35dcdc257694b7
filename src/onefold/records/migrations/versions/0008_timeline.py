"""What contacts did: interactions by tenure, each event once, and counts by day."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
