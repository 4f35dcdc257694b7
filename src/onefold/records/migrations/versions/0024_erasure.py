"""Erased people: what is left of them, and what keeps them away (security.md, S103 and S107)."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
