"""Segments can be archived and destroyed."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0038"
down_revision = "0035"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
