"""What persons said of purposes (product.md, section 2)."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
