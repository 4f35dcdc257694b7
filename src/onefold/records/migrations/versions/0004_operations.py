"""Jobs of operators, and what became of dead letters."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
