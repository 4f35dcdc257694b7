"""What users hang on contacts, and the tables and indexes that lists of contacts are read by."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
