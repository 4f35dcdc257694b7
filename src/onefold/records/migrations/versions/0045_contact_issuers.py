"""OpenID issuers by which a workspace's contacts sign in."""

from __future__ import annotations

from onefold.records.migrations.versions import run

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    """Run the SQL beside this file."""
    run(__file__)
