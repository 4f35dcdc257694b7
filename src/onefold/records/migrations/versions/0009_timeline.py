"""What contacts did: interactions by tenure, each event once, and counts by day."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
