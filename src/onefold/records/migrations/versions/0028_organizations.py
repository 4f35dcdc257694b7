"""Organizations: a tree, in the order that lists show it."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0028"
down_revision = "0026"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
