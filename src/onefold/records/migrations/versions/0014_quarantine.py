"""Values that joined too many contacts, and resolve no more until a person releases them (guard 5, R11)."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
