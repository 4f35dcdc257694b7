"""Pairs of contacts that no event joins, and times before which events move an identifier no more."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0011"
down_revision = "0009"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
