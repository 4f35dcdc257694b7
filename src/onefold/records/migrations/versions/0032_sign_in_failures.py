"""How often somebody failed to sign in, so that guessing is slow."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0032"
down_revision = "0029"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
