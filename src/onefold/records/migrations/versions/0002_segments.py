"""Segments and memberships."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
