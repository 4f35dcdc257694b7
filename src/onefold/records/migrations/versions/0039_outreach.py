"""Messages that are to be sent, resets of passwords by link, and the language of a workspace."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0039"
down_revision = "0037"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
