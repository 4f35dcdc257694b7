"""Identifiers by hand: who gave them, and what else may change of a tenure."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0031"
down_revision = "0034"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
