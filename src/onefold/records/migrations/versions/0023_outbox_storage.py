"""Messages of large contacts are stored as they are: they stay for milliseconds."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
