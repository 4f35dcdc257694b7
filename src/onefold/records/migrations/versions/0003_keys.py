"""Write keys."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
