"""Documents of contacts."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0034"
down_revision = "0030"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
