"""Merges that wait for proof or for a person (product.md, section 4)."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
