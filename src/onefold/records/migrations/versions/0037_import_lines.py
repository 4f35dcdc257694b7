"""Lines of imports without a foreign key of their own."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
