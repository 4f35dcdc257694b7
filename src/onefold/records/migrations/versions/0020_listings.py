"""An index that gives what a contact lists in its order, however many identifiers the contact holds."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
