"""Contacts, identifiers, evidence, merges, separations, incarnation, progress, outbox."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
