"""Interactions that a limit parked, until a person releases or drops them (R11)."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
