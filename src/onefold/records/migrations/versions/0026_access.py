"""Users, their sessions, service keys, OIDC issuers, the log of what they do, and the answers that a repeated call gets again."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
