"""Where the store lives, so that a copy of it notices that it is one (security.md, S108)."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0043"
down_revision = "0041"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
