"""What an unmerge needs of a merge, and what it leaves there."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
