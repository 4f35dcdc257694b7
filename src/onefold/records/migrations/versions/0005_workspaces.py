"""The names of all workspaces, for those who work through all of them."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
