"""Which guard left something out of the event that a piece of evidence tells of."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0019"
down_revision = "0014"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
