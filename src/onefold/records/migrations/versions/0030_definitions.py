"""What describes records: profiles, taxonomies, tags, relationships, workflows, document templates."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0030"
down_revision = "0032"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
