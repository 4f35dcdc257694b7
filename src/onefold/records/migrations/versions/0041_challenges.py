"""Codes and links by which somebody proves that an address is theirs, and how often they may be asked for."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
