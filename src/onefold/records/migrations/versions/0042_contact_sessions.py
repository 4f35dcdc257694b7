"""Sessions and passwords of people who proved an address, and where a challenge's link leads back to."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0042"
down_revision = "0043"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
