"""Links by which users sign in."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0044"
down_revision = "0042"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
