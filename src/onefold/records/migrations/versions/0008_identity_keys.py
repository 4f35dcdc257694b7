"""The keys under which a workspace's own servers sign identity tokens, and write keys that require such tokens."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
